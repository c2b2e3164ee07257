"""The warp of D-NeRF."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.fields.warps.trunk_warp import TrunkWarpConfig
from resfields_ns.fields.warps.warp import Warp
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers.encoding import WindowedPositionalEncoding
from resfields_ns.layers.skip_mlp import SkipMLP


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
