"""A trainer whose checkpoints survive a kill and continue exactly, its optimizers and schedules."""

import math
import os
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import torch
from nerfstudio.configs.base_config import LoggingConfig, MachineConfig, ViewerConfig
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManager, VanillaDataManagerConfig
from nerfstudio.engine.optimizers import AdamOptimizerConfig, Optimizers
from nerfstudio.engine.schedulers import Scheduler, SchedulerConfig
from nerfstudio.engine.trainer import Trainer
from nerfstudio.utils import comms
from nerfstudio.utils.decorators import check_main_thread
from nerfstudio.utils.rich_utils import CONSOLE
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from tyro.conf import Suppress

from resfields_ns.host.dataparsing import SequenceDataParser
from resfields_ns.host.host_configs import (
    SequenceLoggingConfig,
    SequenceMachineConfig,
    SequenceModelConfig,
    SequenceViewerConfig,
)
from resfields_ns.host.old_runs import check_resumable, know_moved_classes, know_paths
from resfields_ns.host.presets import PresetTrainerConfig
from resfields_ns.host.processes import (
    from_first,
    join_launched,
    let_host_launch,
    mean_over_processes,
    processes_of,
)
from resfields_ns.host.run_record import find_data, record_run
from resfields_ns.options import Obstacle, Options, option, unless, when, when_any

know_moved_classes()
know_paths()


def capture_random_state() -> dict[str, Any]:
    """State of Python's, numpy's and torch's generators; loads with `torch.load(weights_only=True)`."""
    version, internal, gauss_next = random.getstate()
    _, keys, position, has_gauss, cached_gaussian = np.random.get_state()  # noqa: NPY002
    return {
        "python": (version, torch.tensor(internal, dtype=torch.int64), gauss_next),
        "numpy": (torch.from_numpy(np.asarray(keys, np.int64)), int(position), int(has_gauss), float(cached_gaussian)),
        "torch": torch.get_rng_state(),
        "cuda": [torch.cuda.get_rng_state()] if torch.cuda.is_available() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Continue from a captured state; the current GPU from that of the first."""
    version, internal, gauss_next = state["python"]
    random.setstate((version, tuple(internal.tolist()), gauss_next))
    keys, position, has_gauss, cached_gaussian = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, cached_gaussian))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"][0])


@dataclass
class CosineDecayConfig(Options, SchedulerConfig):
    """Cosine annealing (Loshchilov & Hutter 2016) to a share of the initial learning rate."""

    prefix: ClassVar[str] = "scheduler."

    _target: type = field(default_factory=lambda: CosineDecay)
    final_share: float = option(0.1, least=0, most=1)
    """Final learning rate as a share of the initial one."""
    start_share: float = option(0.0, least=0, below=1)
    """Share of the steps that pass before anything is learned."""
    max_steps: Suppress[int] = option(400_000, least=1)
    """Steps of the decay; the trainer sets the length of its run."""


class CosineDecay(Scheduler):
    """Cosine annealing, from the start on or joined later, then constant."""

    config: CosineDecayConfig

    def get_scheduler(self, optimizer: Optimizer, lr_init: float) -> LambdaLR:
        """The schedule as a factor of each group's own learning rate."""
        del lr_init
        final, start, max_steps = self.config.final_share, self.config.start_share, self.config.max_steps

        def factor(step: int) -> float:
            progress = min(step / max_steps, 1.0)
            if progress < start:
                return 0.0
            return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))

        return LambdaLR(optimizer, factor)


@dataclass
class FusedAdamConfig(Options, AdamOptimizerConfig):
    """Adam (Kingma & Ba 2015) in one pass over the parameters."""

    prefix: ClassVar[str] = "optimizer."

    lr: float = option(5e-4, above=0)
    """Learning rate."""
    eps: float = option(1e-8, above=0)
    """What is added to the root of the mean square of gradients."""
    max_norm: float | None = option(None, above=0)
    """Norm to which gradients are clipped; None: as they are."""
    weight_decay: float = option(0.0, least=0)
    """L2 penalty of the parameters."""
    fused: bool = True
    """Use torch's fused implementation."""


