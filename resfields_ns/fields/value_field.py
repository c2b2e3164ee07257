"""Networks from coordinates and time to values, and what these values are in space."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from nerfstudio.field_components.field_heads import FieldHeadNames
from torch import Tensor

from resfields_ns.fields.sequence_field import SequenceField
from resfields_ns.functional.intersections import project_on_picture
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.functional.surface_points import normal_colours
from resfields_ns.functional.volume import laplace_density
from resfields_ns.functional.wave_equations import PlaneEquation, wave_colours
from resfields_ns.functional.waveforms import DRAWING_SIZE, draw_waveform


class Quantity(ABC):
    """What the values of a network are, and so what cameras see of them."""

    num_coordinates: ClassVar[int]
    """Of a point."""
    num_values: int
    """At a point."""

    @abstractmethod
    def density(self, field: "ValueField", points: TimedPoints) -> Float[Tensor, "points"]:
        """Volume density at points of space."""

    @abstractmethod
    def outputs(self, field: "ValueField", points: TimedPoints) -> dict[Any, Float[Tensor, "points channels"]]:
        """What else is at points of space."""

    def normals(self, field: "ValueField", points: TimedPoints) -> Float[Tensor, "points 3"]:
        """Unit normals at points of space; ValueError for what has no surface."""
        raise ValueError(f"compute_normals: expected a field with a surface, found one of a {type(self).__name__}")


class ValueField(SequenceField, ABC):
    """Values at coordinates and times.

    Args:
        quantity: what the values are
    """

    def __init__(self, quantity: Quantity) -> None:
        super().__init__()
        self.quantity = quantity

    @abstractmethod
    def values(self, points: TimedPoints) -> Float[Tensor, "points values"]:
        """The values at points that lie in [-1, 1] for the most part."""

    def value_and_gradient(self, points: TimedPoints) -> tuple[Float[Tensor, "points"], Float[Tensor, "points dims"]]:
        """The first value and its gradient by the point, which can be trained on where gradients are recorded."""
        training, positions = torch.is_grad_enabled(), points.positions
        with torch.enable_grad():
            leaf = positions if positions.requires_grad else positions.detach().requires_grad_()
            values = self.values(points.moved(leaf))[:, 0]
            (gradient,) = torch.autograd.grad(values.sum(), leaf, create_graph=training)
        return (values if training else values.detach()), gradient

    def values_and_derivatives(
        self, points: TimedPoints, order: int
    ) -> tuple[Float[Tensor, "points values"], list[Float[Tensor, "points values dims"]]]:
        """The values and, up to an `order` of 2, their first and second derivatives along each axis.

        They can be trained on where gradients are recorded.
        """
        training, derivatives = torch.is_grad_enabled(), []
        with torch.enable_grad():
            leaf = points.positions.detach().requires_grad_()
            values = self.values(points.moved(leaf))
            if order > 0:
                first = [_gradient(column, leaf, training or order > 1) for column in values.unbind(dim=1)]
                derivatives.append(torch.stack(first, dim=1))
            if order > 1:
                axes = range(leaf.shape[1])
                second = [[_gradient(of[:, axis], leaf, training)[:, axis] for axis in axes] for of in first]
                derivatives.append(torch.stack([torch.stack(along, dim=-1) for along in second], dim=1))
        return values, derivatives

    def density_and_embedding(
        self, points: TimedPoints
    ) -> tuple[Float[Tensor, "points"], Float[Tensor, "points embedding"]]:
        """The density of what the values are; there is nothing to take over."""
        return self.quantity.density(self, points), points.positions[:, :0]

    def outputs(
        self,
        points: TimedPoints,
        directions: Float[Tensor, "points 3"],
        embedding: Float[Tensor, "points embedding"],
    ) -> dict[Any, Float[Tensor, "points channels"]]:
        """What the values look like, from wherever they are seen."""
        del directions, embedding
        return self.quantity.outputs(self, points)

    def normals(self, points: TimedPoints) -> Float[Tensor, "points 3"]:
        """Unit normals, where the values have a surface."""
        return self.quantity.normals(self, points)


def _gradient(values: Float[Tensor, "points"], leaf: Float[Tensor, "points dims"], graph: bool) -> Tensor:
    """Of values by the point that each is of; 0 of those that do not depend on it."""
    return torch.autograd.grad(values.sum(), leaf, create_graph=graph, retain_graph=True, materialize_grads=True)[0]


class ImplicitSurface(Quantity):
    """One number at points of space, negative inside; what is seen is its zero level, in the colours of the normals.

    The density is VolSDF's of the number, with a scale of 0.01 scene units: a surface that is nearly sharp.
    """

    BETA = 0.01
    num_coordinates = 3
    num_values = 1

    def density(self, field: ValueField, points: TimedPoints) -> Float[Tensor, "points"]:
        """1 / 0.01 deep inside, half of that on the surface, next to nothing outside."""
        values = field.values(points)[:, 0]
        return laplace_density(values, values.new_tensor(self.BETA))

    def outputs(self, field: ValueField, points: TimedPoints) -> dict[Any, Float[Tensor, "points channels"]]:
        """The colours of the normals."""
        return {FieldHeadNames.RGB: normal_colours(self.normals(field, points))}

    def normals(self, field: ValueField, points: TimedPoints) -> Float[Tensor, "points 3"]:
        """The direction in which the number grows."""
        return F.normalize(field.value_and_gradient(points)[1], dim=-1)


class Hanging(Quantity, ABC):
    """Colours at (row, column) of a picture that hangs in space, see `functional/intersections.py`.

    In space it is a slab around the picture's plane, 0.02 thick, with the density 1000: seen from before, all but e^-20
    of the light ends in it.

    Args:
        height, width: in pixels
    """

    DENSITY = 1000.0
    THICKNESS = 0.02

    def __init__(self, height: int, width: int) -> None:
        self.height = height
        self.width = width

    @abstractmethod
    def colours(self, field: ValueField, points: TimedPoints) -> Float[Tensor, "points 3"]:
        """What is seen at (row, column), not clamped."""

    def density(self, field: ValueField, points: TimedPoints) -> Float[Tensor, "points"]:
        """That of the slab, the same at every time."""
        del field
        inside, _ = project_on_picture(points.positions, self.height, self.width)
        near = points.positions[:, 0].abs() <= 0.5 * self.THICKNESS
        return self.DENSITY * (inside & near).to(points.positions)

    def outputs(self, field: ValueField, points: TimedPoints) -> dict[Any, Float[Tensor, "points channels"]]:
        """The colours at the nearest points of the picture's plane."""
        _, coordinates = project_on_picture(points.positions, self.height, self.width)
        return {FieldHeadNames.RGB: self.colours(field, points.moved(coordinates))}


