"""MLPs over time and space, with residual layers (paper, 4.1, 4.2): Siren, and ReLU networks to compare it with."""

from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from nerfstudio.configs.base_config import InstantiateConfig
from torch import Tensor

from resfields_ns.fields.conditions import Condition, TimeCondition, TimeConditionConfig
from resfields_ns.fields.sequence_field import plain_over_one_frame
from resfields_ns.fields.value_field import Quantity, ValueField
from resfields_ns.functional.jets import Jet
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.layers import (
    MLP,
    BasicEncoding,
    Encoding,
    GaussianEncoding,
    NoEncoding,
    PositionalEncoding,
    ReLUMLP,
    ResidualOptions,
    SirenMLP,
)
from resfields_ns.options import Obstacle, Options, option, when

MLPName = Literal["siren", "relu", "relu-basic", "relu-positional", "gaussian"]


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


@dataclass(frozen=True)
class EncodingOptions(Options):
    """Sizes of the encodings of time and point, which span [-1, 1], before ReLU networks.

    Frozen, so that it is the default itself: runs of earlier versions have a config without it.
    """

    prefix: ClassVar[str] = "encoding."

    num_frequencies: int = option(8, least=1)
    """Octaves of 'relu-positional'; the first has one period over the whole extent."""
    gaussian_waves: int = option(256, least=1)
    """Random directions of 'gaussian'."""
    gaussian_scale: float = option(5.0, above=0)
    """Standard deviation of the frequencies of 'gaussian', in periods over half the extent."""


SIZES_ACT: Mapping[str, Obstacle] = {
    "field.first_omega": when("network", "siren"),
    "encoding.num_frequencies": when("network", "relu-positional"),
    "encoding.gaussian_waves": when("network", "gaussian"),
    "encoding.gaussian_scale": when("network", "gaussian"),
}
"""What keeps the sizes from acting, for the config that holds them beside a `network`."""
ENCODINGS: dict[str, Callable[[int, EncodingOptions], Encoding]] = {
    "relu": lambda dim, options: NoEncoding(dim),
    "relu-basic": lambda dim, options: BasicEncoding(dim),
    "relu-positional": lambda dim, options: PositionalEncoding(dim, options.num_frequencies),
    "gaussian": lambda dim, options: GaussianEncoding(dim, options.gaussian_waves, options.gaussian_scale),
}
"""What each ReLU network sees of time and point (Tancik et al. 2020)."""


class MLPField(ValueField, ABC):
    """A network that sees (t, point), t in [-1, 1], and codes where it is told some, beside the time or in its place.

    Over one frame of time its layers are plain, as there is no other moment at which their weights could differ.

    Args:
        kind: of network
        encoded_dim: what it sees of (t, point), or of the point where there is no time
        config: sizes
        condition: what it is told of frames
        num_frames: frames of the sequence
        quantity: what is learnt
    """

    mlp: MLP

    def __init__(
        self,
        kind: type[MLP],
        encoded_dim: int,
        config: SirenFieldConfig,
        condition: Condition,
        num_frames: int,
        quantity: Quantity,
    ) -> None:
        super().__init__(quantity)
        self.condition = condition
        if condition.is_time:
            config = plain_over_one_frame(config, num_frames)
        num_codes = condition.dim - condition.num_times
        sizes = [num_codes + encoded_dim, *[config.hidden_dim] * config.num_layers, quantity.num_values]
        self.mlp = kind(list(zip(sizes, sizes[1:], strict=False)), config.layer_maker(num_frames))

    def encoded(self, inputs: Float[Tensor, "points dims"]) -> Float[Tensor, "points encoded"]:
        """What the MLP sees of (t, point), or of the point where there is no time."""
        return inputs

    def values(self, points: TimedPoints) -> Float[Tensor, "points values"]:
        """The values at points, which lie in [-1, 1] for the most part."""
        segments = points.segments
        told = segments.expand(self.condition(segments.times))
        times, codes = told.tensor_split([self.condition.num_times], dim=1)
        seen = self.encoded(torch.cat((times, points.positions), dim=1))
        return self.mlp(torch.cat((codes, seen), dim=1) if codes.shape[1] > 0 else seen, segments)


class SirenField(MLPField):
    """A Siren.

    Args:
        config: sizes
        num_frames: frames of the sequence
        quantity: what is learnt
        condition: what it is told of frames; the time by default
    """

    mlp: SirenMLP

    def __init__(
        self, config: SirenFieldConfig, num_frames: int, quantity: Quantity, condition: Condition | None = None
    ) -> None:
        told = condition or _time(num_frames)
        super().__init__(SirenMLP, quantity.num_coordinates + told.num_times, config, told, num_frames, quantity)
        self.input_scale = config.first_omega / SirenMLP.OMEGA

    def encoded(self, inputs: Float[Tensor, "points dims"]) -> Float[Tensor, "points dims"]:
        """What brings the first layer to the frequency of its own."""
        return self.input_scale * inputs

    def jet(self, points: TimedPoints, with_time: bool) -> Jet:
        """The values with their first and second derivatives by time in [0, 1], where that is asked for, and by each
        coordinate of the points."""
        segments, positions = points.segments, points.positions
        times = segments.expand(self.condition(segments.times))
        directions = torch.eye(1 + positions.shape[1], dtype=positions.dtype, device=positions.device)
        directions[0, 0] = 2.0  # of the network's time by time
        directions = self.input_scale * (directions if with_time else directions[1:])
        inputs = Jet.along(self.input_scale * torch.cat((times, positions), dim=1), directions)
        return self.mlp.jet(inputs, segments, with_time)


class ReLUField(MLPField):
    """A ReLU network behind an encoding.

    Args:
        encoding: of (t, point), or of the point where there is no time
        config: sizes
        condition: what it is told of frames
        num_frames: frames of the sequence
        quantity: what is learnt
    """

    def __init__(
        self, encoding: Encoding, config: SirenFieldConfig, condition: Condition, num_frames: int, quantity: Quantity
    ) -> None:
        super().__init__(ReLUMLP, encoding.out_dim, config, condition, num_frames, quantity)
        self.encoding = encoding

    def encoded(self, inputs: Float[Tensor, "points dims"]) -> Float[Tensor, "points encoded"]:
        """The encoding."""
        return self.encoding(inputs)


def make_mlp_field(
    network: MLPName,
    config: SirenFieldConfig,
    encoding: EncodingOptions,
    num_frames: int,
    quantity: Quantity,
    condition: Condition | None = None,
) -> MLPField:
    """The network of a name, over a sequence of `num_frames` frames; it is told the time by default."""
    told = condition or _time(num_frames)
    if network == "siren":
        return config.setup(num_frames=num_frames, quantity=quantity, condition=told)
    made = ENCODINGS[network](quantity.num_coordinates + told.num_times, encoding)
    return ReLUField(made, config, told, num_frames, quantity)


def _time(num_frames: int) -> Condition:
    return TimeCondition(TimeConditionConfig(), num_frames)