def decaying_adam(lr: float, eps: float = 1e-8, start_share: float = 0.0) -> dict[str, Any]:
    """The paper's way to train a group of parameters (A.1): Adam whose rate falls to a tenth along a cosine.

    With a `start_share`, the group waits for that share of the steps.
    """
    return {"optimizer": FusedAdamConfig(lr=lr, eps=eps), "scheduler": CosineDecayConfig(start_share=start_share)}


_WITH_VIEWER = ("viewer", "viewer+wandb", "viewer+tensorboard", "viewer+comet", "viewer_legacy")
_WITH_PROJECT = ("wandb", "comet", "viewer+wandb", "viewer+comet")
_WITH_LOG_FOLDER = ("wandb", "tensorboard", "viewer+wandb", "viewer+tensorboard")
_evaluated = unless("vis", "viewer", "viewer_legacy")  # the host evaluates while training where it can log it
_in_new_viewer = unless("vis", "viewer_legacy")


def _logs_steps(config: "ResFieldsTrainerConfig") -> str | None:
    silent = None if config.logging.local_writer.enable else _evaluated(config)
    return f"{silent} and logging.local-writer.enable is False" if silent else None


def _has_log_folder(config: "ResFieldsTrainerConfig") -> str | None:
    profiler, vis = config.logging.profiler, config.vis
    written = profiler == "pytorch" or vis in _WITH_LOG_FOLDER
    return None if written else f"vis is {vis} and logging.profiler is {profiler}"


def _is_one_process(config: "ResFieldsTrainerConfig") -> str | None:
    count = processes_of(config.machine)
    return None if count == 1 else f"{count} processes train"


def _evaluates_batches(config: "ResFieldsTrainerConfig") -> str | None:
    return _evaluated(config) or unless("steps_per_eval_batch", 0)(config)


