"""What tells a network which moment it looks at: the time itself, or a latent code."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Float
from nerfstudio.configs.base_config import InstantiateConfig
from torch import Tensor

from resfields_ns import timeline
from resfields_ns.layers import Part, TimeTable
from resfields_ns.options import Options, option


@dataclass
class ConditionConfig(Options, InstantiateConfig):
    """What tells the moment, and its size; `setup(num_frames=...)` builds it for such a sequence."""

    prefix: ClassVar[str] = "condition."


@dataclass
class TimeConditionConfig(ConditionConfig):
    """The time."""

    _target: type = field(default_factory=lambda: TimeCondition)


@dataclass
class ReleasedTimeConditionConfig(ConditionConfig):
    """The time as the authors' released code counts it, for what was trained there."""

    _target: type = field(default_factory=lambda: ReleasedTimeCondition)


@dataclass
class LatentCodeConditionConfig(ConditionConfig):
    """A latent code per frame (Bojanowski et al. 2018; DyNeRF, Li et al. 2022)."""

    _target: type = field(default_factory=lambda: LatentCodeCondition)
    dim: int = option(64, least=1)
    """Size of a latent code."""


class Condition(Part, ABC):
    """What tells a network the moment.

    Args:
        dim: how many numbers
    """

    is_time: ClassVar[bool]
    """Whether it is the time itself, one number in [-1, 1]."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    @abstractmethod
    def forward(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments condition"]:
        """What the network sees of times in [0, 1]."""


class TimeCondition(Condition):
    """Time in [-1, 1]."""

    is_time = True

    def __init__(self, config: TimeConditionConfig, num_frames: int) -> None:
        del config, num_frames
        super().__init__(dim=1)

    def forward(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments 1"]:
        """What the network sees of times in [0, 1]."""
        return timeline.network_times(times)[:, None]


class ReleasedTimeCondition(Condition):
    """Time in [-1, 1), frame i of N at 2 i / N - 1: the last frame falls short of 1."""

    is_time = True

    def __init__(self, config: ReleasedTimeConditionConfig, num_frames: int) -> None:
        del config
        super().__init__(dim=1)
        self.last_time = (num_frames - 1) / num_frames

    def forward(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments 1"]:
        """What the network sees of times in [0, 1]."""
        return timeline.network_times(self.last_time * times)[:, None]


class LatentCodeCondition(Condition):
    """A latent code of each frame, interpolated linearly between frames; codes start at N(0, 1)."""

    is_time = False

    def __init__(self, config: LatentCodeConditionConfig, num_frames: int) -> None:
        super().__init__(config.dim)
        self.codes = TimeTable(num_frames, config.dim, std=1.0)

    def forward(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments code"]:
        """Latent codes at times in [0, 1]."""
        return self.codes(times)
