"""Waves on the square [-1, 1]^2: two equations, what is given, and how far a field is from solving them.

The wave equation of a membrane that is held at its border: u_tt = c^2 (u_xx + u_yy), u = 0 at the border, u = g and
u_t = 0 at the start, with g = exp(-r^2 / (2 s^2)), r the distance from the middle. Time runs over T seconds, as
tau = t / T.

The Helmholtz equation with a perfectly matched layer (Sitzmann et al. 2020b, 4.4; Berenger 1994), of a complex u:
(A u_x)_x + (B u_y)_y + e_x e_y k^2 u = -k^2 g, with A = e_y / e_x, B = e_x / e_y and e_x = 1 - i a (l_x / L)^2, where
l_x is how deep x lies in the layer of thickness L along the border, 0 outside; u = 0 at the border. Outside of the
layer this is u_xx + u_yy + k^2 u = -k^2 g, whose waves go outward as exp(-i k r). The source is scaled by k^2 so that u
is of the order of 1.

Points are (row, column) of a picture, as `functional/intersections.py` has them: what is called x is the row.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Complex, Float
from torch import Tensor

from resfields_ns.functional.jets import Jet


def gaussian(points: Float[Tensor, "points 2"], width: float) -> Float[Tensor, "points"]:
    """g at points, s being the width."""
    return torch.exp(-points.square().sum(dim=1) / (2.0 * width**2))


class PlaneEquation(ABC):
    """An equation that a field on the square has to solve."""

    num_values: ClassVar[int]
    """Of u."""
    with_time: ClassVar[bool]
    """Whether u moves."""

    @property
    def source(self) -> float | None:
        """Width of a source in the middle, where the equation has one."""
        return None

    @abstractmethod
    def solution(
        self, values: Float[Tensor, "points values"], points: Float[Tensor, "points 2"], times: Float[Tensor, "points"]
    ) -> Float[Tensor, "points values"]:
        """u of a network's values at points and times in [0, 1]."""

    @abstractmethod
    def residuals(
        self, network: Jet, points: Float[Tensor, "points 2"], times: Float[Tensor, "points"]
    ) -> Float[Tensor, "points values"]:
        """How far u is from solving the equation, of the order of u, of a network's jet by time, x and y."""

    @abstractmethod
    def compared(self, points: Float[Tensor, "points 2"]) -> Bool[Tensor, "points"]:
        """Where u means something, and is compared with a reference."""


@dataclass(frozen=True)
class Membrane(PlaneEquation):
    """The wave equation.

    Args:
        speed: c, in half sides of the square a second
        seconds: T
        pulse_width: s
    """

    speed: float
    seconds: float
    pulse_width: float

    num_values = 1
    with_time = True

    def solution(
        self, values: Float[Tensor, "points 1"], points: Float[Tensor, "points 2"], times: Float[Tensor, "points"]
    ) -> Float[Tensor, "points 1"]:
        """u of a network's values N: g + b(tau) N with b = 1 - exp(-(tau / d)^2), d = s / (c T).

        As b(0) = b'(0) = 0, the start is what is given, whatever the network says (Lagaris et al. 1998).
        """
        switch, _, _ = self._switch(times)
        return (gaussian(points, self.pulse_width) + switch * values[:, 0])[:, None]

    def residuals(
        self, network: Jet, points: Float[Tensor, "points 2"], times: Float[Tensor, "points"]
    ) -> Float[Tensor, "points 1"]:
        """Of the displacement that the network's values make."""
        pulse, spread = gaussian(points, self.pulse_width), self.pulse_width**2
        pulse_laplacian = pulse * (points.square().sum(dim=1) / spread - 2.0) / spread
        switch, rate, second = self._switch(times)
        values, laplacian = network.values[:, 0], (network.second(1) + network.second(2))[:, 0]
        accelerations = second * values + 2.0 * rate * network.first(0)[:, 0] + switch * network.second(0)[:, 0]
        return self.residual(accelerations, pulse_laplacian + switch * laplacian)[:, None]

    def compared(self, points: Float[Tensor, "points 2"]) -> Bool[Tensor, "points"]:
        """Everywhere."""
        return torch.ones_like(points[:, 0], dtype=torch.bool)

    def _switch(self, times: Float[Tensor, "points"]) -> tuple[Tensor, Tensor, Tensor]:
        delay = self.pulse_width / (self.speed * self.seconds)
        left = torch.exp(-((times / delay) ** 2))
        rate = 2.0 * times / delay**2 * left
        return 1.0 - left, rate, 2.0 / delay**2 * (1.0 - 2.0 * (times / delay) ** 2) * left

    def residual(
        self, accelerations: Float[Tensor, "points"], laplacian: Float[Tensor, "points"]
    ) -> Float[Tensor, "points"]:
        """s^2 (u_tt / c^2 - u_xx - u_yy), of accelerations by tau: of the order of u."""
        return self.pulse_width**2 * (accelerations / (self.speed * self.seconds) ** 2 - laplacian)


