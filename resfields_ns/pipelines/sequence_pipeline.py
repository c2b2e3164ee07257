"""The pipeline of every task: evaluates frame by frame and loads checkpoints strictly."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManager
from nerfstudio.pipelines.base_pipeline import VanillaPipeline
from torch import Tensor, nn

from resfields_ns.layers import smoothness_losses
from resfields_ns.pipelines.facts import machine_facts


class SequencePipeline(VanillaPipeline, ABC):
    """A sequence of frames that is learnt; knows its seed and step, which its checkpoints hold."""

    datamanager: VanillaDataManager[Any]
    seed: Tensor
    step: Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_buffer("seed", torch.tensor(torch.initial_seed() % 2**63))
        self.register_buffer("step", torch.tensor(0))

    @abstractmethod
    def evaluate_frames(self, output_path: Path | None) -> list[dict[str, Any]]:
        """Metrics of every frame or image that is evaluated, with its `frame`; pictures go to `output_path`.

        A metric that a frame does not have is None or left out.
        """

    @abstractmethod
    def task_facts(self) -> dict[str, Any]:
        """What a reader of the metrics needs to know about how they were taken."""

    def get_train_loss_dict(self, step: int) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Outputs, losses and metrics of a training step; rough coefficients are a loss where a field asks for it."""
        self.step.fill_(step)
        outputs, losses, metrics = super().get_train_loss_dict(step)
        return outputs, losses | smoothness_losses(self.model), metrics

    def load_pipeline(self, loaded_state: dict[str, Any], step: int) -> None:
        """Load a checkpoint; all names and shapes must fit."""
        self.model.update_to_step(step)
        nn.Module.load_state_dict(self, loaded_state, strict=True)

    def get_average_eval_image_metrics(
        self, step: int | None = None, output_path: Path | None = None, get_std: bool = False
    ) -> dict[str, Any]:
        """Mean metrics over the frames; outside training also per frame, with the run's facts."""
        del get_std
        self.eval()
        frames = self.evaluate_frames(output_path)
        self.train()
        if step is not None:
            return self.summary(frames)
        return {**self.summary(frames), "per_frame": frames, "facts": self.facts()}

    def summary(self, frames: list[dict[str, Any]]) -> dict[str, float]:
        """Every metric's mean over the frames that have it."""
        from resfields_ns.pipelines.evaluation import mean_metrics

        return mean_metrics(frames)

    def facts(self) -> dict[str, Any]:
        """Everything a reader of the metrics needs to know about run and machine."""
        return {
            **self.task_facts(),
            "frames": self.datamanager.eval_dataset.metadata["frame_numbers"],
            "steps": int(self.step) + 1,
            "seed": int(self.seed),
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            **machine_facts(),
        }
