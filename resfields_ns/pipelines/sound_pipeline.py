"""The pipeline of sounds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig

from resfields_ns.data.sound_data import SoundDataManager
from resfields_ns.functional.waveforms import decibels
from resfields_ns.models.sound_model import SoundModel
from resfields_ns.pipelines.sequence_pipeline import SequencePipeline, evaluate_images


@dataclass
class SoundPipelineConfig(VanillaPipelineConfig):
    """Pipeline of a sound."""

    _target: type = field(default_factory=lambda: SoundPipeline)


class SoundPipeline(SequencePipeline):
    """Evaluates every window, on the samples trained on and on those held out."""

    makes: ClassVar[Mapping[str, str]] = {
        "the sound": "rf-render audio --load-config {config} --output-path {folder}/played.wav"
    }
    config: SoundPipelineConfig
    datamanager: SoundDataManager
    model: SoundModel

    def evaluate_frames(self, output_path: Path | None) -> list[dict[str, Any]]:
        """SNR of every window; drawings of originals above those of the field go to `output_path`."""
        return evaluate_images(self.model, self.datamanager, output_path)

    def summary(self, frames: list[dict[str, Any]]) -> dict[str, float]:
        """Mean SNR, and that of all windows together (`_pooled`)."""
        means = super().summary(frames)
        pooled = {
            f"snr_{name}_pooled": decibels(means[f"signal_{name}"], means[f"error_{name}"])
            for name in ("train", "test")
            if means.get(f"signal_{name}", 0.0) > 0.0 and means[f"error_{name}"] > 0.0
        }
        return means | pooled

    def task_facts(self) -> dict[str, Any]:
        """What was held out of which sound."""
        sound = self.datamanager.eval_dataset.sound
        windows, form = sound.windows, sound.windows.source.form
        return {
            "sound": windows.source.path.name,
            "samples_per_second": form.rate,
            "channels": form.channels,
            "window_samples": windows.length,
            "held_out_samples": sound.hold_out.pixels.shape[1] / windows.length,
        }