@dataclass(frozen=True)
class HelmholtzEquation(PlaneEquation):
    """The Helmholtz equation.

    Args:
        wave_number: k
        source_width: s
        layer: L
        absorption: a
    """

    wave_number: float
    source_width: float
    layer: float
    absorption: float

    num_values = 2
    with_time = False

    @property
    def source(self) -> float:
        """s."""
        return self.source_width

    def solution(
        self, values: Float[Tensor, "points 2"], points: Float[Tensor, "points 2"], times: Float[Tensor, "points"]
    ) -> Float[Tensor, "points 2"]:
        """The network's values: real and imaginary part."""
        del points, times
        return values

    def compared(self, points: Float[Tensor, "points 2"]) -> Bool[Tensor, "points"]:
        """Outside of the layer."""
        return (points.abs() <= 1.0 - self.layer).all(dim=1)

    def stretch(self, x: Float[Tensor, "*batch"]) -> tuple[Complex[Tensor, "*batch"], Complex[Tensor, "*batch"]]:
        """e_x and its derivative by x."""
        depth = (x.abs() - (1.0 - self.layer)).clamp(min=0.0) / self.layer
        strength = torch.complex(torch.ones_like(x), -self.absorption * depth.square())
        slope = -2.0 * self.absorption / self.layer * depth * x.sign()
        return strength, torch.complex(torch.zeros_like(x), slope)

    def residuals(
        self, network: Jet, points: Float[Tensor, "points 2"], times: Float[Tensor, "points"]
    ) -> Float[Tensor, "points 2"]:
        """The equation's left side less its right one, over k^2, real and imaginary part."""
        del times
        (e_x, slope_x), (e_y, slope_y) = self.stretch(points[:, 0]), self.stretch(points[:, 1])
        u, (u_x, u_y), (u_xx, u_yy) = (
            as_complex(network.values),
            (as_complex(network.first(direction)) for direction in (0, 1)),
            (as_complex(network.second(direction)) for direction in (0, 1)),
        )
        along_x = e_y / e_x * (u_xx - slope_x / e_x * u_x)
        along_y = e_x / e_y * (u_yy - slope_y / e_y * u_y)
        residual = (along_x + along_y) / self.wave_number**2 + e_x * e_y * u + gaussian(points, self.source_width)
        return torch.stack((residual.real, residual.imag), dim=1)


def as_complex(pairs: Float[Tensor, "points 2"]) -> Complex[Tensor, "points"]:
    """Real and imaginary parts as one number."""
    return torch.complex(pairs[:, 0], pairs[:, 1])


_NEGATIVE, _ZERO, _POSITIVE = (0.13, 0.33, 0.67), (1.0, 1.0, 1.0), (0.75, 0.15, 0.15)


def wave_colours(values: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3"]:
    """Blue at -1, white at 0 and red at 1, straight in between, and no further beyond."""
    share = values.abs().clamp(max=1.0)[..., None]
    ends = torch.where(values[..., None] < 0.0, values.new_tensor(_NEGATIVE), values.new_tensor(_POSITIVE))
    return values.new_tensor(_ZERO) * (1.0 - share) + ends * share
