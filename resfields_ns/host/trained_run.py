"""A trained run, loaded to be looked at."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.data.datasets.base_dataset import InputDataset
from nerfstudio.models.base_model import Model
from nerfstudio.pipelines.base_pipeline import Pipeline
from nerfstudio.utils.eval_utils import eval_load_checkpoint
from torch import Tensor

from resfields_ns.captures.sequence import Sequence
from resfields_ns.host.config_file import read_config
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.shape_codes import go_between
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.layers import largest_rank, show_residuals
from resfields_ns.options import Limits
from resfields_ns.timeline import times_from_frames


@dataclass(frozen=True)
class TrainedRun:
    """A model at its last checkpoint, and the captures it was trained and is evaluated on."""

    model: Model
    train_dataset: InputDataset
    eval_dataset: InputDataset
    name: str = ""
    """What it is known by: the ends of its folder's path, without those that are of a machine."""
    step: int = 0
    """The last step of its training."""

    @property
    def sequence(self) -> Sequence:
        """What it was trained on."""
        return sequence_of(self.train_dataset)

    @property
    def eval_sequence(self) -> Sequence:
        """What it is evaluated on."""
        return sequence_of(self.eval_dataset)

    @property
    def num_frames(self) -> int:
        """Frames of the sequence that the run was trained on."""
        return self.sequence.num_frames

    @property
    def box(self) -> Float[Tensor, "2 3"]:
        """Lower and upper corner of the scene box."""
        return self.train_dataset.scene_box.aabb

    def time_of(self, frame: int) -> float:
        """When a frame (counted from 0) is, in [0, 1]."""
        return float(times_from_frames(torch.tensor(frame), self.num_frames))

    def show_residuals(self, scale: float, rank: int | None) -> None:
        """Scale the residuals that pictures and meshes show, and keep their best approximations of `rank` (None: all).

        Raises ValueError if the run has no residual layers to do that with.
        """
        most = largest_rank(self.model)
        if most == 0 and (scale != 1.0 or rank is not None):
            raise ValueError(
                "--residual-scale, --residual-rank: expected a run with residual layers, low-rank and without chunks, "
                "found none"
            )
        if rank is not None:
            Limits(least=0, most=most).check("--residual-rank", rank)
        show_residuals(self.model, scale, most if rank is None else rank)

    def go_between(self, shapes: tuple[int, int] | None) -> None:
        """Let time run from the codes of one shape straight to those of another, where two are given.

        Raises ValueError for a run without codes of shapes, or without these two.
        """
        if shapes is not None:
            go_between(self.model, *shapes)

    def camera(self, name: str | None) -> Cameras:
        """The training or evaluation camera of that name, at its first frame; None is the first training camera.

        Raises ValueError if there is no such camera.
        """
        datasets = (self.train_dataset, self.eval_dataset)
        if name is None:
            return self.train_dataset.cameras[0:1]
        for dataset in datasets:
            names = [image.camera_name for image in sequence_of(dataset).images]
            if name in names:
                image = names.index(name)
                return dataset.cameras[image : image + 1]
        names = dict.fromkeys([*self.sequence.camera_names, *self.eval_sequence.camera_names])
        raise ValueError(f"--camera: expected one of {', '.join(names)}, found {name!r}")


def load_trained_run(config_path: Path) -> TrainedRun:
    """Load the last checkpoint of the run whose `config.yml` is given; images are not read.

    The config may name configs alone, see `read_config`.
    Raises ValueError if the file is not the config of such a run, or the run has no checkpoint.
    """
    pipeline, step = _loaded(config_path, "inference")
    train, evaluation = pipeline.datamanager.train_dataset, pipeline.datamanager.eval_dataset
    assert isinstance(train, InputDataset) and isinstance(evaluation, InputDataset)
    name = "/".join(config_path.absolute().parts[-4:-1])
    run = TrainedRun(pipeline.model, train, evaluation, name, step)
    try:
        _ = run.sequence
    except ValueError:
        raise ValueError(f"--load-config: expected a run on a sequence, found {config_path}, which is not") from None
    return run


def evaluate_run(config_path: Path, pictures: Path) -> dict[str, Any]:
    """Metrics of a run's last checkpoint, as `ns-eval` has them; pictures go to a folder.

    Raises ValueError as `load_trained_run` does, and where the data of the run are gone.
    """
    pipeline, _ = _loaded(config_path, "test")
    metrics: dict[str, Any] | None = pipeline.get_average_eval_image_metrics(output_path=pictures)
    assert metrics is not None
    return metrics


def config_of_run(run: Path) -> Path:
    """The config.yml of the run whose folder, or config.yml, is given; ValueError where there is none."""
    path = run / "config.yml" if run.is_dir() else run
    read_config(path, "RUN")
    return path


def _loaded(config_path: Path, test_mode: Literal["test", "inference"]) -> tuple[Pipeline, int]:
    config = read_config(config_path, "--load-config")
    if isinstance(config, ResFieldsTrainerConfig):
        config.load_dir = config.found_at(config_path.absolute().parent, rendering=test_mode == "inference")
    else:
        config.load_dir = config.get_checkpoint_dir()
    pipeline = config.pipeline.setup(device="cuda" if torch.cuda.is_available() else "cpu", test_mode=test_mode)
    assert isinstance(pipeline, Pipeline)
    pipeline.eval()
    _, step = eval_load_checkpoint(config, pipeline)
    return pipeline, step
