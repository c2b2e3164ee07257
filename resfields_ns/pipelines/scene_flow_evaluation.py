"""Evaluation of scene flow, frame by frame."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from resfields_ns.functional.coordinates import Coordinates
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.models.scene_flow_model import SceneFlowModel
from resfields_ns.pipelines.evaluation import evaluate_images
from resfields_ns.surfaces.flow_datamanager import FlowDataManager, VertexBatches
from resfields_ns.timeline import frames_from_times, times_from_frames


def evaluate_flow(
    model: SceneFlowModel, datamanager: FlowDataManager, output_path: Path | None
) -> list[dict[str, Any]]:
    """L1 errors x 1000 of forward and backward flow at the held-out vertices of every evaluated frame (paper, Table 5).

    They are mean L1 norms in normalised units; the last frame has no forward flow, the first no backward flow. Pictures
    go to `output_path`.
    """
    if output_path is not None:
        evaluate_images(model, datamanager, output_path)
    dataset = datamanager.eval_dataset
    times = dataset.cameras.times
    assert times is not None
    frames = frames_from_times(times[:, 0], dataset.metadata["num_frames"])
    return [
        {"frame": number, **_errors(model, datamanager.eval_batches, frame)}
        for number, frame in zip(dataset.metadata["frame_numbers"], frames, strict=True)
    ]


@torch.no_grad()
def _errors(model: SceneFlowModel, vertices: VertexBatches, frame: Int[Tensor, ""]) -> dict[str, float]:
    everything = torch.arange(vertices.positions.shape[1])[None]
    points, batch = vertices.take(frame[None], everything)
    times = times_from_frames(frame[None], model.num_frames).to(model.device)
    outputs = model.get_outputs(Coordinates(points.to(model.device), TimeSegments.single(times, len(points))))
    errors = model.get_metrics_dict(outputs, {name: values.to(model.device) for name, values in batch.items()})
    return {
        f"{name}_l1_x1000": float(errors[f"{name}_l1_x1000"])
        for name in ("forward", "backward")
        if batch[f"has_{name}"].any()
    }
