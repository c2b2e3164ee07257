"""Checkpoints of the authors' released code, and the runs that are made of them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import torch
from torch import Tensor

from resfields_ns.captures.untrusted import check_file
from resfields_ns.files import write_aside
from resfields_ns.host.run_file import write_run_folder
from resfields_ns.host.run_record import record_run
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.layers import ResidualOptions
from resfields_ns.models.coordinate_model import CoordinateModel
from resfields_ns.models.dynamic_model import DynamicModel
from resfields_ns.pipelines.sequence_pipeline import SequencePipeline

PREFIX = "model."
ZIP_MAGIC = b"PK\x03\x04"
BUFFERS = ("scene_aabb", "deviation_net.beta_min")


@dataclass(frozen=True)
class ReleasedCheckpoint:
    """What a checkpoint holds of a model."""

    path: Path
    tensors: dict[str, Tensor]
    """Parameters and buffers by released name."""
    num_steps: int
    """Training steps that were taken."""

    @property
    def parameters(self) -> dict[str, Tensor]:
        """What was trained."""
        return {name: tensor for name, tensor in self.tensors.items() if name not in BUFFERS}

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Name the file in errors of the block."""
        try:
            yield
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from error


def read_released_checkpoint(path: Path) -> ReleasedCheckpoint:
    """Read a checkpoint; nothing in it is run: it may hold tensors and plain values alone.

    Raises ValueError if the file is no such checkpoint.
    """
    content = _load(path)
    if not isinstance(content, dict) or not {"state_dict", "global_step"} <= content.keys():
        raise ValueError(f"{path}: expected a Lightning checkpoint with state_dict and global_step, found none")
    state, num_steps = content["state_dict"], content["global_step"]
    if not isinstance(num_steps, int) or num_steps < 0:
        raise ValueError(f"{path}: global_step: expected a number of steps, found {num_steps!r}")
    if not isinstance(state, dict) or not state:
        raise ValueError(f"{path}: state_dict: expected named tensors, found {type(state).__name__}")
    for name, value in state.items():
        if not isinstance(name, str) or not name.startswith(PREFIX):
            raise ValueError(f"{path}: state_dict: expected names that start with {PREFIX!r}, found {name!r}")
        if not _is_plain(value):
            raise ValueError(f"{path}: {name}: expected a plain tensor of real numbers, found {_kind(value)}")
    return ReleasedCheckpoint(path, {name.removeprefix(PREFIX): value for name, value in state.items()}, num_steps)


def _load(path: Path) -> object:
    check_file(path, "a checkpoint of the released code")
    with path.open("rb") as file:
        magic = file.read(len(ZIP_MAGIC))
    if magic != ZIP_MAGIC:
        raise ValueError(f"{path}: expected a checkpoint of the released code, found a file of another kind")
    try:
        with ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        if unpacked > path.stat().st_size:
            raise ValueError("torch packs nothing, and this unpacks to more")
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file can raise any
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        found = refused[1] if refused else "a broken file"
        raise ValueError(f"{path}: expected tensors and plain values, which alone are loaded, found {found}") from error


def _is_plain(value: object) -> bool:
    """Whether a value is a tensor of real numbers, one or more, each of which lies in the file."""
    if not isinstance(value, Tensor) or value.numel() == 0:
        return False
    return value.is_floating_point() and value.is_cpu and value.is_contiguous()


def _kind(value: object) -> str:
    return f"{value.dtype}, {value.layout}" if isinstance(value, Tensor) else type(value).__name__


@dataclass(frozen=True)
class ImportedRun:
    """A run that has been written."""

    folder: Path
    description: str
    """The method and what it is made of."""
    residuals: ResidualOptions
    num_steps: int
    num_frames: int
    tells_frames: bool
    """Whether the checkpoint tells the number of frames."""
    num_parameters: int


def check_num_frames(released: ReleasedCheckpoint, trained: int | None, found: int, data: Path) -> None:
    """Raise ValueError if a checkpoint tells of another number of frames than was found in the data."""
    if trained not in (None, found):
        raise ValueError(
            f"--frames: expected the {trained} frames that {released.path} was trained on, found {found} in {data}; "
            f"choose them as start:stop:step, as in --frames 0:{trained}"
        )


def write_run(
    config: ResFieldsTrainerConfig,
    pipeline: SequencePipeline,
    num_steps: int,
    description: str,
    residuals: ResidualOptions,
    tells_frames: bool,
) -> ImportedRun:
    """Write the folder of a run after so many training steps."""
    step = max(num_steps - 1, 0)
    pipeline.step.fill_(step)
    with write_aside(config.get_base_dir()) as folder:
        write_run_folder(folder, config, step, pipeline.state_dict())
        record_run(folder, config.get_base_dir(), pipeline.datamanager)
    model = pipeline.model
    assert isinstance(model, DynamicModel | CoordinateModel)
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    folder = config.get_base_dir()
    return ImportedRun(folder, description, residuals, num_steps, model.num_frames, tells_frames, num_parameters)
