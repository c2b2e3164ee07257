"""Warps into canonical space: none, by translation, by rigid motion."""

from abc import abstractmethod
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from nerfstudio.configs.base_config import InstantiateConfig
from torch import Tensor, nn

from resfields_ns.fields.point_map import PointMap, Pullback
from resfields_ns.functional.motion import apply_twist
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers.encodings import WindowedPositionalEncoding
from resfields_ns.layers.mlp import SkipMLP


@dataclass
class WarpConfig(InstantiateConfig):
    """Which warp, and its sizes; `setup(condition_dim=...)` builds it for such conditions."""


class Warp(PointMap):
    """Takes observed points to canonical space; starts as the identity."""

    @abstractmethod
    def forward(
        self,
        points: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> Float[Tensor, "points 3"]:
        """The canonical points."""


class InvertibleWarp(Warp):
    """A warp that also leads back."""

    @abstractmethod
    def inverse(
        self,
        points_canonical: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> Float[Tensor, "points 3"]:
        """The observed points."""


@dataclass
class IdentityWarpConfig(WarpConfig):
    """Points stay where they are."""

    _target: type = field(default_factory=lambda: IdentityWarp)


class IdentityWarp(InvertibleWarp):
    """Points stay where they are."""

    def __init__(self, config: IdentityWarpConfig, condition_dim: int) -> None:
        del config, condition_dim
        super().__init__()

    def forward(
        self,
        points: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> Float[Tensor, "points 3"]:
        """The points."""
        del condition, segments
        return points

    def inverse(
        self,
        points_canonical: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> Float[Tensor, "points 3"]:
        """The points."""
        del condition, segments
        return points_canonical

    def with_pullback(
        self,
        points: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> tuple[Float[Tensor, "points 3"], Pullback]:
        """The points; gradients stay as they are as well."""
        del condition, segments
        return points, lambda gradient: gradient


@dataclass
class TrunkWarpConfig(WarpConfig):
    """A `SkipMLP` of encoded points and a condition."""

    num_layers: int = 6
    """Layers of the trunk."""
    hidden_dim: int = 128
    """Width of the trunk and of what follows it."""
    skip_layer: int = 5
    """Layer that also sees the trunk's input."""
    num_frequencies: int = 6
    """Frequencies of the encoding of points."""

    def __post_init__(self) -> None:
        if self.num_layers < 2:
            raise ValueError(f"warp.num-layers: expected at least 2, got {self.num_layers}")
        if self.hidden_dim < 1:
            raise ValueError(f"warp.hidden-dim: expected at least 1, got {self.hidden_dim}")
        if not 0 < self.skip_layer < self.num_layers:
            raise ValueError(f"warp.skip-layer: expected 1 to {self.num_layers - 1}, got {self.skip_layer}")
        if self.num_frequencies < 0:
            raise ValueError(f"warp.num-frequencies: expected at least 0, got {self.num_frequencies}")


@dataclass
class TranslationWarpConfig(TrunkWarpConfig):
    """An offset for every point (Pumarola et al. 2021)."""

    _target: type = field(default_factory=lambda: TranslationWarp)
    num_layers: int = 8
    num_frequencies: int = 0


class TranslationWarp(Warp):
    """x + MLP([enc(x), condition])."""

    def __init__(self, config: TranslationWarpConfig, condition_dim: int) -> None:
        super().__init__()
        self.encoding = WindowedPositionalEncoding(3, config.num_frequencies)
        in_dim = self.encoding.out_dim + condition_dim
        self.trunk = SkipMLP(in_dim, config.hidden_dim, config.num_layers, config.skip_layer)
        self.offset = nn.Linear(config.hidden_dim, 3)
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)

    def set_progress(self, progress: float) -> None:
        """Open the encoding's window to a share in [0, 1] of its schedule."""
        self.encoding.set_progress(progress)

    def forward(
        self,
        points: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> Float[Tensor, "points 3"]:
        """The canonical points."""
        inputs = torch.cat((self.encoding(points), segments.expand(condition)), dim=-1)
        return points + self.offset(self.trunk(inputs))


@dataclass
class SE3WarpConfig(TrunkWarpConfig):
    """A rigid motion for every point (Park et al. 2021a)."""

    _target: type = field(default_factory=lambda: SE3Warp)


class SE3Warp(Warp):
    """exp(w, v) x for a twist (w, v) = MLP([enc(x), condition]) of every point x."""

    def __init__(self, config: SE3WarpConfig, condition_dim: int) -> None:
        super().__init__()
        self.encoding = WindowedPositionalEncoding(3, config.num_frequencies)
        in_dim = self.encoding.out_dim + condition_dim
        self.trunk = SkipMLP(in_dim, config.hidden_dim, config.num_layers, config.skip_layer)
        self.rotation = _branch(config.hidden_dim)
        self.translation = _branch(config.hidden_dim)

    def set_progress(self, progress: float) -> None:
        """Open the encoding's window to a share in [0, 1] of its schedule."""
        self.encoding.set_progress(progress)

    def forward(
        self,
        points: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> Float[Tensor, "points 3"]:
        """The canonical points."""
        hidden = self.trunk(torch.cat((self.encoding(points), segments.expand(condition)), dim=-1))
        return apply_twist(self.rotation(hidden), self.translation(hidden), points)


def _branch(hidden_dim: int) -> nn.Sequential:
    """One hidden layer, then three numbers that start as zeros."""
    last = nn.Linear(hidden_dim, 3)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(hidden_dim, hidden_dim), nn.ReLU(), last)
