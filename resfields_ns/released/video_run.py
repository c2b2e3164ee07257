"""Runs of videos made from checkpoints of the authors' released code.

What is known of these: the class SirenMLP in models/fields.py of markomih/ResFields, and datasets/video_dataset.py.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from resfields_ns.data.video_datamanager import VideoDataManagerConfig
from resfields_ns.dataparsers.video_frames import VideoFramesDataParserConfig
from resfields_ns.engine.trainer import ResFieldsTrainerConfig
from resfields_ns.fields.siren_field import SirenFieldConfig
from resfields_ns.method_configs.video import video_resfields
from resfields_ns.models.video_model import VideoModelConfig
from resfields_ns.pipelines.video_pipeline import VideoPipeline
from resfields_ns.released.checkpoint import ReleasedCheckpoint
from resfields_ns.released.names import copy_released, misfits
from resfields_ns.released.siren import infer_siren, siren_matrices, siren_parameters
from resfields_ns.released.written_run import ImportedRun, check_num_frames, write_run


def is_video(tensors: Mapping[str, Tensor]) -> bool:
    """Whether a checkpoint is of a network from (t, y, x) to a colour."""
    layers = siren_matrices(tensors)
    return bool(layers) and (layers[min(layers)].shape[1], layers[max(layers)].shape[0]) == (3, 3)


def import_video_run(released: ReleasedCheckpoint, data: Path, output_dir: Path, frames: str) -> ImportedRun:
    """A run with the parameters of a video's Siren; see `imported_run.import_run`.

    The released code's hold-out of 10% of the pixels is that of the run.
    """
    with released.blamed():
        field, num_frames = infer_siren(released.tensors)
        _check_fit(field, num_frames, released)
    config = _config(field, data, output_dir, frames)
    pipeline = config.pipeline.setup(device="cpu", test_mode="inference")
    assert isinstance(pipeline, VideoPipeline)
    check_num_frames(released, num_frames, pipeline.model.num_frames, data)
    copy_released(siren_parameters(pipeline.model.field), released.parameters)
    description = f"Siren of a video, {field.num_layers} hidden layers of width {field.hidden_dim}"
    return write_run(config, pipeline, released.num_steps, description, field, num_frames is not None)


def _check_fit(field: SirenFieldConfig, num_frames: int | None, released: ReleasedCheckpoint) -> None:
    """Check names and shapes on a field without memory."""
    with torch.device("meta"):
        siren = field.setup(num_frames=num_frames or 2, num_coordinates=2, out_dim=3)
    if wrong := misfits(siren_parameters(siren), released.parameters):
        raise ValueError("expected the parameters of a video's Siren; " + "; ".join(wrong))


def _config(field: SirenFieldConfig, data: Path, output_dir: Path, frames: str) -> ResFieldsTrainerConfig:
    config = deepcopy(video_resfields.config)
    assert isinstance(config, ResFieldsTrainerConfig)
    datamanager, model = config.pipeline.datamanager, config.pipeline.model
    assert isinstance(datamanager, VideoDataManagerConfig) and isinstance(model, VideoModelConfig)
    assert isinstance(datamanager.dataparser, VideoFramesDataParserConfig)
    config.data = datamanager.data = data
    config.output_dir = output_dir
    datamanager.dataparser = replace(datamanager.dataparser, frames=frames)
    config.pipeline.model = replace(model, field=field)
    config.set_timestamp()
    return config
