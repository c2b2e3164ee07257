"""Evaluation of a dynamic scene: pictures, and surfaces where the capture has ground-truth clouds."""

from pathlib import Path
from typing import Any

import torch

from resfields_ns import timeline
from resfields_ns.data.capture_datamanager import CaptureDataManager
from resfields_ns.data.point_files import read_points
from resfields_ns.export.surface import extract_surface
from resfields_ns.models.ray_model import DynamicRayModel
from resfields_ns.pipelines.chamfer import chamfer_l1
from resfields_ns.pipelines.evaluation import evaluate_images

NUM_SURFACE_POINTS = 100_000  # the paper's released evaluation


def evaluate_dynamic_frames(
    model: DynamicRayModel, datamanager: CaptureDataManager, chamfer_resolution: int, output_path: Path | None
) -> list[dict[str, Any]]:
    """Metrics of every evaluation image, with its camera and frame; pictures go to `output_path`.

    `chamfer_l1_x1000` is measured where the capture has ground-truth clouds (points in normalised units); it is None
    for a frame whose field has no surface.
    """
    results = evaluate_images(model, datamanager, output_path)
    metadata = datamanager.eval_dataset.metadata
    if metadata["cloud_filenames"] is None:
        return results
    chamfers: dict[int, float | None] = {}
    for result, frame in zip(results, metadata["frame_index"].tolist(), strict=True):
        if frame not in chamfers:
            time = timeline.times_from_frames(torch.tensor(frame), metadata["num_frames"]).item()
            chamfers[frame] = _chamfer(model, time, chamfer_resolution, metadata["cloud_filenames"][frame])
        result["chamfer_l1_x1000"] = chamfers[frame]
    return results


def _chamfer(model: DynamicRayModel, time: float, resolution: int, cloud: Path) -> float | None:
    surface = extract_surface(model, time, resolution)
    if len(surface.faces) == 0:
        return None
    points, _ = surface.sample(NUM_SURFACE_POINTS, seed=0)
    return 1000.0 * chamfer_l1(torch.from_numpy(points).float(), read_points(cloud))
