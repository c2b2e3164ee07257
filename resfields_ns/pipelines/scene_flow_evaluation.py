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
    """Errors at the held-out vertices of every evaluated frame (paper, Table 5); pictures go to `output_path`."""
    if output_path is not None:
        evaluate_images(model, datamanager, output_path)
    dataset = datamanager.eval_dataset
    times = dataset.cameras.times
    assert times is not None
    frames = frames_from_times(times[:, 0], dataset.metadata["num_frames"])
    return [
        {"frame": number, **flow_errors(model, datamanager.eval_batches, frame)}
        for number, frame in zip(dataset.metadata["frame_numbers"], frames, strict=True)
    ]


@torch.no_grad()
def flow_errors(model: SceneFlowModel, vertices: VertexBatches, frame: Int[Tensor, ""]) -> dict[str, float]:
    """Mean L1 norms x 1000, in normalised units, of what forward and backward flow are wrong by at a frame.

    The last frame has no forward flow, the first no backward flow.
    """
    everything = torch.arange(vertices.positions.shape[1])[None]
    points, batch = vertices.take(frame[None], everything)
    times = times_from_frames(frame[None], model.num_frames).to(model.device)
    outputs = model.get_outputs(Coordinates(points.to(model.device), TimeSegments.single(times, len(points))))
    errors = model.get_metrics_dict(outputs, {name: values.to(model.device) for name, values in batch.items()})
    names = [name for name in ("forward", "backward") if batch[f"has_{name}"].any()]
    return {key: float(errors[key]) for key in (f"{name}_l1_x1000" for name in names)}
