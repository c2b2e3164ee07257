"""Evaluation of a sequence, image by image."""

from pathlib import Path
from typing import Any

import numpy as np
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManager
from nerfstudio.models.base_model import Model
from rich.progress import track
from torch import Tensor
from torchvision.utils import save_image

_NAMES = {"camera", "frame"}


def evaluate_images(
    model: Model, datamanager: VanillaDataManager[Any], output_path: Path | None
) -> list[dict[str, Any]]:
    """The model's metrics of every evaluation image, with its camera and frame; pictures go to `output_path`."""
    dataloader, metadata = datamanager.fixed_indices_eval_dataloader, datamanager.eval_dataset.metadata
    results: list[dict[str, Any]] = []
    for image, (camera, batch) in enumerate(track(dataloader, "Evaluating", transient=True)):
        metrics, pictures = model.get_image_metrics_and_images(model.get_outputs_for_camera(camera), batch)
        frame = metadata["frame_numbers"][int(metadata["frame_index"][image])]
        results.append({"camera": metadata["camera_names"][image], "frame": frame, **metrics})
        if output_path is not None:
            _save_pictures(pictures, output_path, image)
    return results


def mean_metrics(frames: list[dict[str, Any]]) -> dict[str, float]:
    """Mean of every metric over the frames that have it."""
    means = {}
    for name in sorted(set().union(*frames) - _NAMES):
        values = [frame[name] for frame in frames if frame.get(name) is not None and np.isfinite(frame[name])]
        if values:
            means[name] = float(np.mean(values))
    return means


def _save_pictures(pictures: dict[str, Tensor], output_path: Path, image: int) -> None:
    output_path.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        save_image(picture.permute(2, 0, 1).cpu(), output_path / f"eval_{name}_{image:04d}.png")
