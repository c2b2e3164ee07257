"""The field of every dynamic method: warp, ambient coordinates, residual MLP, colour (paper, 4.3 and A.4).

A point at a moment is carried into canonical space by a warp, joined by ambient coordinates, and given to an MLP whose
weights may carry residuals. Methods differ in the parts alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from nerfstudio.configs.base_config import InstantiateConfig
from nerfstudio.field_components.field_heads import FieldHeadNames
from nerfstudio.utils.rich_utils import CONSOLE
from torch import Tensor

from resfields_ns.fields.ambient import AmbientConfig, NoAmbientConfig
from resfields_ns.fields.colour import FeatureColour, ViewBasisColour, ViewDependentColour
from resfields_ns.fields.conditions import ConditionConfig, TimeConditionConfig
from resfields_ns.fields.densities import Density
from resfields_ns.fields.parts import AmbientOptions, ConditionOptions, WarpOptions
from resfields_ns.fields.sequence_field import SequenceField, plain_over_one_frame
from resfields_ns.fields.warps import IdentityWarpConfig, WarpConfig
from resfields_ns.functional.segments import ConditionedPoints, TimedPoints
from resfields_ns.layers import (
    BasicEncoding,
    Encoding,
    GaussianEncoding,
    NoEncoding,
    ReLUGeometricMLP,
    ResidualOptions,
    SoftplusGeometricMLP,
    WindowedPositionalEncoding,
)
from resfields_ns.options import chosen, option, when

ACTIVATIONS = {"softplus": SoftplusGeometricMLP, "relu": ReLUGeometricMLP}
COLOURS = {"feature": FeatureColour, "view": ViewDependentColour, "view-basis": ViewBasisColour}
ENCODINGS: dict[str, Callable[["DynamicFieldConfig"], Encoding]] = {
    "none": lambda config: NoEncoding(3),
    "basic": lambda config: BasicEncoding(3),
    "positional": lambda config: WindowedPositionalEncoding(3, config.num_frequencies),
    "gaussian": lambda config: GaussianEncoding(3, config.gaussian_waves, config.gaussian_scale),
}


def _condition_is_seen(config: "DynamicFieldConfig") -> str | None:
    seen = chosen(config.warp).sees_condition or chosen(config.ambient).sees_condition
    return None if seen else "neither warp nor ambient coordinates depend on it"


@dataclass
class DynamicFieldConfig(ResidualOptions, InstantiateConfig):
    """Parts and sizes of a dynamic field; the defaults are the paper's TNeRF (A.4)."""

    _target: type = field(default_factory=lambda: DynamicField)
    condition: ConditionConfig = option(factory=ConditionOptions, acts=_condition_is_seen, data="second frame")
    """What tells warp and ambient coordinates the moment."""
    warp: WarpConfig = option(factory=WarpOptions, data="second frame")
    """From observed to canonical points."""
    ambient: AmbientConfig = field(default_factory=lambda: AmbientOptions(kind="moment", num_frequencies=6))
    """What the MLP sees beside the canonical point."""
    encoding: Literal["none", "basic", "positional", "gaussian"] = "positional"
    """Encoding of canonical points."""
    num_frequencies: int = option(6, least=0, acts=when("encoding", "positional"))
    """Octaves of the positional encoding."""
    gaussian_waves: int = option(32, least=1, acts=when("encoding", "gaussian"))
    """Random directions of the Gaussian encoding."""
    gaussian_scale: float = option(1.0, above=0, acts=when("encoding", "gaussian"))
    """Standard deviation of the Gaussian encoding's frequencies, in periods per scene unit."""
    residual_layers: tuple[int, ...] = option((1, 2, 3, 4, 5, 6, 7), data="second frame")
    """Layers (0 to num_layers) whose weights carry a time-dependent residual; none is the plain baseline."""
    num_layers: int = option(8, least=1)
    """Hidden layers of the MLP."""
    hidden_dim: int = option(128, least=1)
    """Width of the MLP and of the colour head."""
    skip_layers: tuple[int, ...] = (4,)
    """Layers that also see the MLP's input."""
    activation: Literal["softplus", "relu"] = "softplus"
    """Non-linearity of the MLP: Softplus(100) or ReLU."""
    feature_dim: int = option(128, least=1)
    """Size of the feature that the colour head sees."""
    colour: Literal["feature", "view", "view-basis"] = "feature"
    """What colour depends on beside the point: nothing (the paper: sparse views cannot constrain more), the viewing
    direction, or the direction through a learned basis (NeX)."""
    initial_radius: float = option(0.5, above=0)
    """Radius of the sphere that the field starts as, in scene units."""

    def check_options(self) -> None:
        """Raise ValueError for layers that are none, and for parts that do not fit together."""
        super().check_options()
        self.check_residual_layers(self.num_layers + 1)
        if outside := [index for index in self.skip_layers if not 0 < index < self.num_layers]:
            raise ValueError(f"field.skip-layers: expected 1 to {self.num_layers - 1}, got {outside[0]}")
        if chosen(self.ambient).needs_time and not chosen(self.condition)._target.is_time:
            ambient, condition = (getattr(of, "kind", type(of).__name__) for of in (self.ambient, self.condition))
            raise ValueError(f"field.condition.kind: expected time for ambient.kind {ambient}, got {condition}")

    @property
    def has_window(self) -> bool:
        """Whether an encoding opens from coarse to fine."""
        encoded = self.encoding == "positional" and self.num_frequencies > 0
        return encoded or chosen(self.warp).has_window or chosen(self.ambient).has_window


