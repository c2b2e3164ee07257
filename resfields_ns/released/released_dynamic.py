"""Runs of dynamic scenes made from checkpoints of the authors' released code."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
from nerfstudio.plugins.types import MethodSpecification

from resfields_ns.data.dynamic_data import DynamicDataManagerConfig
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from resfields_ns.fields.densities import LaplaceDensity
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.method_configs import dynamic
from resfields_ns.models.dynamic_model import DENSITIES, DynamicModelConfig
from resfields_ns.pipelines.dynamic_pipeline import DynamicPipeline, DynamicPipelineConfig
from resfields_ns.released.released_method import (
    ReleasedMethod,
    copy_released,
    infer_method,
    misfits,
    released_parameters,
)
from resfields_ns.released.released_run import ImportedRun, ReleasedCheckpoint, check_num_frames, write_run

METHODS: dict[str, MethodSpecification] = {
    "tnerf": dynamic.tnerf_resfields,
    "dynerf": dynamic.dynerf_resfields,
    "dnerf": dynamic.dnerf_resfields,
    "nerfies": dynamic.nerfies_resfields,
    "hypernerf": dynamic.hypernerf_resfields,
    "ndr": dynamic.ndr_resfields,
}
BOX_TOLERANCE = 1e-4  # in scene units


def import_dynamic_run(released: ReleasedCheckpoint, data: Path, output_dir: Path, frames: str) -> ImportedRun:
    """A run with the parameters of a dynamic field; see `imported_run.import_run`."""
    with released.blamed():
        method = infer_method(released.tensors)
        _check_fit(method, released)
    config = _config(method, data, output_dir, frames)
    pipeline = config.pipeline.setup(device="cpu", test_mode="inference")
    assert isinstance(pipeline, DynamicPipeline)
    check_num_frames(released, method.num_frames, pipeline.model.num_frames, data)
    _check_box(pipeline, data, released)
    model = pipeline.model
    copy_released(released_parameters(model.field), released.parameters)
    model.set_step(released.num_steps)
    description = f"{method.name} with density {method.density}, colour by {method.field.colour}"
    return write_run(config, pipeline, released.num_steps, description, method.field, method.num_frames is not None)


def _check_fit(method: ReleasedMethod, released: ReleasedCheckpoint) -> None:
    """Check names and shapes on a field without memory."""
    with torch.device("meta"):
        density = DENSITIES[method.density](DynamicModelConfig())
        field = method.field.setup(num_frames=method.num_frames or 2, density=density)
    wrong = misfits(released_parameters(field), released.parameters)
    minimum = released.tensors.get("deviation_net.beta_min", torch.tensor(LaplaceDensity.MINIMUM))
    if not torch.allclose(minimum, torch.tensor(LaplaceDensity.MINIMUM)):
        wrong.append(f"deviation_net.beta_min: expected {LaplaceDensity.MINIMUM}, found {minimum.tolist()}")
    if wrong:
        raise ValueError(f"expected the parameters of {method.name} ({method.density}); " + "; ".join(wrong))


def _config(method: ReleasedMethod, data: Path, output_dir: Path, frames: str) -> ResFieldsTrainerConfig:
    config = deepcopy(METHODS[method.name].config)
    assert isinstance(config, ResFieldsTrainerConfig)
    pipeline, datamanager, model = config.pipeline, config.pipeline.datamanager, config.pipeline.model
    assert isinstance(pipeline, DynamicPipelineConfig) and isinstance(model, DynamicModelConfig)
    assert isinstance(datamanager, DynamicDataManagerConfig)
    assert isinstance(datamanager.dataparser, OwliiDataParserConfig)
    config.data = datamanager.data = data
    config.output_dir = output_dir
    datamanager.dataparser.frames = frames
    pipeline.model = replace(model, field=method.field, density=method.density)
    config.set_timestamp()
    return config


def _check_box(pipeline: DynamicPipeline, data: Path, released: ReleasedCheckpoint) -> None:
    box = pipeline.model.sampler.box.flatten()
    trained_box = released.tensors.get("scene_aabb", box)
    if trained_box.shape != box.shape or not torch.allclose(trained_box, box, rtol=0.0, atol=BOX_TOLERANCE):
        raise ValueError(
            f"--data: expected a capture with the scene box that {released.path} was trained in, "
            f"{trained_box.tolist()}, found {box.tolist()} in {data} (aabb.txt)"
        )
