"""A trainer whose checkpoints survive a kill and continue exactly."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from nerfstudio.configs.base_config import MachineConfig, ViewerConfig
from nerfstudio.engine.optimizers import Optimizers
from nerfstudio.engine.trainer import Trainer, TrainerConfig
from nerfstudio.utils.decorators import check_main_thread

from resfields_ns.engine.random_state import capture_random_state, restore_random_state
from resfields_ns.engine.schedulers import CosineDecayConfig


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
        total_steps = self._first_step() + self.config.max_num_iterations
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

    def _first_step(self) -> int:
        path = self._checkpoint_to_load()
        return 0 if path is None else _load(path)["step"] + 1


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"expected a checkpoint at {path}, found none")
    return torch.load(path, map_location="cpu", weights_only=True)
