"""The pipeline of every task: evaluates frame by frame and loads checkpoints strictly."""

import os
import platform
from abc import ABC, abstractmethod
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManager
from nerfstudio.models.base_model import Model
from nerfstudio.pipelines.base_pipeline import VanillaPipeline
from rich.progress import track
from torch import Tensor, nn
from torchvision.utils import save_image

from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.old_runs import renewed_state
from resfields_ns.layers import part_losses

PACKAGES = ("resfields-ns", "nerfstudio", "torch", "numpy")
_NAMES = {"camera", "frame"}


def machine_facts() -> dict[str, Any]:
    """Versions and hardware."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "hardware": {"cpu": _cpu_name(), "cores": os.cpu_count(), "threads": torch.get_num_threads(), "gpu": gpu},
    }


def _cpu_name() -> str:
    """The processor's name where the system tells it, else its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf8").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def evaluate_images(
    model: Model, datamanager: VanillaDataManager[Any], output_path: Path | None
) -> list[dict[str, Any]]:
    """The model's metrics of every evaluation image, with its camera and frame; pictures go to `output_path`."""
    dataloader, sequence = (
        datamanager.fixed_indices_eval_dataloader,
        sequence_of(datamanager.eval_dataset),
    )
    results: list[dict[str, Any]] = []
    for image, (camera, batch) in enumerate(track(dataloader, "Evaluating", transient=True)):
        metrics, pictures = model.get_image_metrics_and_images(model.get_outputs_for_camera(camera), batch)
        shown = sequence.images[image]
        results.append({"camera": shown.camera_name, "frame": sequence.frames.numbers[shown.frame], **metrics})
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


def missing_surfaces(frames: list[dict[str, Any]]) -> dict[str, int]:
    """How many frames have no surface, and so no part in the mean of its metrics; nothing where none was looked for."""
    compared = [frame for frame in frames if "chamfer_l1_x1000" in frame]
    missing = {frame["frame"] for frame in compared if frame["chamfer_l1_x1000"] is None}
    return {"frames_without_surface": len(missing)} if compared else {}


def _save_pictures(pictures: dict[str, Tensor], output_path: Path, image: int) -> None:
    output_path.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        save_image(picture.permute(2, 0, 1).cpu(), output_path / f"eval_{name}_{image:04d}.png")


class SequencePipeline(VanillaPipeline, ABC):
    """A sequence of frames that is learnt; knows its seed and step, which its checkpoints hold."""

    datamanager: VanillaDataManager[Any]
    seed: Tensor
    step: Tensor

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register_buffer("seed", torch.tensor(torch.initial_seed() % 2**63))
        self.register_buffer("step", torch.tensor(0))

    @abstractmethod
    def evaluate_frames(self, output_path: Path | None) -> list[dict[str, Any]]:
        """Metrics of every frame or image that is evaluated, with its `frame`; pictures go to `output_path`.

        A metric that a frame does not have is None or left out.
        """

    @abstractmethod
    def task_facts(self) -> dict[str, Any]:
        """What a reader of the metrics needs to know about how they were taken."""

    def get_train_loss_dict(self, step: int) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Outputs, losses and metrics of a training step; the model's parts add losses of their own."""
        self.step.fill_(step)
        outputs, losses, metrics = self.losses_of_step(step)
        return outputs, losses | part_losses(self.model), metrics

    def losses_of_step(self, step: int) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Outputs, losses and metrics of a training step, without the losses of the model's parts."""
        return super().get_train_loss_dict(step)

    def load_pipeline(self, loaded_state: dict[str, Any], step: int) -> None:
        """Load a checkpoint, of earlier versions too; all names and shapes must fit."""
        self.model.update_to_step(step)
        nn.Module.load_state_dict(self, renewed_state(loaded_state), strict=True)

    def get_average_eval_image_metrics(
        self, step: int | None = None, output_path: Path | None = None, get_std: bool = False
    ) -> dict[str, Any]:
        """Mean metrics over the frames; outside training also per frame, with the run's facts."""
        del get_std
        self.eval()
        frames = self.evaluate_frames(output_path)
        self.train()
        if step is not None:
            return self.summary(frames)
        return {**self.summary(frames), "per_frame": frames, "facts": {**self.facts(), **missing_surfaces(frames)}}

    def summary(self, frames: list[dict[str, Any]]) -> dict[str, float]:
        """Every metric's mean over the frames that have it."""

        return mean_metrics(frames)

    def facts(self) -> dict[str, Any]:
        """Everything a reader of the metrics needs to know about run and machine."""
        return {
            **self.task_facts(),
            "frames": sequence_of(self.datamanager.eval_dataset).shown_numbers,
            "steps": int(self.step) + 1,
            "seed": int(self.seed),
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            **machine_facts(),
        }
