"""The pipeline of scene flow: errors at vertices that were held out."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig

from resfields_ns.models.scene_flow_model import SceneFlowModel
from resfields_ns.pipelines.sequence_pipeline import SequencePipeline
from resfields_ns.surfaces.flow_datamanager import FlowDataManager


@dataclass
class SceneFlowPipelineConfig(VanillaPipelineConfig):
    """Pipeline of scene flow."""

    _target: type = field(default_factory=lambda: SceneFlowPipeline)


class SceneFlowPipeline(SequencePipeline):
    """Evaluates forward and backward flow of the held-out vertices."""

    config: SceneFlowPipelineConfig
    datamanager: FlowDataManager
    model: SceneFlowModel

    def evaluate_frames(self, output_path: Path | None) -> list[dict[str, Any]]:
        """L1 errors x 1000 of both flows at every evaluated frame; pictures go to `output_path`."""
        from resfields_ns.pipelines.scene_flow_evaluation import evaluate_flow

        return evaluate_flow(self.model, self.datamanager, output_path)

    def task_facts(self) -> dict[str, Any]:
        """How many vertices were trained on, and how many are evaluated."""
        held_out = self.datamanager.eval_batches.positions.shape[1]
        return {
            "split": "test",
            "vertices_trained": self.datamanager.eval_dataset.metadata["positions"].shape[1] - held_out,
            "vertices_held_out": held_out,
        }
