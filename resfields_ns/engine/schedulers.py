"""Learning-rate schedules whose state is plain Python numbers, so that checkpoints load with `weights_only`."""

import math
from dataclasses import dataclass, field

from nerfstudio.engine.schedulers import Scheduler, SchedulerConfig
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


@dataclass
class CosineDecayConfig(SchedulerConfig):
    """Cosine annealing (Loshchilov & Hutter 2016) to a share of the initial learning rate."""

    _target: type = field(default_factory=lambda: CosineDecay)
    final_share: float = 0.1
    """Final learning rate as a share of the initial one."""
    max_steps: int = 400_000
    """Steps of the decay; the trainer sets the length of its run."""


class CosineDecay(Scheduler):
    """Cosine annealing, then constant."""

    config: CosineDecayConfig

    def get_scheduler(self, optimizer: Optimizer, lr_init: float) -> LambdaLR:
        """The schedule as a factor of each group's own learning rate."""
        del lr_init
        final, max_steps = self.config.final_share, self.config.max_steps

        def factor(step: int) -> float:
            progress = min(step / max_steps, 1.0)
            return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))

        return LambdaLR(optimizer, factor)
