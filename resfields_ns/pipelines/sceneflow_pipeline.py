"""The pipeline of scene flow: errors at vertices that were held out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Int
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig
from torch import Tensor

from resfields_ns.captures.sequence import TrackedSurfaces
from resfields_ns.data.sceneflow_data import SceneFlowDataManager, VertexBatches
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.models.sceneflow_model import SceneFlowModel
from resfields_ns.pipelines.sequence_pipeline import SequencePipeline, evaluate_images, own_images
from resfields_ns.timeline import times_from_frames


@torch.no_grad()
def flow_errors(model: SceneFlowModel, vertices: VertexBatches, frame: Int[Tensor, ""]) -> dict[str, float]:
    """Mean L1 norms x 1000, in normalised units, of what forward and backward flow are wrong by at a frame.

    The last frame has no forward flow, the first no backward flow.
    """
    everything = torch.arange(vertices.positions.shape[1])[None]
    points, batch = vertices.take(frame[None], everything)
    time = times_from_frames(frame, model.num_frames)
    outputs = model.get_outputs(TimedPoints.at(points.to(model.device), time))
    errors = model.get_metrics_dict(outputs, {name: values.to(model.device) for name, values in batch.items()})
    names = [name for name in ("forward", "backward") if batch[f"has_{name}"].any()]
    return {key: float(errors[key]) for key in (f"{name}_l1_x1000" for name in names)}


@dataclass
class SceneFlowPipelineConfig(VanillaPipelineConfig):
    """Pipeline of scene flow."""

    _target: type = field(default_factory=lambda: SceneFlowPipeline)


class SceneFlowPipeline(SequencePipeline):
    """Evaluates forward and backward flow of the held-out vertices."""

    films: ClassVar[str] = "time"
    makes: ClassVar[Mapping[str, str]] = {
        "a moving mesh": "rf-track --load-config {config} --output-path {folder}/tracked.glb"
    }
    config: SceneFlowPipelineConfig
    datamanager: SceneFlowDataManager
    model: SceneFlowModel

    def evaluate_frames(self, output_path: Path | None) -> list[dict[str, Any]]:
        """L1 errors x 1000 of both flows at every evaluated frame; pictures go to `output_path`."""
        if output_path is not None:
            evaluate_images(self.model, self.datamanager, output_path)
        surfaces = sequence_of(self.datamanager.eval_dataset, TrackedSurfaces)
        frames = surfaces.frame_index[own_images(surfaces)]
        return [
            {
                "frame": surfaces.frames.numbers[int(frame)],
                **flow_errors(self.model, self.datamanager.eval_batches, frame),
            }
            for frame in frames
        ]

    def task_facts(self) -> dict[str, Any]:
        """How many vertices were trained on, and how many are evaluated."""
        surfaces = sequence_of(self.datamanager.eval_dataset, TrackedSurfaces)
        held_out = self.datamanager.eval_batches.positions.shape[1]
        return {
            "split": "test",
            "vertices_trained": surfaces.positions.shape[1] - held_out,
            "vertices_held_out": held_out,
        }
