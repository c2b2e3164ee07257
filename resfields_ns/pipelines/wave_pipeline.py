"""The pipeline of waves."""

from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, ClassVar

from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig

from resfields_ns.data.wave_data import WaveDataManager
from resfields_ns.models.wave_model import WaveModel
from resfields_ns.pipelines.sequence_pipeline import SequencePipeline, evaluate_images


@dataclass
class WavePipelineConfig(VanillaPipelineConfig):
    """Pipeline of waves."""

    _target: type = field(default_factory=lambda: WavePipeline)


class WavePipeline(SequencePipeline):
    """Compares every frame with a solution by finite differences."""

    films: ClassVar[str] = "time"
    config: WavePipelineConfig
    datamanager: WaveDataManager
    model: WaveModel

    def evaluate_frames(self, output_path: Path | None) -> list[dict[str, Any]]:
        """Relative error of every frame; fields beside references and differences go to `output_path`."""
        return evaluate_images(self.model, self.datamanager, output_path)

    def summary(self, frames: list[dict[str, Any]]) -> dict[str, float]:
        """Mean relative error, and that of all frames together (`_pooled`)."""
        means = super().summary(frames)
        pooled = (means["squared_error"] / means["squared_reference"]) ** 0.5
        return means | {"relative_error_pooled": pooled}

    def task_facts(self) -> dict[str, Any]:
        """The equation."""
        equation = self.model.equation
        assert is_dataclass(equation)
        return {"equation": type(equation).__name__, **asdict(equation)}
