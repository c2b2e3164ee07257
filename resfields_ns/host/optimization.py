"""Optimizers, and schedules of their learning rates."""

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar

from nerfstudio.engine.optimizers import AdamOptimizerConfig
from nerfstudio.engine.schedulers import Scheduler, SchedulerConfig
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from tyro.conf import Suppress

from resfields_ns.options import Options, option


@dataclass
class CosineDecayConfig(Options, SchedulerConfig):
    """Cosine annealing (Loshchilov & Hutter 2016) to a share of the initial learning rate."""

    prefix: ClassVar[str] = "scheduler."

    _target: type = field(default_factory=lambda: CosineDecay)
    final_share: float = option(0.1, least=0, most=1)
    """Final learning rate as a share of the initial one."""
    start_share: float = option(0.0, least=0, below=1)
    """Share of the steps that pass before anything is learned."""
    max_steps: Suppress[int] = option(400_000, least=1)
    """Steps of the decay; the trainer sets the length of its run."""


class CosineDecay(Scheduler):
    """Cosine annealing, from the start on or joined later, then constant."""

    config: CosineDecayConfig

    def get_scheduler(self, optimizer: Optimizer, lr_init: float) -> LambdaLR:
        """The schedule as a factor of each group's own learning rate."""
        del lr_init
        final, start, max_steps = self.config.final_share, self.config.start_share, self.config.max_steps

        def factor(step: int) -> float:
            progress = min(step / max_steps, 1.0)
            if progress < start:
                return 0.0
            return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))

        return LambdaLR(optimizer, factor)


@dataclass
class FusedAdamConfig(Options, AdamOptimizerConfig):
    """Adam (Kingma & Ba 2015) in one pass over the parameters."""

    prefix: ClassVar[str] = "optimizer."

    lr: float = option(5e-4, above=0)
    """Learning rate."""
    eps: float = option(1e-8, above=0)
    """What is added to the root of the mean square of gradients."""
    max_norm: float | None = option(None, above=0)
    """Norm to which gradients are clipped; None: as they are."""
    weight_decay: float = option(0.0, least=0)
    """L2 penalty of the parameters."""
    fused: bool = True
    """Use torch's fused implementation."""


def decaying_adam(lr: float, eps: float = 1e-8, start_share: float = 0.0) -> dict[str, Any]:
    """The paper's way to train a group of parameters (A.1): Adam whose rate falls to a tenth along a cosine.

    With a `start_share`, the group waits for that share of the steps.
    """
    return {"optimizer": FusedAdamConfig(lr=lr, eps=eps), "scheduler": CosineDecayConfig(start_share=start_share)}
