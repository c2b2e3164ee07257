"""Evaluation of a sequence of surfaces against the meshes that it was learnt from."""

from pathlib import Path
from typing import Any

import numpy as np

from resfields_ns.export.surface import extract_surface
from resfields_ns.models.temporal_sdf_model import TemporalSDFModel
from resfields_ns.pipelines.evaluation import evaluate_images
from resfields_ns.pipelines.surface_metrics import surface_metrics
from resfields_ns.supervisions.mesh_points import sample_surface
from resfields_ns.surfaces.surface_datamanager import SurfaceDataManager
from resfields_ns.surfaces.surface_dataset import SurfaceDataset


def evaluate_surfaces(
    model: TemporalSDFModel,
    datamanager: SurfaceDataManager,
    resolution: int,
    num_points: int,
    output_path: Path | None,
) -> list[dict[str, Any]]:
    """Metrics of `surface_metrics` of every evaluation frame, None where it has no surface; pictures go to a folder.

    Surfaces are extracted with `resolution` cells along the box, and compared at `num_points` points of each.
    """
    results = evaluate_images(model, datamanager, output_path)
    dataset = datamanager.eval_dataset
    assert isinstance(dataset, SurfaceDataset) and dataset.cameras.times is not None
    for image, result in enumerate(results):
        surface = extract_surface(model, float(dataset.cameras.times[image]), resolution)
        if len(surface.faces) == 0:
            result |= dict.fromkeys(("chamfer_l1_x1000", "normal_distance_x100", "f_score"))
            continue
        true = dataset.frame(image)
        true_points = sample_surface(true.vertices, true.faces, num_points, np.random.default_rng(1))
        result |= surface_metrics(*surface.sample(num_points, seed=0), *true_points)
    return results
