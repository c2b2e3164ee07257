"""The warp of Nerfies and HyperNeRF."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.fields.warps.trunk_warp import TrunkWarpConfig
from resfields_ns.fields.warps.warp import Warp
from resfields_ns.functional.se3 import apply_twist
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers.encoding import WindowedPositionalEncoding
from resfields_ns.layers.skip_mlp import SkipMLP


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