@dataclass
class ResFieldsTrainerConfig(PresetTrainerConfig):
    """nerfstudio's trainer with atomic checkpoints and exact resuming."""

    prefix: ClassVar[str] = "--"
    below: ClassVar[Mapping[str, Obstacle]] = {
        "logging.relative_log_dir": _has_log_folder,
        "logging.steps_per_log": _logs_steps,
        "pipeline.cuda_graph": _is_one_process,
        "pipeline.datamanager.eval_num_rays_per_batch": _evaluates_batches,
        "pipeline.datamanager.eval_samples_per_batch": _evaluates_batches,
        "viewer.image_format": _in_new_viewer,
        "viewer.jpeg_quality": _in_new_viewer,
        "viewer.make_share_url": _in_new_viewer,
        "viewer.camera_frustum_scale": _in_new_viewer,
        "viewer.default_composite_depth": _in_new_viewer,
    }

    _target: type = field(default_factory=lambda: ResFieldsTrainer)
    prompt: Suppress[str | None] = None
    project_name: str | None = option("nerfstudio-project", acts=when("vis", *_WITH_PROJECT))
    """Name of the project, for wandb and comet."""
    max_num_iterations: int = option(1_000_000, least=1)
    """Steps of the run; when it continues another, steps after that."""
    steps_per_save: int = option(2_000, least=0)
    """Steps between checkpoints."""
    steps_per_eval_batch: int = option(1_000, least=0, acts=_evaluated)
    """Steps between evaluations of a batch."""
    steps_per_eval_image: int = option(5_000, least=0, acts=_evaluated)
    """Steps between evaluations of an image."""
    steps_per_eval_all_images: int = option(25_000, least=0, acts=_evaluated)
    """Steps between evaluations of all images."""
    mixed_precision: bool = option(False, acts=unless("machine.device_type", "cpu"))
    """Compute in half precision where torch finds it safe; on a GPU."""
    use_grad_scaler: bool = option(False, acts=(unless("machine.device_type", "cpu"), when("mixed_precision", False)))
    """Scale gradients without mixed precision too, which always scales them."""
    load_step: int | None = option(None, least=0, acts=when_any("load_dir"))
    """Step of the checkpoint to continue from; the last by default."""
    load_checkpoint: Path | None = option(None, acts=when("load_dir", None))
    """Checkpoint to continue from."""
    load_scheduler: bool = option(True, acts=when_any("load_dir", "load_checkpoint"))
    """Whether schedules of learning rates go on where the checkpoint left them."""
    log_gradients: bool = option(False, acts=_evaluated)
    """Whether the norms of gradients are logged with the metrics."""
    gradient_accumulation_steps: dict[str, int] = option(factory=dict, least=1)
    """Steps that gradients of a group of parameters are summed over."""
    start_paused: bool = option(False, acts=(when("vis", *_WITH_VIEWER), _is_one_process))
    """Wait for the viewer's button before the first step."""
    machine: MachineConfig = field(
        default_factory=lambda: SequenceMachineConfig(device_type="cuda" if torch.cuda.is_available() else "cpu")
    )
    """What it runs on: a GPU where there is one, or several of them."""
    logging: LoggingConfig = field(default_factory=SequenceLoggingConfig)
    """What is told of a run."""
    viewer: ViewerConfig = option(factory=SequenceViewerConfig, acts=when("vis", *_WITH_VIEWER))
    """The viewer, seen from this machine alone unless told otherwise."""

    def check_options(self) -> None:
        """Raise ValueError for options out of bounds, at odds with each other, or set to no effect."""
        super().check_options()
        if unknown := self.gradient_accumulation_steps.keys() - self.optimizers.keys():
            groups = ", ".join(self.optimizers)
            raise ValueError(f"--gradient-accumulation-steps: expected groups among {groups}, got {min(unknown)}")
        for group in self.gradient_accumulation_steps:
            if why := self.obstacle(f"optimizers.{group}"):
                raise ValueError(f"--gradient-accumulation-steps: expected no {group}, as {why}")
        datamanager = self.pipeline.datamanager
        places = {"--data": self.data, "--pipeline.datamanager.data": datamanager.data}
        if isinstance(datamanager, VanillaDataManagerConfig):
            dataparser = datamanager.dataparser
            places["the dataparser's --data"] = None if dataparser.data == type(dataparser)().data else dataparser.data
        given = {path: place for place, path in places.items() if path is not None}
        if len(given) > 1:
            found = ", ".join(f"{path} by {place}" for path, place in given.items())
            raise ValueError(f"--data: expected one place of the data, got {found}")

    def set_timestamp(self) -> None:
        """Set the run's time, one for all its processes: the host's first word to a config whose run it will launch."""
        super().set_timestamp()
        join_launched(self.machine.device_type)
        self.timestamp = from_first(self.timestamp)
        let_host_launch(self.machine)

    def save_config(self) -> None:
        """Write the config.yml, by the first process or on the first machine alone."""
        if comms.is_main_process() and self.machine.machine_rank == 0:
            super().save_config()

    def get_checkpoint_dir(self) -> Path:
        """Where the run's checkpoints lie: while the host loads a run, beside the config.yml that it reads."""
        loading = _arguments_of_loading()
        if loading is None:
            return super().get_checkpoint_dir()
        rendering = loading["test_mode"] == "inference"
        return self.found_at(Path(loading["config_path"]).absolute().parent, rendering)

    def found_at(self, run: Path, rendering: bool) -> Path:
        """Take the run to be in a folder, where it may have been moved, and return that of its checkpoints.

        Its data are looked for, too: where they were, and where they would be if they were moved with it. What only
        renders does with the run's record where they are gone. Raises ValueError if there are no checkpoints, or no
        data.
        """
        folder = run / self.relative_model_dir
        if not any(folder.glob("step-*.ckpt")):
            run, folder = super().get_base_dir(), super().get_checkpoint_dir()
        checkpoints = sorted(folder.glob("step-*.ckpt"))
        if not checkpoints:
            raise ValueError(f"--load-config: expected checkpoints in {folder.absolute()}, found none")
        if self.load_step is None:
            self.load_step = int(checkpoints[-1].stem.removeprefix("step-"))
        find_data(self.pipeline.datamanager, super().get_base_dir(), run, rendering)
        return folder

    def obstacle(self, name: str) -> str | None:
        """An optimizer does nothing where the model has no parameters for it."""
        (first, *path), model = name.split("."), self.pipeline.model
        if first != "optimizers" or not path or not isinstance(model, SequenceModelConfig):
            return super().obstacle(name)
        return None if path[0] in model.parameter_groups else f"the model has no parameters in the group {path[0]}"


