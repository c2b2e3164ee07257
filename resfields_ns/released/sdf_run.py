"""Runs of temporal signed distances made from checkpoints of the authors' released code.

What is known of these: the class SirenMLP in models/fields.py of markomih/ResFields, datasets/tsdf_dataset.py and
systems/tsdf.py. Frame i of N has time 2 i / (N + 2) - 1 there, and 2 i / (N - 1) - 1 here.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from resfields_ns.dataparsers.deforming_things import DeformingThingsConfig
from resfields_ns.dataparsers.mesh_sequence import MeshSequenceParserConfig
from resfields_ns.engine.trainer import ResFieldsTrainerConfig
from resfields_ns.fields.siren_field import SirenField, SirenFieldConfig
from resfields_ns.method_configs.sdf import sdf_resfields
from resfields_ns.models.temporal_sdf_model import TemporalSDFModelConfig
from resfields_ns.pipelines.surface_pipeline import SurfacePipeline
from resfields_ns.released.checkpoint import ReleasedCheckpoint
from resfields_ns.released.names import copy_released, misfits
from resfields_ns.released.siren import infer_siren, siren_matrices, siren_parameters
from resfields_ns.released.written_run import ImportedRun, check_num_frames, write_run


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
        _check_fit(field, num_frames, released)
    config = _config(field, data, output_dir, frames)
    pipeline = config.pipeline.setup(device="cpu", test_mode="inference")
    assert isinstance(pipeline, SurfacePipeline)
    check_num_frames(released, num_frames, pipeline.model.num_frames, data)
    copy_released(siren_parameters(pipeline.model.field), released.parameters)
    take_our_times(pipeline.model.field, pipeline.model.num_frames)
    description = f"Siren of signed distances, {field.num_layers} hidden layers of width {field.hidden_dim}"
    return write_run(config, pipeline, released.num_steps, description, field, num_frames is not None)


@torch.no_grad()
def take_our_times(field: SirenField, num_frames: int) -> None:
    """Make a field of released times t answer the same at our times u: t = s (u + 1) - 1, s = (N - 1) / (N + 2).

    w t + b = (s w) u + (b + (s - 1) w) for the first layer's column w of the time.
    """
    layer, scale = field.mlp.layers[0], (num_frames - 1) / (num_frames + 2)
    layer.bias.add_((scale - 1.0) * layer.weight[:, 0])
    layer.weight[:, 0].mul_(scale)


def _check_fit(field: SirenFieldConfig, num_frames: int | None, released: ReleasedCheckpoint) -> None:
    """Check names and shapes on a field without memory."""
    if 0 in field.residual_layers:
        raise ValueError("expected a first layer that is not residual, as its released times are made ours, found one")
    with torch.device("meta"):
        siren = field.setup(num_frames=num_frames or 2, num_coordinates=3, out_dim=1)
    if wrong := misfits(siren_parameters(siren), released.parameters):
        raise ValueError("expected the parameters of a temporal SDF's Siren; " + "; ".join(wrong))


def _config(field: SirenFieldConfig, data: Path, output_dir: Path, frames: str) -> ResFieldsTrainerConfig:
    config = deepcopy(sdf_resfields.config)
    assert isinstance(config, ResFieldsTrainerConfig) and isinstance(config.pipeline.model, TemporalSDFModelConfig)
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
