"""Evaluation of a dynamic scene, frame by frame."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor
from torchvision.utils import save_image

from resfields_ns import timeline
from resfields_ns.data.capture_datamanager import CaptureDataManager
from resfields_ns.data.point_files import read_points
from resfields_ns.export.surface import extract_surface
from resfields_ns.models.ray_model import DynamicRayModel
from resfields_ns.pipelines.chamfer import chamfer_l1

NUM_SURFACE_POINTS = 100_000  # the paper's released evaluation


def evaluate_frames(
    model: DynamicRayModel, datamanager: CaptureDataManager, chamfer_resolution: int, output_path: Path | None
) -> list[dict[str, Any]]:
    """Metrics of every evaluation image, with its camera and frame; pictures go to `output_path`.

    `chamfer_l1_x1000` is measured where the capture has ground-truth clouds (points in normalised units); it is None
    for a frame whose field has no surface.
    """
    dataloader, metadata = datamanager.fixed_indices_eval_dataloader, datamanager.eval_dataset.metadata
    chamfers: dict[int, float | None] = {}
    results: list[dict[str, Any]] = []
    for image, (camera, batch) in enumerate(track(dataloader, "Evaluating", transient=True)):
        metrics, pictures = model.get_image_metrics_and_images(model.get_outputs_for_camera(camera), batch)
        frame = int(metadata["frame_index"][image])
        facts = {"camera": metadata["camera_names"][image], "frame": metadata["frame_numbers"][frame]}
        results.append({**facts, **metrics})
        if metadata["cloud_filenames"] is not None:
            if frame not in chamfers:
                time = timeline.times_from_frames(torch.tensor(frame), metadata["num_frames"]).item()
                chamfers[frame] = _chamfer(model, time, chamfer_resolution, metadata["cloud_filenames"][frame])
            results[-1]["chamfer_l1_x1000"] = chamfers[frame]
        if output_path is not None:
            _save_pictures(pictures, output_path, image)
    return results


def mean_metrics(frames: list[dict[str, Any]]) -> dict[str, float]:
    """Mean of every metric over the frames that have it."""
    means = {}
    for name in frames[0].keys() - {"camera", "frame"}:
        values = [frame[name] for frame in frames if frame[name] is not None and np.isfinite(frame[name])]
        if values:
            means[name] = float(np.mean(values))
    return dict(sorted(means.items()))


def _chamfer(model: DynamicRayModel, time: float, resolution: int, cloud: Path) -> float | None:
    surface = extract_surface(model, time, resolution)
    if len(surface.faces) == 0:
        return None
    points = surface.sample_points(NUM_SURFACE_POINTS, seed=0)
    return 1000.0 * chamfer_l1(torch.from_numpy(points), read_points(cloud))


def _save_pictures(pictures: dict[str, Tensor], output_path: Path, image: int) -> None:
    output_path.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        save_image(picture.permute(2, 0, 1).cpu(), output_path / f"eval_{name}_{image:04d}.png")