def _arguments_of_loading() -> dict[str, Any] | None:
    """Those of the host's `eval_setup`, if it is what runs: it tells configs nothing of where it read them."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "eval_setup":
            return frame.f_locals
        frame = frame.f_back
    return None


@runtime_checkable
class KnowsMissingData(Protocol):
    """A pipeline that knows what options need and its data do not have."""

    def missing_data(self) -> dict[str, str]:
        """What the data lack ('masks'), and the folder that would have it."""
        ...


class ResFieldsTrainer(Trainer):
    """Decays learning rates over the length of the run, saves atomically, and resumes with its random numbers.

    Several processes go on with the random numbers of the first, and share its batches (`SequencePipeline`): to the
    host's trainer each of them is the only one.
    """

    config: ResFieldsTrainerConfig

    def __init__(self, config: ResFieldsTrainerConfig, local_rank: int = 0, world_size: int = 1) -> None:
        del world_size
        launched = join_launched(config.machine.device_type)
        config.timestamp = from_first(config.timestamp)
        super().__init__(config, local_rank if launched is None else launched, world_size=1)
        restore_random_state(from_first(capture_random_state()))

    def setup_optimizers(self) -> Optimizers:
        """Optimizers whose cosine schedules end with the run, counting the steps of the checkpoint it resumes."""
        if isinstance(self.pipeline, KnowsMissingData):
            self.config.check_data(self.pipeline.missing_data())
        if (path := self._checkpoint_to_load()) is not None:
            check_resumable(_load(path)["pipeline"])
        total_steps = self._total_steps()
        groups = {
            name: {**group, "scheduler": replace(group["scheduler"], max_steps=total_steps)}
            if isinstance(group["scheduler"], CosineDecayConfig)
            else group
            for name, group in self.config.optimizers.items()
        }
        return Optimizers(groups, self.pipeline.get_param_groups())

    def train(self) -> None:
        """Train, continuing the random numbers of the checkpoint that was loaded."""
        self._record_sequence()
        for line in self.config.outlasting(self._total_steps()):
            CONSOLE.print(line)
        if (path := self._checkpoint_to_load()) is not None:
            restore_random_state(_load(path)["random_state"])
        super().train()

    def train_iteration(self, step: int) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """A step; what is told of it is the mean over the processes."""
        loss, losses, metrics = super().train_iteration(step)
        return mean_over_processes({"": loss})[""], mean_over_processes(losses), mean_over_processes(metrics)

    @check_main_thread
    def _record_sequence(self) -> None:
        """Keep with the run what rendering needs of its sequence."""
        datamanager = self.pipeline.datamanager
        if isinstance(datamanager, VanillaDataManager) and isinstance(datamanager.dataparser, SequenceDataParser):
            record_run(self.base_dir, self.base_dir, datamanager)

    @check_main_thread
    def save_checkpoint(self, step: int) -> None:
        """Write the checkpoint aside, move it into place in one go, and only then delete older ones."""
        self.checkpoint_dir.mkdir(parents=True, exist_ok=True)
        path = self.checkpoint_dir / f"step-{step:09d}.ckpt"
        partial = self.base_dir / "checkpoint.partial"
        with partial.open("wb") as file:
            torch.save(self._state(step), file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        if self.config.save_only_latest_checkpoint:
            for older in self.checkpoint_dir.glob("*.ckpt"):
                if older != path:
                    older.unlink()

    def _state(self, step: int) -> dict[str, Any]:
        return {
            "step": step,
            "pipeline": getattr(self.pipeline, "module", self.pipeline).state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.optimizers.items()},
            "schedulers": {name: scheduler.state_dict() for name, scheduler in self.optimizers.schedulers.items()},
            "scalers": self.grad_scaler.state_dict(),
            "random_state": capture_random_state(),
        }

    def _checkpoint_to_load(self) -> Path | None:
        if self.config.load_checkpoint is not None:
            return self.config.load_checkpoint
        if self.config.load_dir is None:
            return None
        if self.config.load_step is not None:
            return self.config.load_dir / f"step-{self.config.load_step:09d}.ckpt"
        checkpoints = sorted(self.config.load_dir.glob("step-*.ckpt"))
        if not checkpoints:
            raise ValueError(f"--load-dir: expected step-*.ckpt files in {self.config.load_dir}, found none")
        return checkpoints[-1]

    def _total_steps(self) -> int:
        """Of the run, those of the checkpoint that it continues included."""
        path = self._checkpoint_to_load()
        return self.config.max_num_iterations + (0 if path is None else _load(path)["step"] + 1)


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"expected a checkpoint at {path}, found none")
    return torch.load(path, map_location="cpu", weights_only=True)
