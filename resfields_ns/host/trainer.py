"""A trainer whose checkpoints survive a kill and continue exactly, its optimizers and schedules."""

import math
import os
import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nerfstudio.configs.base_config import MachineConfig, ViewerConfig
from nerfstudio.engine.optimizers import AdamOptimizerConfig, Optimizers
from nerfstudio.engine.schedulers import Scheduler, SchedulerConfig
from nerfstudio.engine.trainer import Trainer, TrainerConfig
from nerfstudio.utils.decorators import check_main_thread
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from resfields_ns.host.old_runs import check_resumable, know_moved_classes

know_moved_classes()


def capture_random_state() -> dict[str, Any]:
    """State of Python's, numpy's and torch's generators; loads with `torch.load(weights_only=True)`."""
    version, internal, gauss_next = random.getstate()
    _, keys, position, has_gauss, cached_gaussian = np.random.get_state()  # noqa: NPY002
    return {
        "python": (version, torch.tensor(internal, dtype=torch.int64), gauss_next),
        "numpy": (torch.from_numpy(np.asarray(keys, np.int64)), int(position), int(has_gauss), float(cached_gaussian)),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Continue from a captured state; generators of GPUs are restored where their number is the same."""
    version, internal, gauss_next = state["python"]
    random.setstate((version, tuple(internal.tolist()), gauss_next))
    keys, position, has_gauss, cached_gaussian = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, cached_gaussian))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


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


@dataclass
class FusedAdamConfig(AdamOptimizerConfig):
    """Adam (Kingma & Ba 2015) in one pass over the parameters."""

    weight_decay: float = 0.0  # the host's default is an int, which its annotation refuses
    fused: bool = True
    """Use torch's fused implementation."""


def decaying_adam(lr: float, eps: float = 1e-8) -> dict[str, Any]:
    """The paper's way to train a group of parameters (A.1): Adam whose rate falls to a tenth along a cosine."""
    return {"optimizer": FusedAdamConfig(lr=lr, eps=eps), "scheduler": CosineDecayConfig()}


@dataclass
class ResFieldsTrainerConfig(TrainerConfig):
    """nerfstudio's trainer with atomic checkpoints and exact resuming."""

    _target: type = field(default_factory=lambda: ResFieldsTrainer)
    steps_per_save: int = 2_000
    """Steps between checkpoints."""
    steps_per_eval_batch: int = 1_000
    """Steps between evaluations of a batch."""
    steps_per_eval_image: int = 5_000
    """Steps between evaluations of an image."""
    machine: MachineConfig = field(
        default_factory=lambda: MachineConfig(device_type="cuda" if torch.cuda.is_available() else "cpu")
    )
    """What it runs on: a GPU where there is one."""
    viewer: ViewerConfig = field(
        default_factory=lambda: ViewerConfig(websocket_host="127.0.0.1", quit_on_train_completion=True)
    )
    """The viewer, seen from this machine alone unless told otherwise."""


class ResFieldsTrainer(Trainer):
    """Decays learning rates over the length of the run, saves atomically, and resumes with its random numbers."""

    config: ResFieldsTrainerConfig

    def setup_optimizers(self) -> Optimizers:
        """Optimizers whose cosine schedules end with the run, counting the steps of the checkpoint it resumes."""
        first_step = 0
        if (path := self._checkpoint_to_load()) is not None:
            checkpoint = _load(path)
            check_resumable(checkpoint["pipeline"])
            first_step = checkpoint["step"] + 1
        total_steps = first_step + self.config.max_num_iterations
        groups = {
            name: {**group, "scheduler": replace(group["scheduler"], max_steps=total_steps)}
            if isinstance(group["scheduler"], CosineDecayConfig)
            else group
            for name, group in self.config.optimizers.items()
        }
        return Optimizers(groups, self.pipeline.get_param_groups())

    def train(self) -> None:
        """Train, continuing the random numbers of the checkpoint that was loaded."""
        if (path := self._checkpoint_to_load()) is not None:
            restore_random_state(_load(path)["random_state"])
        super().train()

    @check_main_thread
    def save_checkpoint(self, step: int) -> None:
        """Write the checkpoint aside, move it into place in one go, and only then delete older ones."""
        self.checkpoint_dir.mkdir(parents=True, exist_ok=True)
        path = self.checkpoint_dir / f"step-{step:09d}.ckpt"
        partial = self.base_dir / "checkpoint.partial"
        with partial.open("wb") as file:
            torch.save(self._state(step), file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        if self.config.save_only_latest_checkpoint:
            for older in self.checkpoint_dir.glob("*.ckpt"):
                if older != path:
                    older.unlink()

    def _state(self, step: int) -> dict[str, Any]:
        return {
            "step": step,
            "pipeline": getattr(self.pipeline, "module", self.pipeline).state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.optimizers.items()},
            "schedulers": {name: scheduler.state_dict() for name, scheduler in self.optimizers.schedulers.items()},
            "scalers": self.grad_scaler.state_dict(),
            "random_state": capture_random_state(),
        }

    def _checkpoint_to_load(self) -> Path | None:
        if self.config.load_checkpoint is not None:
            return self.config.load_checkpoint
        if self.config.load_dir is None:
            return None
        if self.config.load_step is not None:
            return self.config.load_dir / f"step-{self.config.load_step:09d}.ckpt"
        checkpoints = sorted(self.config.load_dir.glob("step-*.ckpt"))
        if not checkpoints:
            raise ValueError(f"--load-dir: expected step-*.ckpt files in {self.config.load_dir}, found none")
        return checkpoints[-1]


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"expected a checkpoint at {path}, found none")
    return torch.load(path, map_location="cpu", weights_only=True)
