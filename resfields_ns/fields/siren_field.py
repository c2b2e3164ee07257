"""A Siren over time and space, with residual layers (paper, 4.1, 4.2)."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from nerfstudio.configs.base_config import InstantiateConfig
from torch import Tensor

from resfields_ns import timeline
from resfields_ns.fields.value_field import Quantity, ValueField
from resfields_ns.functional.jets import Jet
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.layers import ResidualOptions, SirenMLP
from resfields_ns.options import option


@dataclass
class SirenFieldConfig(ResidualOptions, InstantiateConfig):
    """Five layers of which those in the middle are residual; the defaults are the paper's for video (4.1)."""

    _target: type = field(default_factory=lambda: SirenField)
    num_layers: int = option(4, least=1)
    """Hidden layers."""
    hidden_dim: int = option(512, least=1)
    """Width."""
    first_omega: float = option(SirenMLP.OMEGA, above=0)
    """Factor in the sines of the first layer, which decides how fast the field may change at first: the others have
    30."""

    def check_options(self) -> None:
        """Raise ValueError for residual layers that are none of the layers."""
        super().check_options()
        self.check_residual_layers(self.num_layers + 1)


class SirenField(ValueField):
    """A network that sees (t, point), t in [-1, 1].

    Args:
        config: sizes
        num_frames: frames of the sequence
        quantity: what is learnt
    """

    def __init__(self, config: SirenFieldConfig, num_frames: int, quantity: Quantity) -> None:
        super().__init__(quantity)
        sizes = [1 + quantity.num_coordinates, *[config.hidden_dim] * config.num_layers, quantity.num_values]
        self.input_scale = config.first_omega / SirenMLP.OMEGA
        self.mlp = SirenMLP(list(zip(sizes, sizes[1:], strict=False)), config.layer_maker(num_frames))

    def values(self, points: TimedPoints) -> Float[Tensor, "points values"]:
        """The values at points, which lie in [-1, 1] for the most part."""
        segments = points.segments
        times = segments.expand(timeline.network_times(segments.times))
        return self.mlp(self.input_scale * torch.cat((times[:, None], points.positions), dim=1), segments)

    def jet(self, points: TimedPoints, with_time: bool) -> Jet:
        """The values with their first and second derivatives by time in [0, 1], where that is asked for, and by each
        coordinate of the points."""
        segments, positions = points.segments, points.positions
        times = segments.expand(timeline.network_times(segments.times))[:, None]
        directions = torch.eye(1 + positions.shape[1], dtype=positions.dtype, device=positions.device)
        directions[0, 0] = 2.0  # of the network's time by time
        directions = self.input_scale * (directions if with_time else directions[1:])
        inputs = Jet.along(self.input_scale * torch.cat((times, positions), dim=1), directions)
        return self.mlp.jet(inputs, segments, with_time)
