"""A Siren over time and space, with residual layers (paper, 4.1, 4.2)."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from nerfstudio.configs.base_config import InstantiateConfig
from torch import Tensor, nn

from resfields_ns import timeline
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers import ResidualOptions, SirenMLP


@dataclass
class SirenFieldConfig(ResidualOptions, InstantiateConfig):
    """Five layers of which those in the middle are residual; the defaults are the paper's for video (4.1)."""

    _target: type = field(default_factory=lambda: SirenField)
    num_layers: int = 4
    """Hidden layers."""
    hidden_dim: int = 512
    """Width."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for option, value in (("num-layers", self.num_layers), ("hidden-dim", self.hidden_dim)):
            if value < 1:
                raise ValueError(f"field.{option}: expected at least 1, got {value}")
        self.check_residual_layers(self.num_layers + 1)


class SirenField(nn.Module):
    """Numbers at points of a sequence; the network sees (t, point), t in [-1, 1].

    Args:
        config: sizes
        num_frames: frames of the sequence
        num_coordinates: of a point
        out_dim: numbers that are learnt
    """

    def __init__(self, config: SirenFieldConfig, num_frames: int, num_coordinates: int, out_dim: int) -> None:
        super().__init__()
        sizes = [1 + num_coordinates, *[config.hidden_dim] * config.num_layers, out_dim]
        self.mlp = SirenMLP(list(zip(sizes, sizes[1:], strict=False)), config.layer_maker(num_frames))

    def forward(self, points: Float[Tensor, "points dims"], segments: TimeSegments) -> Float[Tensor, "points out"]:
        """The numbers at points, which lie in [-1, 1] for the most part."""
        times = segments.expand(timeline.network_times(segments.times))
        return self.mlp(torch.cat((times[:, None], points), dim=1), segments)
