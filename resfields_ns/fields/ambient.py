"""Ambient coordinates: none, the moment, a slicing surface."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.fields.conditions import Condition
from resfields_ns.fields.point_map import PointMap, PointMapConfig, Pullback
from resfields_ns.functional.segments import ConditionedPoints
from resfields_ns.layers.encodings import WindowedPositionalEncoding
from resfields_ns.options import Limits, option


@dataclass
class AmbientConfig(PointMapConfig):
    """Which ambient coordinates."""

    prefix: ClassVar[str] = "ambient."
    needs_time: ClassVar[bool] = False
    """Whether the condition must be the time."""
    is_of_moment: ClassVar[bool] = False
    """Whether it tells nothing but moments apart."""


class AmbientCoordinates(PointMap):
    """What a field sees of an observed point besides its canonical position (Park et al. 2021b).

    Args:
        out_dim: how many numbers
    """

    def __init__(self, out_dim: int) -> None:
        super().__init__()
        self.out_dim = out_dim


class SpatiallyConstantAmbient(AmbientCoordinates):
    """Ambient coordinates that all points of a moment share."""

    def with_pullback(self, points: ConditionedPoints) -> tuple[Float[Tensor, "points ambient"], Pullback]:
        """The coordinates; their gradient in space is zero."""
        return self(points), lambda gradient: torch.zeros_like(points.positions)


@dataclass
class NoAmbientConfig(AmbientConfig):
    """The canonical position is all that the field sees."""

    sees_condition: ClassVar[bool] = False

    _target: type = field(default_factory=lambda: NoAmbient)


class NoAmbient(SpatiallyConstantAmbient):
    """No numbers."""

    def __init__(self, config: NoAmbientConfig, condition: Condition) -> None:
        del config, condition
        super().__init__(out_dim=0)

    def forward(self, points: ConditionedPoints) -> Float[Tensor, "points 0"]:
        """Nothing for every point."""
        return points.positions[:, :0]


@dataclass
class MomentAmbientConfig(AmbientConfig):
    """The time of TNeRF (paper, A.4), the latent code of DyNeRF (Li et al. 2022)."""

    is_of_moment: ClassVar[bool] = True

    _target: type = field(default_factory=lambda: MomentAmbient)
    num_frequencies: int = option(0, least=0)
    """Frequencies of the encoding of the moment: 6 for a time, 0 for a latent code."""


class MomentAmbient(SpatiallyConstantAmbient):
    """The encoded condition."""

    def __init__(self, config: MomentAmbientConfig, condition: Condition) -> None:
        encoding = WindowedPositionalEncoding(condition.dim, config.num_frequencies)
        super().__init__(encoding.out_dim)
        self.encoding = encoding

    def forward(self, points: ConditionedPoints) -> Float[Tensor, "points ambient"]:
        """The encoded condition of every point's moment."""
        return points.segments.expand(self.encoding(points.condition))


@dataclass
class SlicingNetworkConfig(AmbientConfig):
    """Coordinates that depend on point and moment (Park et al. 2021b; Cai et al. 2022)."""

    is_of_moment: ClassVar[bool] = True

    _target: type = field(default_factory=lambda: SlicingNetwork)
    num_coordinates: int = option(2, least=1)
    """Ambient coordinates."""
    num_layers: int = option(7, least=2)
    """Hidden layers."""
    hidden_dim: int = option(64, least=1)
    """Width."""
    skip_layer: int = 5
    """Layer that also sees the encoded point."""
    num_frequencies: int = option(6, least=0)
    """Frequencies of the encoding of points."""
    num_ambient_frequencies: int = option(6, least=0)
    """Frequencies of the encoding of the ambient coordinates."""

    def check_options(self) -> None:
        """Raise ValueError for sizes that do not fit together."""
        super().check_options()
        Limits(least=1, most=self.num_layers - 1).check("ambient.skip-layer", self.skip_layer)
        if self.hidden_dim <= (num_encoded := 3 + 6 * self.num_frequencies):
            raise ValueError(
                f"ambient.hidden-dim: expected above the {num_encoded} of an encoded point, got {self.hidden_dim}"
            )

    @property
    def has_window(self) -> bool:
        """Whether an encoding opens from coarse to fine."""
        return max(self.num_frequencies, self.num_ambient_frequencies) > 0


class SlicingNetwork(AmbientCoordinates):
    """enc(MLP([enc(x), condition])), by Softplus(100) layers with one skip of enc(x); starts close to zero."""

    def __init__(self, config: SlicingNetworkConfig, condition: Condition) -> None:
        ambient_encoding = WindowedPositionalEncoding(config.num_coordinates, config.num_ambient_frequencies)
        super().__init__(ambient_encoding.out_dim)
        self.point_encoding = WindowedPositionalEncoding(3, config.num_frequencies)
        self.ambient_encoding = ambient_encoding
        self.skip_layer = config.skip_layer
        num_encoded, hidden_dim = self.point_encoding.out_dim, config.hidden_dim
        shapes = [(num_encoded + condition.dim, hidden_dim)] + [(hidden_dim, hidden_dim)] * (config.num_layers - 1)
        shapes[self.skip_layer - 1] = (shapes[self.skip_layer - 1][0], hidden_dim - num_encoded)
        shapes.append((hidden_dim, config.num_coordinates))
        self.layers = cast(Sequence[nn.Linear], nn.ModuleList(nn.Linear(*shape) for shape in shapes))
        self._initialise()

    def _initialise(self) -> None:
        """Normal weights; the waves of the encodings and the condition start without effect."""
        for layer in self.layers:
            nn.init.normal_(layer.weight, 0.0, math.sqrt(2.0 / layer.out_features))
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.layers[0].weight[:, 3:])
        num_waves = self.point_encoding.out_dim - 3
        skip = self.layers[self.skip_layer]
        nn.init.zeros_(skip.weight[:, skip.in_features - num_waves :])
        nn.init.normal_(self.layers[-1].weight, 0.0, 1e-5)

    def forward(self, points: ConditionedPoints) -> Float[Tensor, "points ambient"]:
        """The encoded ambient coordinates."""
        encoded = self.point_encoding(points.positions)
        hidden = torch.cat((encoded, points.expanded_condition), dim=-1)
        for index, layer in enumerate(self.layers[:-1]):
            if index == self.skip_layer:
                hidden = torch.cat((hidden, encoded), dim=-1) * math.sqrt(0.5)
            hidden = F.softplus(layer(hidden), beta=100.0)
        return self.ambient_encoding(self.layers[-1](hidden))
