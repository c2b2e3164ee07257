"""A trainer that can be stopped at any moment, and whose runs go on exactly."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from nerfstudio.configs.base_config import LoggingConfig, MachineConfig, ViewerConfig
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManager, VanillaDataManagerConfig
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackLocation
from nerfstudio.engine.optimizers import Optimizers
from nerfstudio.engine.trainer import Trainer
from nerfstudio.utils import comms, writer
from nerfstudio.utils.decorators import check_main_thread
from nerfstudio.utils.misc import step_check
from nerfstudio.utils.rich_utils import CONSOLE
from torch import Tensor
from tyro.conf import Suppress

from resfields_ns.host import optimization
from resfields_ns.host.checkpoints import (
    capture_random_state,
    checkpoint_of,
    hold_run,
    list_checkpoints,
    load_checkpoint,
    newest_intact,
    release_run,
    restore_random_state,
    step_of,
    write_checkpoint,
)
from resfields_ns.host.dataparsing import SequenceDataParser
from resfields_ns.host.finite_numbers import broken_parameter, broken_step, not_finite
from resfields_ns.host.foreign_warnings import quiet_host
from resfields_ns.host.half_precision import no_half_precision, without_notice_of_the_host
from resfields_ns.host.host_configs import (
    SequenceLoggingConfig,
    SequenceMachineConfig,
    SequenceModelConfig,
    SequenceViewerConfig,
    bind_as_saved,
)
from resfields_ns.host.old_runs import check_resumable, know_moved_classes, know_paths
from resfields_ns.host.presets import PresetTrainerConfig
from resfields_ns.host.processes import (
    from_first,
    join_launched,
    largest_of_processes,
    let_host_launch,
    mean_over_processes,
    processes_of,
)
from resfields_ns.host.progress import tell_what_is_next
from resfields_ns.host.run_record import find_data, record_run
from resfields_ns.host.shape_codes import learn_codes_alone, learnt_groups
from resfields_ns.host.stops import Stopped, Stops, stopped_by
from resfields_ns.host.timed_paths import let_paths_take_time
from resfields_ns.options import Obstacle, option, unless, when, when_any

know_moved_classes()
know_paths()
let_paths_take_time()


_STEPS_AT_ONCE = 10  # on a GPU, which looking at numbers would keep waiting

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


def _has_half_precision(config: "ResFieldsTrainerConfig") -> str | None:
    asked = config.mixed_precision  # a processor is tried only then
    return no_half_precision(config.machine, config.pipeline.model) if asked else None


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
        "pipeline.model.compile": _is_one_process,
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
    run: Suppress[Path | None] = None
    """Folder of the run, where it is not that of its name."""
    weights_of: Suppress[Path | None] = None
    """Checkpoint of another run whose weights are taken and stay, while codes of shapes are learnt."""
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
    mixed_precision: bool = option(False, acts=_has_half_precision)
    """Compute products in half precision: on a GPU float16; on a CPU bfloat16, for scenes seen by cameras, where the
    processor is fast at it."""
    use_grad_scaler: bool = option(False, acts=(unless("machine.device_type", "cpu"), when("mixed_precision", False)))
    """Scale gradients without mixed precision too, which always scales them."""
    load_step: int | None = option(None, least=0, acts=when_any("load_dir"))
    """Step of the checkpoint to continue from; the last by default."""
    load_checkpoint: Path | None = option(None, acts=when("load_dir", None))
    """Checkpoint to continue from."""
    load_scheduler: bool = option(True, acts=when_any("load_dir", "load_checkpoint"))
    """Whether schedules of learning rates go on where the checkpoint left them."""
    save_only_latest_checkpoint: bool = True
    """Keep the last two checkpoints alone, the older one in case that the newer is damaged."""
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

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an option; `ns-viewer` sets its own viewer so."""
        if name == "viewer" and name in vars(self):
            bind_as_saved(self.viewer, value)
        super().__setattr__(name, value)

    def set_timestamp(self) -> None:
        """Set the run's time, one for all its processes: the host's first word to a config whose run it will launch."""
        super().set_timestamp()
        join_launched(self.machine.device_type)
        self.timestamp = from_first(self.timestamp)
        let_host_launch(self.machine)

    def set_experiment_name(self) -> None:
        """Name the run by the data's folder, as the host does, which finds none in `clip.mp4` or `.`."""
        data = self.pipeline.datamanager.data
        if self.experiment_name is None and data is not None:
            self.experiment_name = (data.resolve().parent if data.is_file() else data.resolve()).stem
        super().set_experiment_name()

    def save_config(self) -> None:
        """Write the config.yml, by the first process or on the first machine alone, which has the run from then on."""
        if comms.is_main_process() and self.machine.machine_rank == 0:
            hold_run(self.get_base_dir())
            super().save_config()

    def get_base_dir(self) -> Path:
        """The run's folder."""
        return super().get_base_dir() if self.run is None else self.run

    def get_checkpoint_dir(self) -> Path:
        """Where the run's checkpoints lie: while the host loads a run, beside the config.yml that it reads."""
        loading = _arguments_of_loading()
        if loading is None:
            return super().get_checkpoint_dir()
        quiet_host()
        rendering = loading["test_mode"] == "inference"
        return self.found_at(Path(loading["config_path"]).absolute().parent, rendering)

    def found_at(self, run: Path, rendering: bool, option: str = "--load-config") -> Path:
        """Take the run to be in a folder, where it may have been moved, and return that of its checkpoints.

        Its data are looked for, too: where they were, and where they would be if they were moved with it. What only
        renders does with the run's record where they are gone. Raises ValueError, naming `option`, if there are no
        checkpoints, or no data.
        """
        folder = run / self.relative_model_dir
        if not list_checkpoints(folder):
            run, folder = super().get_base_dir(), super().get_checkpoint_dir()
        if not list_checkpoints(folder):
            raise ValueError(f"{option}: expected checkpoints in {folder.absolute()}, found none")
        if self.load_step is None:
            self.load_step = step_of(newest_intact(folder, option))
        find_data(self.pipeline.datamanager, super().get_base_dir(), run, rendering)
        self.run = run
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
        quiet_host()
        launched = join_launched(config.machine.device_type)
        config.timestamp = from_first(config.timestamp)
        rank = local_rank if launched is None else launched
        without_notice_of_the_host(lambda: super(ResFieldsTrainer, self).__init__(config, rank, world_size=1))
        if config.mixed_precision and config.machine.device_type == "cpu":  # bfloat16 has the range of float32
            self.mixed_precision, self.grad_scaler = True, type(self.grad_scaler)(enabled=False)
        self._stops = Stops(when_asked=self._end_pause)
        self._saved_step: int | None = None
        restore_random_state(from_first(capture_random_state()))

    def setup(self, test_mode: Literal["test", "val", "inference"] = "val") -> None:
        """Build pipeline and optimizers; where a signal stops it, nothing is lost."""
        with self._stops.heard():
            super().setup(test_mode)
        writer.GLOBAL_BUFFER["max_iter"] = self.total_steps
        self.callbacks.insert(
            0, TrainingCallback([TrainingCallbackLocation.BEFORE_TRAIN_ITERATION], self._stop_if_asked)
        )
        told = [self.pipeline, self.base_dir]
        self.callbacks.append(TrainingCallback([TrainingCallbackLocation.AFTER_TRAIN], tell_what_is_next, args=told))

    def setup_optimizers(self) -> Optimizers:
        """Optimizers whose cosine schedules end with the run, counting the steps of the checkpoint it resumes."""
        if isinstance(self.pipeline, KnowsMissingData):
            self.config.check_data(self.pipeline.missing_data())
        self.total_steps = self.config.max_num_iterations
        path = self._checkpoint_to_load()
        if self.config.weights_of is not None:
            learn_codes_alone(self.pipeline.model, path or self.config.weights_of)
        if path is not None:
            state = load_checkpoint(path)
            check_resumable(state["pipeline"], "--load-dir")
            self.total_steps += state["step"] + 1
        groups = {
            name: {**group, "scheduler": replace(group["scheduler"], max_steps=self.total_steps)}
            if isinstance(group["scheduler"], optimization.CosineDecayConfig)
            else group
            for name, group in self.config.optimizers.items()
        }
        return Optimizers(groups, learnt_groups(self.pipeline.get_param_groups()))

    def train(self) -> None:
        """Train, continuing the random numbers of the checkpoint that was loaded.

        SIGINT and SIGTERM save a checkpoint first. Raises ValueError where numbers are no longer finite.
        """
        self._record_sequence()
        for line in self.config.outlasting(self.total_steps):
            CONSOLE.print(line)
        if (path := self._checkpoint_to_load()) is not None:
            state = load_checkpoint(path)
            restore_random_state(state["random_state"])
            self._restore_gradients(state.get("gradients", {}))
        try:
            with self._stops.heard():
                super().train()
                self._stop_if_asked(self.step + 1)
        finally:
            release_run(self.base_dir)

    def train_iteration(self, step: int) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """A step; what is told of it is the mean over the processes."""
        try:
            loss, losses, metrics = super().train_iteration(step)
        except (ArithmeticError, IndexError, RuntimeError, ValueError) as error:
            if (broken := broken_parameter(self.pipeline.model)) is None:
                raise
            raise not_finite(step, broken, self._kept()) from error
        losses = mean_over_processes(losses)
        looks = self.device == "cpu" or step % _STEPS_AT_ONCE == 0
        if looks and (broken := broken_step(losses, self.optimizers.parameters, self.grad_scaler)) is not None:
            raise not_finite(step, broken, self._kept())
        self._stops.finish_steps()
        return mean_over_processes({"": loss})[""], losses, mean_over_processes(metrics)

    def eval_iteration(self, step: int) -> None:
        """Evaluate where it is time to, which changes nothing of what is learnt after it."""
        config = self.config
        cadences = (config.steps_per_eval_batch, config.steps_per_eval_image, config.steps_per_eval_all_images)
        if not any(step_check(step, cadence) for cadence in cadences):
            return
        state = capture_random_state()
        if comms.get_world_size() > 1:
            super().eval_iteration(step)
        elif self._stops.asked is None:
            with self._stops.at_once():
                super().eval_iteration(step)
        restore_random_state(state)

    def _end_pause(self) -> None:
        """Let a run that the viewer has paused come to where it can stop."""
        self.training_state = "training"

    def _stop_if_asked(self, step: int) -> None:
        """Before a step: save a checkpoint and end the run, if any of its processes was asked to."""
        asked = largest_of_processes(self._stops.asked or 0)
        if asked == 0:
            return
        if self._saved_step != step - 1 and step > self._start_step:
            self.save_checkpoint(step - 1)
        from_first(None)  # the others wait for it
        if comms.is_main_process():
            saved = f"{self._kept()}, with which rf-resume {self.base_dir} goes on"
            CONSOLE.print(f"{stopped_by(asked)} after {step} of {self.total_steps} steps: {saved}", soft_wrap=True)
        raise Stopped(asked, told=True)

    def _train_complete_viewer(self) -> None:
        """Show what was learnt until a signal ends that, as the host says."""
        with self._stops.at_once():
            super()._train_complete_viewer()
        self._stops.asked = None

    @check_main_thread
    def _record_sequence(self) -> None:
        """Keep with the run what rendering needs of its sequence."""
        datamanager = self.pipeline.datamanager
        if isinstance(datamanager, VanillaDataManager) and isinstance(datamanager.dataparser, SequenceDataParser):
            record_run(self.base_dir, self.base_dir, datamanager)

    def save_checkpoint(self, step: int) -> None:
        """Write a checkpoint, which appears whole, and only then delete those before the last two.

        Raises ValueError, in every process, if it would hold numbers that are not finite.
        """
        if (broken := broken_parameter(self.pipeline.model)) is not None:
            raise not_finite(step, broken, self._kept())
        self._write_checkpoint(step)
        self._saved_step = step

    @check_main_thread
    def _write_checkpoint(self, step: int) -> None:
        path, keeps_all = checkpoint_of(self.checkpoint_dir, step), not self.config.save_only_latest_checkpoint
        write_checkpoint(self._state(step), path, self.base_dir, keeps_all)

    def _state(self, step: int) -> dict[str, Any]:
        return {
            "step": step,
            "total_steps": self.total_steps,
            "pipeline": getattr(self.pipeline, "module", self.pipeline).state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.optimizers.items()},
            "schedulers": {name: scheduler.state_dict() for name, scheduler in self.optimizers.schedulers.items()},
            "scalers": self.grad_scaler.state_dict(),
            "random_state": capture_random_state(),
            "gradients": {
                group: [parameter.grad for parameter in self.optimizers.parameters[group]]
                for group, count in self.config.gradient_accumulation_steps.items()
                if (step + 1) % count != 0
            },
        }

    def _restore_gradients(self, gradients: dict[str, list[Tensor | None]]) -> None:
        """Go on with the sums of gradients of groups whose parameters wait for more of them."""
        for group, of_parameters in gradients.items():
            for parameter, gradient in zip(self.optimizers.parameters[group], of_parameters, strict=True):
                parameter.grad = None if gradient is None else gradient.to(parameter)

    def _kept(self) -> str:
        """What there is to go on from."""
        checkpoints = list_checkpoints(self.checkpoint_dir)
        return f"{checkpoints[-1]} is kept" if checkpoints else "no checkpoint had been saved"

    def _checkpoint_to_load(self) -> Path | None:
        if self.config.load_checkpoint is not None:
            return self.config.load_checkpoint
        if self.config.load_dir is None:
            return None
        if self.config.load_step is None:
            self.config.load_step = step_of(newest_intact(self.config.load_dir, "--load-dir"))
        return checkpoint_of(self.config.load_dir, self.config.load_step)
