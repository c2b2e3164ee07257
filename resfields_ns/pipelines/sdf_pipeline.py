"""The pipeline of temporal signed distance functions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig
from rich.progress import track

from resfields_ns.data.sdf_data import MeshDataset, SDFDataManager
from resfields_ns.functional.threads import side_by_side
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.models.sdf_model import SDFModel
from resfields_ns.options import Options, option
from resfields_ns.pipelines.sequence_pipeline import MESHES, SequencePipeline, evaluate_images, own_images


@dataclass
class SDFPipelineConfig(Options, VanillaPipelineConfig):
    """Pipeline of a sequence of surfaces."""

    prefix: ClassVar[str] = "pipeline."

    _target: type = field(default_factory=lambda: SDFPipeline)
    mesh_resolution: int = option(512, least=2)
    """Marching-cubes cells along the box in evaluation."""
    surface_points: int = option(100_000, least=1)
    """Random points of the extracted and of the true surface at which they are compared."""


class SDFPipeline(SequencePipeline):
    """Evaluates the extracted surface of every evaluation frame against its mesh."""

    films: ClassVar[str] = "orbit"
    makes: ClassVar[Mapping[str, str]] = MESHES
    config: SDFPipelineConfig
    datamanager: SDFDataManager
    model: SDFModel

    def evaluate_frames(self, output_path: Path | None) -> list[dict[str, Any]]:
        """Chamfer L1 x 1000, normal distance x 100 and F-score of every frame, None where it has no surface."""
        from resfields_ns.export.surface import surfaces_at_once

        results = evaluate_images(self.model, self.datamanager, output_path)
        images, at_most = (
            own_images(sequence_of(self.datamanager.eval_dataset)),
            surfaces_at_once(self.config.mesh_resolution),
        )
        compared = side_by_side(self._compare, images, self.device, at_most)
        compared = track(compared, "Comparing surfaces", len(images), transient=True)
        return [{**result, **values} for result, values in zip(results, compared, strict=True)]

    def _compare(self, image: int) -> dict[str, float | None]:
        from resfields_ns.captures.meshes.mesh_points import sample_surface
        from resfields_ns.export.surface import extract_shape
        from resfields_ns.pipelines.surface_metrics import surface_metrics

        dataset, num_points = self.datamanager.eval_dataset, self.config.surface_points
        assert isinstance(dataset, MeshDataset) and dataset.cameras.times is not None
        surface = extract_shape(self.model, float(dataset.cameras.times[image]), self.config.mesh_resolution)
        if len(surface.faces) == 0:
            return dict.fromkeys(("chamfer_l1_x1000", "normal_distance_x100", "f_score"))
        true = dataset.frame(image)
        true_points = sample_surface(true.vertices, true.faces, num_points, np.random.default_rng(1))
        return dict(surface_metrics(*surface.sample(num_points, seed=0), *true_points))

    def task_facts(self) -> dict[str, Any]:
        """What was learnt from, and the resolution of the surfaces."""
        return {
            "supervision": self.datamanager.config.supervision,
            "mesh_resolution": self.config.mesh_resolution,
            "surface_points": self.config.surface_points,
        }
