"""The pipeline of dynamic scenes: geometry beside pictures, and a start from masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Bool
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig
from nerfstudio.utils.rich_utils import CONSOLE
from rich.progress import track
from torch import Tensor

from resfields_ns import timeline
from resfields_ns.data.dynamic_data import DynamicDataManager, RayBatches
from resfields_ns.data.visual_hull import carve_visual_hull
from resfields_ns.functional.shares import num_processes
from resfields_ns.functional.threads import side_by_side
from resfields_ns.host.ray_bundles import ray_times
from resfields_ns.models.background import fit_background, what_hides
from resfields_ns.models.dynamic_model import DynamicModel
from resfields_ns.models.fixed_losses import CompiledLosses, FixedLosses, GraphedLosses, no_compiler
from resfields_ns.options import Options, option, when
from resfields_ns.pipelines.sequence_pipeline import MESHES, SequencePipeline, evaluate_images, own_images


@dataclass
class DynamicPipelineConfig(Options, VanillaPipelineConfig):
    """Pipeline of a dynamic scene."""

    prefix: ClassVar[str] = "pipeline."
    _target: type = field(default_factory=lambda: DynamicPipeline)
    chamfer_resolution: int = option(128, least=2, data="clouds")
    """Marching-cubes cells along the longest side of the scene box for the Chamfer distance."""
    surface_points: int = option(100_000, least=1, data="clouds")
    """Random points of the extracted surface at which it is compared; as many as in the released evaluation."""
    cuda_graph: bool = option(False, acts=when("model.compile", False))
    """Record a training step once and replay it, on a GPU: steps of small methods take a fraction of the time."""


class DynamicPipeline(SequencePipeline):
    """Evaluates every frame, and its geometry where the capture has ground-truth clouds."""

    films: ClassVar[str] = "orbit"
    makes: ClassVar[Mapping[str, str]] = MESHES
    config: DynamicPipelineConfig
    datamanager: DynamicDataManager
    model: DynamicModel

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.datamanager.prepare = self._prepare
        if self.test_mode == "val":
            self.datamanager.load()  # now that the model has not refused the capture
        self.fixed_losses = self._fixed_losses() if self.test_mode == "val" else None

    def _fixed_losses(self) -> FixedLosses | None:
        """What makes the losses of a step faster where its shapes are known beforehand, if that is asked for."""
        made = {"model.compile": self.model.config.compile, "cuda-graph": self.config.cuda_graph}
        name = next((name for name, asked in made.items() if asked), None)
        if name is None:
            return None
        if num_processes() > 1:
            raise ValueError(f"pipeline.{name}: expected one process, got {num_processes()}")
        device, sizes = self.model.device, self.datamanager.train_rays.segment_sizes
        if name == "cuda-graph":
            if device.type != "cuda":
                raise ValueError(f"pipeline.cuda-graph: expected a GPU, got {device.type}")
            return GraphedLosses(self.model, sizes)
        if reason := no_compiler(device):
            raise ValueError(f"pipeline.model.compile: expected a compiler (on a CPU g++), but: {reason}")
        return CompiledLosses(self.model, sizes)

    def _prepare(self, train_rays: RayBatches) -> None:
        """Let batches have what the model's losses and background need; where the scene has its own, masks are left."""
        if self.model.config.depth_loss_weight > 0.0:
            train_rays.load_depth()
        if self.model.config.uses_plates(train_rays.dataset.capture):
            train_rays.load_plates()
            assert train_rays.plates is not None
            for line in train_rays.plates.report():
                CONSOLE.print(line)
        elif self.model.config.background == "field":
            train_rays.leave_masks()
        if self.model.config.refine_times:
            train_rays.draw_images()

    def losses_of_step(self, step: int) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Outputs, losses and metrics of a training step, of fixed shapes where that is asked for."""
        if self.fixed_losses is None:
            return super().losses_of_step(step)
        rays, batch = self.datamanager.next_train(step)
        times = ray_times(rays, self.model.config.fallback_time)
        losses = self.fixed_losses(rays.origins, rays.directions, times, batch)
        return {}, losses, self.model.get_metrics_dict({}, batch)

    def missing_data(self) -> dict[str, str]:
        """Also what of masks, depth and clouds the capture does not have."""
        capture, data = self.datamanager.train_dataset.capture, str(self.datamanager.config.data)
        is_cut_out = self.model.config.background == "color"
        found = {
            "masks": self.model.config.uses_plates(capture) or (capture.has_masks and is_cut_out),
            "masks or background": capture.has_masks or not is_cut_out,
            "depth": capture.has_depth,
            "clouds": capture.clouds is not None,
        }
        return super().missing_data() | {kind: data for kind, there in found.items() if not there}

    def get_training_callbacks(
        self, training_callback_attributes: TrainingCallbackAttributes
    ) -> list[TrainingCallback]:
        """Begin with background and visual hull before the first step; then the callbacks of data and model."""
        before = [TrainingCallbackLocation.BEFORE_TRAIN_ITERATION]
        start = TrainingCallback(before, self._start_from_hull, iters=(0,))
        return [start, *super().get_training_callbacks(training_callback_attributes)]

    def _start_from_hull(self, step: int) -> None:
        del step
        if self.model.background_field is not None:
            self._start_background()
        if self.datamanager.train_rays.masks is not None or self.model.sampler.uses_hull:
            self.model.start_from_hull(self._carve_hull)

    def _start_background(self) -> None:
        """Fit the background; where there are no plates, what differs from it takes the place of masks."""
        rays, field, box = self.datamanager.train_rays, self.model.background_field, self.model.sampler.box
        assert field is not None
        with rays.everywhere():
            fit_background(field, rays.sample, box, self.model.config.background_start_steps)
        if rays.plates is None:
            rays.masks = what_hides(field, self.datamanager.train_dataset.cameras, rays.arrays["image"], box)

    def _carve_hull(self, resolution: int, conservative: bool) -> Tensor:
        """Of the masks; without some, of whole images, which leave what enough cameras see."""
        dataset = self.datamanager.train_dataset
        masks = self.datamanager.train_rays.masks
        if masks is None:
            height, width = int(dataset.cameras.height.max()), int(dataset.cameras.width.max())
            masks = torch.ones((), dtype=torch.bool).expand(len(dataset), height, width)
        frame_index, num_frames = dataset.capture.frame_index, dataset.capture.num_frames
        box, least_views = dataset.scene_box.aabb, self.model.config.hull_least_views
        return carve_visual_hull(
            dataset.cameras, masks, frame_index, num_frames, box, resolution, conservative, least_views
        )

    def visual_hull(self, resolution: int) -> Bool[Tensor, "frames cells cells cells"] | None:
        """Cells of the scene box that the masks of a frame leave; None where training has no masks."""
        return None if self.datamanager.train_rays.masks is None else self._carve_hull(resolution, False)

    def evaluate_frames(self, output_path: Path | None) -> list[dict[str, Any]]:
        """Metrics of every one of `own_images`, with its camera and frame; pictures go to `output_path`.

        `chamfer_l1_x1000` is measured where the capture has ground-truth clouds (points in normalised units); it is
        None for a frame whose field has no surface.
        """
        results = evaluate_images(self.model, self.datamanager, output_path)
        capture = self.datamanager.eval_dataset.capture
        if capture.clouds is None:
            return results
        from resfields_ns.export.surface import surfaces_at_once

        frames = [capture.images[image].frame for image in own_images(capture)]
        compared, at_most = sorted(set(frames)), surfaces_at_once(self.config.chamfer_resolution)
        values = side_by_side(partial(self._chamfer, capture.clouds), compared, self.device, at_most)
        values = track(values, "Comparing surfaces", len(compared), transient=True)
        chamfers = dict(zip(compared, values, strict=True))
        return [{**result, "chamfer_l1_x1000": chamfers[frame]} for result, frame in zip(results, frames, strict=True)]

    def _chamfer(self, clouds: Sequence[Path], frame: int) -> float | None:
        from resfields_ns.captures.meshes.mesh_points import read_points
        from resfields_ns.export.surface import extract_shape
        from resfields_ns.pipelines.surface_metrics import chamfer_l1

        time = timeline.times_from_frames(torch.tensor(frame), self.model.num_frames).item()
        surface = extract_shape(self.model, time, self.config.chamfer_resolution)
        if len(surface.faces) == 0:
            return None
        points, _ = surface.sample(self.config.surface_points, seed=0)
        return 1000.0 * chamfer_l1(torch.from_numpy(points).float(), read_points(clouds[frame]))

    def task_facts(self) -> dict[str, Any]:
        """Cameras, background, the resolution of the Chamfer distance, and learned corrections of training cameras."""
        corrections, refinement = self.model.colour_correction, self.model.camera_refinement
        return {
            "split": "test",
            "cameras": sorted(self.datamanager.eval_dataset.capture.camera_names),
            "background": self.model.background_name,
            "chamfer_resolution": self.config.chamfer_resolution,
            **({} if corrections is None else {"colour_corrections": corrections.by_camera()}),
            **({} if refinement is None else {"camera_refinement": refinement.by_camera()}),
        }
