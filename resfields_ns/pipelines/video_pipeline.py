"""The pipeline of videos."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig

from resfields_ns.data.video_data import VideoDataManager
from resfields_ns.models.video_model import VideoModel
from resfields_ns.pipelines.sequence_pipeline import SequencePipeline, evaluate_images


@dataclass
class VideoPipelineConfig(VanillaPipelineConfig):
    """Pipeline of a video."""

    _target: type = field(default_factory=lambda: VideoPipeline)


class VideoPipeline(SequencePipeline):
    """Evaluates every frame, on the pixels trained on and on those held out."""

    films: ClassVar[str] = "video"
    config: VideoPipelineConfig
    datamanager: VideoDataManager
    model: VideoModel

    def evaluate_frames(self, output_path: Path | None) -> list[dict[str, Any]]:
        """PSNR of every frame; originals beside reconstructions go to `output_path`."""
        return evaluate_images(self.model, self.datamanager, output_path)

    def summary(self, frames: list[dict[str, Any]]) -> dict[str, float]:
        """Mean PSNR, and that of the squared errors of all frames together (`_pooled`), as the released code has it."""
        pooled = {f"{name}_pooled": _pooled(frames, name) for name in ("psnr_train", "psnr_test")}
        return super().summary(frames) | {name: value for name, value in pooled.items() if np.isfinite(value)}

    def task_facts(self) -> dict[str, Any]:
        """What was held out of which video."""
        dataset = self.datamanager.eval_dataset
        pixels, hold_out = dataset.pixels, dataset.hold_out
        return {
            "video": pixels.clip.path.name,
            "size": [pixels.height, pixels.width],
            "supervision": self.datamanager.config.supervision,
            "held_out_pixels": float(hold_out.counts.double().mean()) / hold_out.num_pixels,
            "held_out_frames": [pixels.frames[frame] for frame in hold_out.held_out_frames.nonzero()[:, 0].tolist()],
        }


def _pooled(frames: list[dict[str, Any]], name: str) -> float:
    """PSNR of the mean of the frames' mean squared errors, NaN where no frame has it."""
    values = np.array([frame[name] for frame in frames if name in frame])
    return float(-10.0 * np.log10(np.mean(10.0 ** (-0.1 * values)))) if len(values) else np.nan
