"""The warp of D-NeRF."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.fields.warps.warp import Warp, WarpConfig
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers.encoding import WindowedPositionalEncoding
from resfields_ns.layers.skip_mlp import SkipMLP


@dataclass
class TranslationWarpConfig(WarpConfig):
    """An offset for every point (Pumarola et al. 2021)."""

    _target: type = field(default_factory=lambda: TranslationWarp)
    num_layers: int = 8
    """Hidden layers."""
    hidden_dim: int = 128
    """Width."""
    skip_layer: int = 5
    """Layer that also sees the MLP's input."""
    num_frequencies: int = 0
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
