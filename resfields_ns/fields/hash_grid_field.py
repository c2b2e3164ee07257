"""A hash grid over time and space with a small MLP: the baseline of the paper's Table 1 (Müller et al. 2022)."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from nerfstudio.configs.base_config import InstantiateConfig
from nerfstudio.field_components.encodings import HashEncoding
from nerfstudio.field_components.mlp import MLP
from nerfstudio.utils.external import TCNN_EXISTS
from torch import Tensor

from resfields_ns.fields.value_field import Quantity, ValueField
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.options import Options, option
from resfields_ns.timeline import known_times


@dataclass
class HashGridFieldConfig(Options, InstantiateConfig):
    """Instant NGP; the defaults are those that the paper found best (A.2)."""

    prefix: ClassVar[str] = "hash-grid."

    _target: type = field(default_factory=lambda: HashGridField)
    num_levels: int = option(8, least=1)
    """Grids (L), each 1.5 times as fine as the one before."""
    log2_hashmap_size: int = option(23, least=1)
    """Binary logarithm of the number of entries of a grid (T)."""
    coarsest_resolution: int = option(16, least=1)
    """Cells along a side of the coarsest grid."""
    num_layers: int = option(2, least=1)
    """Hidden layers of the MLP."""
    hidden_dim: int = option(64, least=1)
    """Width of the MLP."""


GROWTH = 1.5  # of the resolution from level to level, as in the released code


class HashGridField(ValueField):
    """A grid over time and a picture, and a small MLP.

    tinycudann computes them where it and a GPU are there, torch elsewhere. The checkpoint of
    the one does not fit the other.

    Args:
        config: sizes
        num_frames: frames of the sequence; time is one of the grid's axes, so it matters alone whether it is one
        quantity: what is learnt, of two coordinates
    """

    def __init__(self, config: HashGridFieldConfig, num_frames: int, quantity: Quantity) -> None:
        super().__init__(quantity)
        self.num_frames = num_frames
        assert quantity.num_coordinates == 2, "a hash grid has three axes, of which one is time"
        implementation: Literal["tcnn", "torch"] = "tcnn" if TCNN_EXISTS and torch.cuda.is_available() else "torch"
        self.encoding = HashEncoding(
            num_levels=config.num_levels,
            min_res=config.coarsest_resolution,
            max_res=round(config.coarsest_resolution * GROWTH ** (config.num_levels - 1)),
            log2_hashmap_size=config.log2_hashmap_size,
            implementation=implementation,
        )
        self.mlp = MLP(
            in_dim=self.encoding.get_out_dim(),
            num_layers=config.num_layers + 1,
            layer_width=config.hidden_dim,
            out_dim=quantity.num_values,
            implementation=implementation,
        )

    def values(self, points: TimedPoints) -> Float[Tensor, "points values"]:
        """The values at points in [-1, 1]; beyond, those of the border."""
        times = points.segments.expand(known_times(points.segments.times, self.num_frames))[:, None]
        inputs = torch.cat((times, 0.5 * (points.positions + 1.0)), dim=1).clamp(0.0, 1.0)
        return self.mlp(self.encoding(inputs)).float()
