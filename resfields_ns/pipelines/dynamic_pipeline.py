"""The pipeline of dynamic scenes: geometry beside pictures, and a start from masks."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig
from torch import Tensor

from resfields_ns.data.capture_datamanager import CaptureDataManager
from resfields_ns.data.visual_hull import carve_visual_hull
from resfields_ns.models.ray_model import DynamicRayModel
from resfields_ns.pipelines.sequence_pipeline import SequencePipeline


@dataclass
class DynamicPipelineConfig(VanillaPipelineConfig):
    """Pipeline of a dynamic scene."""

    _target: type = field(default_factory=lambda: DynamicPipeline)
    chamfer_resolution: int = 128
    """Marching-cubes cells along the longest side of the scene box for the Chamfer distance."""


class DynamicPipeline(SequencePipeline):
    """Evaluates every frame, and its geometry where the capture has ground-truth clouds."""

    config: DynamicPipelineConfig
    datamanager: CaptureDataManager
    model: DynamicRayModel

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
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

    def evaluate_frames(self, output_path: Path | None) -> list[dict[str, Any]]:
        """Metrics of every evaluation image, with its camera and frame; pictures go to `output_path`."""
        from resfields_ns.pipelines.dynamic_evaluation import evaluate_dynamic_frames

        return evaluate_dynamic_frames(self.model, self.datamanager, self.config.chamfer_resolution, output_path)

    def task_facts(self) -> dict[str, Any]:
        """Cameras, background and the resolution of the Chamfer distance."""
        return {
            "split": "test",
            "cameras": sorted(set(self.datamanager.eval_dataset.metadata["camera_names"])),
            "background": self.model.config.background_color,
            "chamfer_resolution": self.config.chamfer_resolution,
        }
