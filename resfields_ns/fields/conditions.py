"""What tells a network which moment it looks at: the time itself, or a latent code; codes tell shapes and sequences
apart, too."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from nerfstudio.configs.base_config import InstantiateConfig
from torch import Tensor, nn

from resfields_ns import timeline
from resfields_ns.layers import Part, SequenceTable, TimeTable
from resfields_ns.options import Options, option, when_any


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


@dataclass(frozen=True)
class CodeOptions(Options):
    """Latent codes of shapes in place of time (DeepSDF, Park et al. 2019), or of sequences beside it.

    Frozen, so that it is the default itself: runs of earlier versions have a config without it.
    """

    prefix: ClassVar[str] = "codes."

    dim: int = option(0, least=0)
    """Size of the latent code of every frame, which the network sees in place of time: frames are then shapes, whose
    order means nothing. Of several sequences, of the code of each, which it sees beside the time. 0: the time."""
    prior_weight: float = option(1e-4, least=0, acts=when_any("dim"))
    """Weight of the Gaussian prior of codes, their mean squared length."""

    def condition(self, num_frames: int, lengths: tuple[int, ...] | None) -> "Condition":
        """What tells the moment of a sequence of `num_frames` frames, or the shape, or, with the `lengths` of the
        sequences that it is made of, both."""
        if self.dim > 0 and lengths is not None:
            return SequenceCodes(self.dim, self.prior_weight, lengths)
        if self.dim > 0:
            return ShapeCodes(TimeTable(num_frames, self.dim, ShapeCodes.STD), self.prior_weight)
        return TimeCondition(TimeConditionConfig(), num_frames)


class Condition(Part, ABC):
    """What tells a network the moment.

    Args:
        dim: how many numbers
    """

    is_time: ClassVar[bool]
    """Whether it is the time itself, one number in [-1, 1]."""
    num_times: ClassVar[int] = 0
    """How many of its numbers, the first, are times in [-1, 1]."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    @abstractmethod
    def forward(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments condition"]:
        """What the network sees of times in [0, 1]."""


class TimeCondition(Condition):
    """Time in [-1, 1]; over one frame always -1."""

    is_time = True
    num_times = 1

    def __init__(self, config: TimeConditionConfig, num_frames: int) -> None:
        del config
        super().__init__(dim=1)
        self.num_frames = num_frames

    def forward(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments 1"]:
        """What the network sees of times in [0, 1]."""
        return timeline.network_times(timeline.known_times(times, self.num_frames))[:, None]


class ReleasedTimeCondition(Condition):
    """Time in [-1, 1), frame i of N at 2 i / N - 1: the last frame falls short of 1."""

    is_time = True
    num_times = 1

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


class ShapeCodes(Condition):
    """A latent code of each frame, which is a shape of its own, with a Gaussian prior (DeepSDF's auto-decoder).

    Codes start at N(0, 0.01^2), close together, so that shapes that are alike come to have codes that are. Between
    frames they are interpolated linearly.
    """

    STD = 0.01
    is_time = False

    def __init__(self, codes: TimeTable, prior_weight: float) -> None:
        super().__init__(codes.table.shape[1])
        self.codes = codes
        self.prior_weight = prior_weight

    def forward(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments code"]:
        """Latent codes at times in [0, 1]."""
        return self.codes(times)

    def losses(self) -> dict[str, Tensor]:
        """The negative logarithm of the prior, up to a constant and its weight."""
        return {"code_prior": self.prior_weight * self.codes.table.square().sum(dim=1).mean()}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Codes learn at a rate of their own."""
        return {"codes": [self.codes.table]}


class SequenceCodes(ShapeCodes):
    """The time within a sequence and the sequence's latent code, of several sequences that follow one another.

    Between the last frame of one and the first of the next, both are interpolated linearly.

    Args:
        dim: size of a code
        prior_weight: as for `ShapeCodes`
        lengths: frames of each sequence
    """

    num_times = 1

    def __init__(self, dim: int, prior_weight: float, lengths: tuple[int, ...]) -> None:
        super().__init__(SequenceTable(lengths, dim, std=self.STD), prior_weight)
        self.dim = 1 + dim

    def forward(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments condition"]:
        """The time within its sequence, in [-1, 1], and the sequence's code, at times in [0, 1] of all."""
        assert isinstance(self.codes, SequenceTable)
        return torch.cat((timeline.network_times(self.codes.own_times(times))[:, None], self.codes(times)), dim=1)
