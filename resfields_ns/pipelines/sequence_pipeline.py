"""The pipeline of every task: evaluates frame by frame and loads checkpoints strictly."""

import math
import os
import platform
import shlex
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cached_property
from importlib.metadata import version
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np
import torch
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManager
from nerfstudio.models.base_model import Model
from nerfstudio.pipelines.base_pipeline import VanillaPipeline, VanillaPipelineConfig
from rich.progress import track
from torch import Tensor, nn
from torch.cuda.amp.grad_scaler import GradScaler
from torch.nn.parallel import DistributedDataParallel
from torchvision.utils import save_image

from resfields_ns.captures.sequence import Sequence
from resfields_ns.functional.segments import TimedPoints, TimeSegments
from resfields_ns.functional.shares import num_processes, own_rows, process_rank, sharing
from resfields_ns.functional.threads import side_by_side
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.finite_numbers import broken_parameter
from resfields_ns.host.old_runs import renewed_state
from resfields_ns.host.processes import from_all, join_launched
from resfields_ns.layers import part_losses
from resfields_ns.models.surface_model import without_normals
from resfields_ns.viewer.run_viewer import RunViewer

PACKAGES = ("resfields-ns", "nerfstudio", "torch", "numpy")
MESHES = {"meshes": "rf-export --load-config {config} --output-dir {folder}/meshes --format glb --animated"}
"""What a pipeline of surfaces makes of a run."""
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


def own_images(sequence: Sequence) -> list[int]:
    """The images that this process evaluates: all, or those of every n-th frame where n processes evaluate."""
    frames = sorted({image.frame for image in sequence.images})
    own = set(frames[process_rank() :: num_processes()])
    return [index for index, image in enumerate(sequence.images) if image.frame in own]


