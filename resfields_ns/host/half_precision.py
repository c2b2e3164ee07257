"""Products of half precision: on a GPU as torch has them, on a CPU where its bfloat16 is fast and enough."""

import timeit
from collections.abc import Callable
from functools import cache

import torch
from nerfstudio.configs.base_config import MachineConfig
from nerfstudio.models.base_model import ModelConfig
from nerfstudio.utils.rich_utils import CONSOLE

from resfields_ns.host.host_configs import SequenceModelConfig

WORTH = 2.0  # times as fast as float32, below which rounding eats what products save
_DISABLED = "Mixed precision is disabled for CPU training.\n"  # the host says so of every training on a CPU


def no_half_precision(machine: MachineConfig, model: ModelConfig) -> str | None:
    """Why a model cannot be trained with products of half precision on a machine, in words that follow on "while"."""
    if machine.device_type != "cpu":
        return None
    if not (isinstance(model, SequenceModelConfig) and model.takes_bfloat16):
        return "machine.device-type is cpu, whose bfloat16 is too coarse for this model"
    if not bfloat16_is_fast():
        return "machine.device-type is cpu, and this one multiplies bfloat16 no faster than float32"
    return None


@cache
def bfloat16_is_fast() -> bool:
    """Whether this processor multiplies matrices of bfloat16 faster than of float32, by trying both."""
    return _seconds(torch.float32) > WORTH * _seconds(torch.bfloat16)


def _seconds(kind: torch.dtype) -> float:
    points, weights = torch.ones(16, 512, 128, dtype=kind), torch.ones(16, 128, 128, dtype=kind)
    return min(timeit.repeat(lambda: torch.bmm(points, weights), number=1, repeat=6))


def without_notice_of_the_host(make: Callable[[], None]) -> None:
    """Let the host make its trainer, which says of every CPU that it has no mixed precision."""
    with CONSOLE.capture() as told:
        make()
    CONSOLE.out(told.get().replace(_DISABLED, ""), end="", highlight=False)
