"""Runs of videos and temporal signed distances made from checkpoints of the authors' released code.

What is known of these: the class SirenMLP in models/fields.py of markomih/ResFields, datasets/video_dataset.py,
datasets/tsdf_dataset.py and systems/tsdf.py. Frame i of N has time 2 i / (N + 2) - 1 in temporal signed distances
there, and
2 i / (N - 1) - 1 here.
"""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from resfields_ns.data.video_data import VideoDataManagerConfig
from resfields_ns.dataparsers.deforming_things import DeformingThingsConfig
from resfields_ns.dataparsers.mesh_sequence import MeshSequenceParserConfig
from resfields_ns.dataparsers.video_frames import VideoFramesDataParserConfig
from resfields_ns.fields.siren_field import MLPField, SirenFieldConfig
from resfields_ns.fields.value_field import ImplicitSurface, Picture
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.method_configs.sdf import sdf_resfields
from resfields_ns.method_configs.video import video_resfields
from resfields_ns.models.sdf_model import SDFModelConfig
from resfields_ns.models.video_model import VideoModelConfig
from resfields_ns.pipelines.sdf_pipeline import SDFPipeline
from resfields_ns.pipelines.video_pipeline import VideoPipeline
from resfields_ns.released.released_method import copy_released, misfits, released_name
from resfields_ns.released.released_run import ImportedRun, ReleasedCheckpoint, check_num_frames, write_run

_LAYER = re.compile(r"net\.(\d{1,2})\.weight")
_NAMES = {
    r"mlp\.layers\.(\d+)\.coefficients\.table": r"net.\1.weights_t",
    r"mlp\.layers\.(\d+)\.basis": r"net.\1.matrix_t",
    r"mlp\.layers\.": "net.",
}


def infer_siren(tensors: Mapping[str, Tensor]) -> tuple[SirenFieldConfig, int | None]:
    """Sizes of a Siren, and the frames of its sequence where it has residual layers to tell."""
    layers = siren_matrices(tensors)
    tables = {index: tensors.get(f"net.{index}.weights_t") for index in layers}
    coefficients = {index: table for index, table in tables.items() if table is not None and table.ndim == 2}
    num_frames, rank = next((tuple(table.shape) for table in coefficients.values()), (None, SirenFieldConfig.rank))
    field = SirenFieldConfig(
        residual_layers=tuple(coefficients), rank=rank, num_layers=max(layers), hidden_dim=layers[min(layers)].shape[0]
    )
    return field, num_frames


def siren_parameters(field: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of a field under their released names."""
    return {released_name(name, _NAMES): parameter for name, parameter in field.named_parameters()}


def siren_matrices(tensors: Mapping[str, Tensor]) -> dict[int, Tensor]:
    """The weights of the layers, by their index."""
    matches = ((_LAYER.fullmatch(name), tensor) for name, tensor in tensors.items() if tensor.ndim == 2)
    return {int(match[1]): tensor for match, tensor in matches if match}


def is_sdf(tensors: Mapping[str, Tensor]) -> bool:
    """Whether a checkpoint is of a network from (t, x, y, z) to a distance."""
    layers = siren_matrices(tensors)
    return bool(layers) and (layers[min(layers)].shape[1], layers[max(layers)].shape[0]) == (4, 1)


def import_sdf_run(released: ReleasedCheckpoint, data: Path, output_dir: Path, frames: str) -> ImportedRun:
    """A run with the parameters of a temporal SDF's Siren; see `imported_run.import_run`.

    Of an `.anime` file the released code drops frame 0: so does the run, where all frames are asked for.
    """
    with released.blamed():
        field, num_frames = infer_siren(released.tensors)
        _check_sdf_fit(field, num_frames, released)
    config = _sdf_config(field, data, output_dir, frames)
    pipeline = config.pipeline.setup(device="cpu", test_mode="inference")
    assert isinstance(pipeline, SDFPipeline)
    check_num_frames(released, num_frames, pipeline.model.num_frames, data)
    copy_released(siren_parameters(pipeline.model.field), released.parameters)
    take_our_times(pipeline.model.field, pipeline.model.num_frames)
    description = f"Siren of signed distances, {field.num_layers} hidden layers of width {field.hidden_dim}"
    return write_run(config, pipeline, released.num_steps, description, field, num_frames is not None)


@torch.no_grad()
def take_our_times(field: MLPField, num_frames: int) -> None:
    """Make a field of released times t answer the same at our times u: t = s (u + 1) - 1, s = (N - 1) / (N + 2).

    w t + b = (s w) u + (b + (s - 1) w) for the first layer's column w of the time.
    """
    layer, scale = field.mlp.layers[0], (num_frames - 1) / (num_frames + 2)
    layer.bias.add_((scale - 1.0) * layer.weight[:, 0])
    layer.weight[:, 0].mul_(scale)


def _check_sdf_fit(field: SirenFieldConfig, num_frames: int | None, released: ReleasedCheckpoint) -> None:
    """Check names and shapes on a field without memory."""
    if 0 in field.residual_layers:
        raise ValueError("expected a first layer that is not residual, as its released times are made ours, found one")
    with torch.device("meta"):
        siren = field.setup(num_frames=num_frames or 2, quantity=ImplicitSurface())
    if wrong := misfits(siren_parameters(siren), released.parameters):
        raise ValueError("expected the parameters of a temporal SDF's Siren; " + "; ".join(wrong))


def _sdf_config(field: SirenFieldConfig, data: Path, output_dir: Path, frames: str) -> ResFieldsTrainerConfig:
    config = deepcopy(sdf_resfields.config)
    assert isinstance(config, ResFieldsTrainerConfig) and isinstance(config.pipeline.model, SDFModelConfig)
    config.data = config.pipeline.datamanager.data = data  # pyright: ignore[reportAttributeAccessIssue]
    config.output_dir = output_dir
    if data.suffix.lower() == ".anime":
        dataparser = DeformingThingsConfig(frames="1:" if frames == "::" else frames)
    else:
        dataparser = MeshSequenceParserConfig(frames=frames, units="source")
    config.pipeline.datamanager.dataparser = dataparser  # pyright: ignore[reportAttributeAccessIssue]
    config.pipeline.model = replace(config.pipeline.model, field=field)
    config.set_timestamp()
    return config


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
        _check_video_fit(field, num_frames, released)
    config = _video_config(field, data, output_dir, frames)
    pipeline = config.pipeline.setup(device="cpu", test_mode="inference")
    assert isinstance(pipeline, VideoPipeline)
    check_num_frames(released, num_frames, pipeline.model.num_frames, data)
    copy_released(siren_parameters(pipeline.model.field), released.parameters)
    description = f"Siren of a video, {field.num_layers} hidden layers of width {field.hidden_dim}"
    return write_run(config, pipeline, released.num_steps, description, field, num_frames is not None)


def _check_video_fit(field: SirenFieldConfig, num_frames: int | None, released: ReleasedCheckpoint) -> None:
    """Check names and shapes on a field without memory."""
    with torch.device("meta"):
        siren = field.setup(num_frames=num_frames or 2, quantity=Picture(2, 2))
    if wrong := misfits(siren_parameters(siren), released.parameters):
        raise ValueError("expected the parameters of a video's Siren; " + "; ".join(wrong))


def _video_config(field: SirenFieldConfig, data: Path, output_dir: Path, frames: str) -> ResFieldsTrainerConfig:
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