def evaluate_images(
    model: Model, datamanager: VanillaDataManager[Any], output_path: Path | None
) -> list[dict[str, Any]]:
    """The model's metrics of this process's images, with camera and frame of each; pictures go to `output_path`."""
    dataloader, sequence = (
        datamanager.fixed_indices_eval_dataloader,
        sequence_of(datamanager.eval_dataset),
    )
    results: list[dict[str, Any]] = []

    def look(image: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
        camera, batch = dataloader.get_camera(image)
        return model.get_outputs_for_camera(camera), batch

    images = own_images(sequence)
    with without_normals(model) if output_path is None else nullcontext():
        seen = zip(images, side_by_side(look, images, model.device), strict=True)
        for image, (outputs, batch) in track(seen, "Evaluating", len(images), transient=True):
            metrics, pictures = model.get_image_metrics_and_images(outputs, batch)
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


def without_broken_numbers(frames: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Frames with None for numbers that are not finite, which JSON cannot hold, and a fact that counts them."""
    plain = [{name: None if _is_broken(value) else value for name, value in frame.items()} for frame in frames]
    counts = Counter(name for frame in frames for name, value in frame.items() if _is_broken(value))
    return plain, {"not_finite": dict(counts)} if counts else {}


def _is_broken(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def missing_surfaces(frames: list[dict[str, Any]]) -> dict[str, int]:
    """How many frames have no surface, and so no part in the mean of its metrics; nothing where none was looked for."""
    compared = [frame for frame in frames if "chamfer_l1_x1000" in frame]
    missing = {frame["frame"] for frame in compared if frame["chamfer_l1_x1000"] is None}
    return {"frames_without_surface": len(missing)} if compared else {}


def _save_pictures(pictures: dict[str, Tensor], output_path: Path, image: int) -> None:
    output_path.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        save_image(picture.permute(2, 0, 1).cpu(), output_path / f"eval_{name}_{image:04d}.png")


class StepLosses(nn.Module):
    """Losses and metrics of a training step, the losses of the model's parts included, all from one call."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, inputs: RayBundle | TimedPoints, batch: dict[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Of rays or points, and what is known at them."""
        outputs = self.model(inputs)
        metrics = self.model.get_metrics_dict(outputs, batch)
        losses = self.model.get_loss_dict(outputs, batch, metrics) | part_losses(self.model)
        return losses, {name: value.detach() for name, value in metrics.items()}


class SequencePipeline(VanillaPipeline, ABC):
    """A sequence of frames that is learnt; knows its seed and step, which its checkpoints hold.

    Where several processes train, each computes on its share of every batch, and their gradients are averaged
    (`functional/shares.py`): the host's own way, in which every process draws another batch, is not taken.
    """

    films: ClassVar[str | None] = None  # of rf-render: how camera and time move
    makes: ClassVar[Mapping[str, str]] = {}  # what else can be made of a run, and by which command
    datamanager: VanillaDataManager[Any]
    seed: Tensor
    step: Tensor

    def __init__(
        self,
        config: VanillaPipelineConfig,
        device: str | torch.device,
        test_mode: Literal["test", "val", "inference"] = "val",
        world_size: int = 1,
        local_rank: int = 0,
        grad_scaler: GradScaler | None = None,
    ) -> None:
        del world_size
        torch.set_flush_denormal(True)  # some processors crawl over the tiny numbers of a sharp softplus
        join_launched(torch.device(device).type)
        super().__init__(config, cast(str, device), test_mode, 1, local_rank, grad_scaler)
        processes = num_processes()
        if test_mode == "val" and (rows := self.datamanager.get_train_rays_per_batch()) < processes:
            raise ValueError(
                f"--pipeline.datamanager: expected a batch of {processes} or more for as many processes, got {rows}"
            )
        self.run_viewer = RunViewer()
        self.register_buffer("seed", torch.tensor(torch.initial_seed() % 2**63))
        self.register_buffer("step", torch.tensor(0))

    @abstractmethod
    def evaluate_frames(self, output_path: Path | None) -> list[dict[str, Any]]:
        """Metrics of every one of `own_images`, with its `frame`; pictures go to `output_path`.

        A metric that a frame does not have is None or left out.
        """

    @abstractmethod
    def task_facts(self) -> dict[str, Any]:
        """What a reader of the metrics needs to know about how they were taken."""

    def next_commands(self, run: Path) -> dict[str, str]:
        """What can be done with a run, and the commands that do it."""
        folder, config = shlex.quote(str(run)), shlex.quote(str(run / "config.yml"))
        film = f"rf-render {self.films} --load-config {config} --output-path {folder}/{self.films}.mp4"
        return {
            "look around": f"ns-viewer --load-config {config}",
            "measure": f"ns-eval --load-config {config} --output-path {folder}/metrics.json",
            **({} if self.films is None else {"a film": film}),
            **{what: command.format(folder=folder, config=config) for what, command in self.makes.items()},
            "one page": f"rf-report {folder} --output-path {folder}/report.html",
        }

    def missing_data(self) -> dict[str, str]:
        """What options need and the data lack, and where it would be: another frame, where there is one alone."""
        alone = sequence_of(self.datamanager.train_dataset).num_frames == 1
        return {"second frame": str(self.datamanager.config.data)} if alone else {}

    def get_train_loss_dict(self, step: int) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Outputs, losses and metrics of a training step; the model's parts add losses of their own."""
        self.step.fill_(step)
        if num_processes() > 1:
            return {}, *self._shared_step(step)
        outputs, losses, metrics = self.losses_of_step(step)
        return outputs, losses | part_losses(self.model), metrics

    def losses_of_step(self, step: int) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Outputs, losses and metrics of a training step, without the losses of the model's parts."""
        return super().get_train_loss_dict(step)

    def _shared_step(self, step: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Losses and metrics of this process's share of a batch: their means over the processes are the batch's."""
        inputs, batch = self.datamanager.next_train(step)
        if isinstance(inputs, TimedPoints):
            start, stop = own_rows(inputs.segments.sizes)
            share = inputs.rows(start, stop)
        else:
            assert isinstance(inputs, RayBundle) and inputs.times is not None
            start, stop = own_rows(TimeSegments.from_times(inputs.times[:, 0]).sizes)
            share = inputs[start:stop]
        with sharing():
            return self._distributed(share, {name: values[start:stop] for name, values in batch.items()})

    @cached_property
    def _distributed(self) -> DistributedDataParallel:
        """The model's step with its gradients averaged; all begin with what the first process has at its first step."""
        model = StepLosses(self.model)
        return DistributedDataParallel(model, broadcast_buffers=False, find_unused_parameters=True)

    def load_pipeline(self, loaded_state: dict[str, Any], step: int) -> None:
        """Load a checkpoint, of earlier versions too; all names and shapes must fit.

        Raises ValueError for one whose training had broken.
        """
        self.model.update_to_step(step)
        nn.Module.load_state_dict(self, renewed_state(loaded_state), strict=True)
        if (broken := broken_parameter(self.model)) is not None:
            raise ValueError(f"step-{step:09d}.ckpt: expected finite numbers, found {broken}: its training had broken")

    def get_average_eval_image_metrics(
        self, step: int | None = None, output_path: Path | None = None, get_std: bool = False
    ) -> dict[str, Any]:
        """Mean metrics over the frames; outside training also per frame, with the run's facts."""
        del get_std
        self.eval()
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            own = zip(
                own_images(sequence_of(self.datamanager.eval_dataset)), self.evaluate_frames(output_path), strict=True
            )
        frames = [frame for _, frame in sorted(chain.from_iterable(from_all(list(own))), key=itemgetter(0))]
        self.train()
        if step is not None:
            return self.summary(frames)
        plain, broken = without_broken_numbers(frames)
        facts = {**self.facts(), **missing_surfaces(frames), **broken}
        return {**self.summary(frames), "per_frame": plain, "facts": facts}

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
