"""A pipeline that evaluates over time and loads checkpoints strictly."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.pipelines.base_pipeline import VanillaPipeline, VanillaPipelineConfig
from torch import Tensor, nn

from resfields_ns.data.capture_datamanager import CaptureDataManager
from resfields_ns.data.visual_hull import carve_visual_hull
from resfields_ns.models.ray_model import DynamicRayModel
from resfields_ns.pipelines.facts import machine_facts


@dataclass
class DynamicPipelineConfig(VanillaPipelineConfig):
    """Pipeline of a dynamic scene."""

    _target: type = field(default_factory=lambda: DynamicPipeline)
    chamfer_resolution: int = 128
    """Marching-cubes cells along the longest side of the scene box for the Chamfer distance."""


class DynamicPipeline(VanillaPipeline):
    """Evaluates every frame, and its geometry where the capture has ground-truth clouds."""

    config: DynamicPipelineConfig
    datamanager: CaptureDataManager
    model: DynamicRayModel
    seed: Tensor
    step: Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_buffer("seed", torch.tensor(torch.initial_seed() % 2**63))
        self.register_buffer("step", torch.tensor(0))
        if self.model.config.depth_loss_weight > 0.0 and self.test_mode != "inference":
            self.datamanager.train_rays.load_depth()

    def get_training_callbacks(
        self, training_callback_attributes: TrainingCallbackAttributes
    ) -> list[TrainingCallback]:
        """Let the model learn from the masks before the first step; then the callbacks of data and model."""
        before = [TrainingCallbackLocation.BEFORE_TRAIN_ITERATION]
        start = TrainingCallback(before, self._start_from_masks, iters=(0,))
        return [start, *super().get_training_callbacks(training_callback_attributes)]

    def _start_from_masks(self, step: int) -> None:
        del step
        if "mask" in self.datamanager.train_rays.arrays:
            self.model.start_from_masks(self._carve_hull)

    def _carve_hull(self, resolution: int, conservative: bool) -> Tensor:
        dataset = self.datamanager.train_dataset
        masks = self.datamanager.train_rays.arrays["mask"]
        frame_index, num_frames = dataset.metadata["frame_index"], dataset.metadata["num_frames"]
        box = dataset.scene_box.aabb
        return carve_visual_hull(dataset.cameras, masks, frame_index, num_frames, box, resolution, conservative)

    def get_train_loss_dict(self, step: int) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Outputs, losses and metrics of a training step."""
        self.step.fill_(step)
        return super().get_train_loss_dict(step)

    def load_pipeline(self, loaded_state: dict[str, Any], step: int) -> None:
        """Load a checkpoint; all names and shapes must fit."""
        self.model.update_to_step(step)
        nn.Module.load_state_dict(self, loaded_state, strict=True)

    def get_average_eval_image_metrics(
        self, step: int | None = None, output_path: Path | None = None, get_std: bool = False
    ) -> dict[str, Any]:
        """Mean metrics over the evaluation images; outside training also per frame, with the run's facts."""
        from resfields_ns.pipelines.evaluation import evaluate_frames, mean_metrics

        del get_std
        self.eval()
        frames = evaluate_frames(self.model, self.datamanager, self.config.chamfer_resolution, output_path)
        self.train()
        if step is not None:
            return mean_metrics(frames)
        return {**mean_metrics(frames), "per_frame": frames, "facts": self._facts()}

    def _facts(self) -> dict[str, Any]:
        metadata = self.datamanager.eval_dataset.metadata
        return {
            "split": "test",
            "cameras": sorted(set(metadata["camera_names"])),
            "frames": metadata["frame_numbers"],
            "background": self.model.config.background_color,
            "chamfer_resolution": self.config.chamfer_resolution,
            "steps": int(self.step) + 1,
            "seed": int(self.seed),
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            **machine_facts(),
        }
