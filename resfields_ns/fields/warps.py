"""Warps into canonical space: none, by translation, by rigid motion."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.fields.conditions import Condition
from resfields_ns.fields.point_map import PointMap, PointMapConfig, Pullback
from resfields_ns.functional.motion import apply_twist
from resfields_ns.functional.segments import ConditionedPoints
from resfields_ns.layers.encodings import WindowedPositionalEncoding
from resfields_ns.layers.mlp import SkipMLP
from resfields_ns.options import Limits, option


@dataclass
class WarpConfig(PointMapConfig):
    """Which warp."""

    prefix: ClassVar[str] = "warp."


class Warp(PointMap):
    """Takes observed points to canonical space; starts as the identity."""

    @abstractmethod
    def forward(self, points: ConditionedPoints) -> Float[Tensor, "points 3"]:
        """The canonical points."""


class InvertibleWarp(Warp):
    """A warp that also leads back."""

    @abstractmethod
    def inverse(self, points_canonical: ConditionedPoints) -> Float[Tensor, "points 3"]:
        """The observed points."""


@dataclass
class IdentityWarpConfig(WarpConfig):
    """Points stay where they are."""

    sees_condition: ClassVar[bool] = False

    _target: type = field(default_factory=lambda: IdentityWarp)


class IdentityWarp(InvertibleWarp):
    """Points stay where they are."""

    def __init__(self, config: IdentityWarpConfig, condition: Condition) -> None:
        del config, condition
        super().__init__()

    def forward(self, points: ConditionedPoints) -> Float[Tensor, "points 3"]:
        """The points."""
        return points.positions

    def inverse(self, points_canonical: ConditionedPoints) -> Float[Tensor, "points 3"]:
        """The points."""
        return points_canonical.positions

    def with_pullback(self, points: ConditionedPoints) -> tuple[Float[Tensor, "points 3"], Pullback]:
        """The points; gradients stay as they are as well."""
        return points.positions, lambda gradient: gradient


@dataclass
class TrunkWarpConfig(WarpConfig):
    """A `SkipMLP` of encoded points and a condition."""

    num_layers: int = option(6, least=2)
    """Layers of the trunk."""
    hidden_dim: int = option(128, least=1)
    """Width of the trunk and of what follows it."""
    skip_layer: int = 5
    """Layer that also sees the trunk's input."""
    num_frequencies: int = option(6, least=0)
    """Frequencies of the encoding of points."""

    def check_options(self) -> None:
        """Raise ValueError for sizes that do not fit together."""
        super().check_options()
        Limits(least=1, most=self.num_layers - 1).check("warp.skip-layer", self.skip_layer)


@dataclass
class TranslationWarpConfig(TrunkWarpConfig):
    """An offset for every point (Pumarola et al. 2021)."""

    _target: type = field(default_factory=lambda: TranslationWarp)
    num_layers: int = option(8, least=2)
    num_frequencies: int = option(0, least=0)


class TranslationWarp(Warp):
    """x + MLP([enc(x), condition])."""

    def __init__(self, config: TranslationWarpConfig, condition: Condition) -> None:
        super().__init__()
        self.encoding = WindowedPositionalEncoding(3, config.num_frequencies)
        in_dim = self.encoding.out_dim + condition.dim
        self.trunk = SkipMLP(in_dim, config.hidden_dim, config.num_layers, config.skip_layer)
        self.offset = nn.Linear(config.hidden_dim, 3)
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)

    def forward(self, points: ConditionedPoints) -> Float[Tensor, "points 3"]:
        """The canonical points."""
        inputs = torch.cat((self.encoding(points.positions), points.expanded_condition), dim=-1)
        return points.positions + self.offset(self.trunk(inputs))


@dataclass
class SE3WarpConfig(TrunkWarpConfig):
    """A rigid motion for every point (Park et al. 2021a)."""

    _target: type = field(default_factory=lambda: SE3Warp)


class SE3Warp(Warp):
    """exp(w, v) x for a twist (w, v) = MLP([enc(x), condition]) of every point x."""

    def __init__(self, config: SE3WarpConfig, condition: Condition) -> None:
        super().__init__()
        self.encoding = WindowedPositionalEncoding(3, config.num_frequencies)
        in_dim = self.encoding.out_dim + condition.dim
        self.trunk = SkipMLP(in_dim, config.hidden_dim, config.num_layers, config.skip_layer)
        self.rotation = _branch(config.hidden_dim)
        self.translation = _branch(config.hidden_dim)

    def forward(self, points: ConditionedPoints) -> Float[Tensor, "points 3"]:
        """The canonical points."""
        hidden = self.trunk(torch.cat((self.encoding(points.positions), points.expanded_condition), dim=-1))
        return apply_twist(self.rotation(hidden), self.translation(hidden), points.positions)


def _branch(hidden_dim: int) -> nn.Sequential:
    """One hidden layer, then three numbers that start as zeros."""
    last = nn.Linear(hidden_dim, 3)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(hidden_dim, hidden_dim), nn.ReLU(), last)
