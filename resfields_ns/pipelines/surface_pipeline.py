"""The pipeline of temporal signed distance functions."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig

from resfields_ns.models.temporal_sdf_model import TemporalSDFModel
from resfields_ns.pipelines.sequence_pipeline import SequencePipeline
from resfields_ns.surfaces.surface_datamanager import SurfaceDataManager


@dataclass
class SurfacePipelineConfig(VanillaPipelineConfig):
    """Pipeline of a sequence of surfaces."""

    _target: type = field(default_factory=lambda: SurfacePipeline)
    mesh_resolution: int = 512
    """Marching-cubes cells along the box in evaluation."""
    surface_points: int = 100_000
    """Random points of the extracted and of the true surface at which they are compared."""

    def __post_init__(self) -> None:
        for option, least in (("mesh_resolution", 2), ("surface_points", 1)):
            if (value := getattr(self, option)) < least:
                raise ValueError(f"pipeline.{option.replace('_', '-')}: expected at least {least}, got {value}")


class SurfacePipeline(SequencePipeline):
    """Evaluates the extracted surface of every evaluation frame against its mesh."""

    config: SurfacePipelineConfig
    datamanager: SurfaceDataManager
    model: TemporalSDFModel

    def evaluate_frames(self, output_path: Path | None) -> list[dict[str, Any]]:
        """Chamfer L1 x 1000, normal distance x 100 and F-score of every frame; pictures go to `output_path`."""
        from resfields_ns.pipelines.surface_evaluation import evaluate_surfaces

        config = self.config
        return evaluate_surfaces(
            self.model, self.datamanager, config.mesh_resolution, config.surface_points, output_path
        )

    def task_facts(self) -> dict[str, Any]:
        """What was learnt from, and the resolution of the surfaces."""
        return {
            "supervision": self.datamanager.config.supervision,
            "mesh_resolution": self.config.mesh_resolution,
            "surface_points": self.config.surface_points,
        }
