"""The warp of NDR."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.fields.warps.bijective_block import BijectiveBlock
from resfields_ns.fields.warps.warp import InvertibleWarp, WarpConfig
from resfields_ns.functional.segments import TimeSegments


@dataclass
class BijectiveWarpConfig(WarpConfig):
    """A bijection of space (Cai et al. 2022)."""

    _target: type = field(default_factory=lambda: BijectiveWarp)
    hidden_dim: int = 128
    """Width."""
    num_frequencies: int = 6
    """Frequencies of the encoding of coordinates."""

    def __post_init__(self) -> None:
        if self.hidden_dim < 1:
            raise ValueError(f"warp.hidden-dim: expected at least 1, got {self.hidden_dim}")
        if self.num_frequencies < 0:
            raise ValueError(f"warp.num-frequencies: expected at least 0, got {self.num_frequencies}")


class BijectiveWarp(InvertibleWarp):
    """Three bijective blocks, along z, y and x."""

    def __init__(self, config: BijectiveWarpConfig, condition_dim: int) -> None:
        super().__init__()
        blocks = nn.ModuleList(
            BijectiveBlock(axis, condition_dim, config.num_frequencies, config.hidden_dim) for axis in (2, 1, 0)
        )
        self.blocks = cast(Sequence[BijectiveBlock], blocks)

    def set_progress(self, progress: float) -> None:
        """Open the encodings' windows to a share in [0, 1] of their schedule."""
        for block in self.blocks:
            block.set_progress(progress)

    def forward(
        self,
        points: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> Float[Tensor, "points 3"]:
        """The canonical points."""
        for block in self.blocks:
            points = block(points, condition, segments)
        return points

    def inverse(
        self,
        points_canonical: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> Float[Tensor, "points 3"]:
        """The observed points."""
        points = points_canonical
        for block in reversed(self.blocks):
            points = block.inverse(points, condition, segments)
        return points
