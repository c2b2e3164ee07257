"""Folders of runs that were not trained here."""

from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from resfields_ns.engine.trainer import ResFieldsTrainerConfig
from resfields_ns.export.write_aside import write_aside
from resfields_ns.layers import ResidualOptions
from resfields_ns.models.coordinate_model import CoordinateModel
from resfields_ns.models.ray_model import DynamicRayModel
from resfields_ns.pipelines.sequence_pipeline import SequencePipeline
from resfields_ns.released.checkpoint import ReleasedCheckpoint


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
        models = folder / config.relative_model_dir
        models.mkdir(parents=True)
        torch.save({"step": step, "pipeline": pipeline.state_dict()}, models / f"step-{step:09d}.ckpt")
        (folder / "config.yml").write_text(yaml.dump(config), encoding="utf-8")
    model = pipeline.model
    assert isinstance(model, DynamicRayModel | CoordinateModel)
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    folder = config.get_base_dir()
    return ImportedRun(folder, description, residuals, num_steps, model.num_frames, tells_frames, num_parameters)