class Picture(Hanging):
    """RGB at (row, column)."""

    num_coordinates = 2
    num_values = 3

    def colours(self, field: ValueField, points: TimedPoints) -> Float[Tensor, "points 3"]:
        """The values of the network."""
        return field.values(points)


class Waveform(Hanging):
    """Amplitudes at positions in a window of a sound; what hangs in space is their drawing (`functional/waveforms.py`).

    Args:
        channels: amplitudes at a position
        scale: factor on positions in [-1, 1], by which the network sees them
    """

    num_coordinates = 1

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__(*DRAWING_SIZE)
        self.num_values = channels
        self.scale = scale

    def amplitudes(self, field: ValueField, points: TimedPoints) -> Float[Tensor, "points channels"]:
        """What the network says at positions in [-1, 1]."""
        return field.values(points.moved(self.scale * points.positions))

    def colours(self, field: ValueField, points: TimedPoints) -> Float[Tensor, "points 3"]:
        """The drawing of what the network says."""
        places = points.positions
        return draw_waveform(places, self.amplitudes(field, points.moved(places[:, 1:])))


class PlaneWave(Hanging):
    """A wave on the square [-1, 1]^2; what hangs in space is its first value, in colours.

    Args:
        equation: that it solves
        side: pixels of the picture
    """

    num_coordinates = 2

    def __init__(self, equation: PlaneEquation, side: int) -> None:
        super().__init__(side, side)
        self.equation = equation
        self.num_values = equation.num_values

    def solution(self, field: ValueField, points: TimedPoints) -> Float[Tensor, "points values"]:
        """u at points."""
        times = points.segments.expand(points.segments.times)
        return self.equation.solution(field.values(points), points.positions, times)

    def colours(self, field: ValueField, points: TimedPoints) -> Float[Tensor, "points 3"]:
        """Blue below zero, red above it."""
        return wave_colours(self.solution(field, points)[:, 0])