def _standing_still(config: DynamicFieldConfig) -> DynamicFieldConfig:
    """The config without what is for changes over time: residuals, and parts that see nothing new but the moment."""
    if chosen(config.warp).sees_condition:
        CONSOLE.print("One frame: points stay where they are, as a warp is for what changes over time.")
    ambient = NoAmbientConfig() if chosen(config.ambient).is_of_moment else config.ambient
    condition = config.condition if chosen(ambient).sees_condition else TimeConditionConfig()
    return replace(plain_over_one_frame(config, 1), condition=condition, warp=IdentityWarpConfig(), ambient=ambient)


class DynamicField(SequenceField):
    """A number (signed distance or unclamped density), its spatial gradient, density and colour of a point at a time.

    Args:
        config: parts and sizes
        num_frames: frames of the sequence; over one, what is for changes over time is left out
        density: what the number is

    Raises:
        ValueError: if the MLP is too narrow for its skip connection
    """

    def __init__(self, config: DynamicFieldConfig, num_frames: int, density: Density) -> None:
        super().__init__()
        if num_frames == 1:
            config = _standing_still(config)
        self.config = config
        self.num_frames = num_frames
        self.condition = config.condition.setup(num_frames=num_frames)
        self.warp = config.warp.setup(condition=self.condition)
        self.ambient = config.ambient.setup(condition=self.condition)
        self.encoding = ENCODINGS[config.encoding](config)
        self.mlp = ACTIVATIONS[config.activation](
            num_coordinates=3,
            in_dim=self.encoding.out_dim + self.ambient.out_dim,
            hidden_dim=config.hidden_dim,
            num_hidden=config.num_layers,
            out_dim=1 + config.feature_dim,
            skip_layers=config.skip_layers,
            radius=config.initial_radius,
            make_layers=config.layer_maker(num_frames),
        )
        self.colour = COLOURS[config.colour](config.feature_dim, config.hidden_dim)
        self.density = density
        if not density.is_distance:
            self.mlp.turn_inside_out()

    def raw_and_feature(self, points: TimedPoints) -> tuple[Float[Tensor, "points"], Float[Tensor, "points feature"]]:
        """The number that a density is made of, of the points' type, and the colour feature, of autocast's."""
        with self._full_precision():
            points = self._conditioned(points)
            inputs = torch.cat((self.encoding(self.warp(points)), self.ambient(points)), dim=-1)
        raw, feature = self.mlp(inputs, points.segments).split((1, self.config.feature_dim), dim=1)
        return raw[:, 0].to(points.positions.dtype), feature

    def raw_gradient_and_feature(
        self, points: TimedPoints
    ) -> tuple[Float[Tensor, "points"], Float[Tensor, "points 3"], Float[Tensor, "points feature"]]:
        """The number, its gradient with respect to the observed points (not normalised), and the colour feature."""
        with self._full_precision():
            points = self._conditioned(points)
            canonical, warp_pullback = self.warp.with_pullback(points)
            ambient, ambient_pullback = self.ambient.with_pullback(points)
            encoded = self.encoding(canonical)
            inputs = torch.cat((encoded, ambient), dim=-1)
        output, gradient = self.mlp.forward_with_gradient(inputs, points.segments)
        with self._full_precision():
            to_encoded, to_ambient = gradient.split((encoded.shape[1], ambient.shape[1]), dim=1)
            gradient = warp_pullback(self.encoding.pullback(encoded, to_encoded)) + ambient_pullback(to_ambient)
        raw, feature = output.split((1, self.config.feature_dim), dim=1)
        return raw[:, 0].to(points.positions.dtype), gradient, feature

    def density_and_embedding(
        self, points: TimedPoints
    ) -> tuple[Float[Tensor, "points"], Float[Tensor, "points embedding"]]:
        """Density, and the colour feature."""
        raw, feature = self.raw_and_feature(points)
        return self.density(raw), feature

    def outputs(
        self,
        points: TimedPoints,
        directions: Float[Tensor, "points 3"],
        embedding: Float[Tensor, "points embedding"],
    ) -> dict[Any, Float[Tensor, "points channels"]]:
        """RGB in [0, 1]."""
        del points
        return {FieldHeadNames.RGB: self.colour(embedding, directions)}

    def normals(self, points: TimedPoints) -> Float[Tensor, "points 3"]:
        """The direction in which density falls."""
        return self.unit_normals(self.raw_gradient_and_feature(points)[1])

    def unit_normals(self, gradient: Float[Tensor, "*points 3"]) -> Float[Tensor, "*points 3"]:
        """Outward normals for gradients of the number."""
        return self.density.outward * F.normalize(gradient, dim=-1)

    def _full_precision(self) -> torch.autocast:
        """Where points are computed: autocast is for the MLP and the colour head alone."""
        return torch.autocast(next(self.mlp.parameters()).device.type, enabled=False)

    def _conditioned(self, points: TimedPoints) -> ConditionedPoints:
        return points.conditioned(self.condition(points.segments.times))
