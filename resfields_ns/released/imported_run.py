"""Runs made from checkpoints of the authors' released code."""

from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import yaml
from nerfstudio.plugins.types import MethodSpecification

from resfields_ns.data.capture_datamanager import CaptureDataManagerConfig
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from resfields_ns.engine.trainer import ResFieldsTrainerConfig
from resfields_ns.export.write_aside import write_aside
from resfields_ns.fields.laplace_density import LaplaceDensity
from resfields_ns.method_configs import dynamic
from resfields_ns.models.ray_model import DENSITIES, DynamicRayModelConfig
from resfields_ns.pipelines.dynamic_pipeline import DynamicPipeline, DynamicPipelineConfig
from resfields_ns.released.checkpoint import ReleasedCheckpoint, read_released_checkpoint
from resfields_ns.released.method import ReleasedMethod, infer_method
from resfields_ns.released.names import copy_released, misfits, released_parameters

METHODS: dict[str, MethodSpecification] = {
    "tnerf": dynamic.tnerf_resfields,
    "dynerf": dynamic.dynerf_resfields,
    "dnerf": dynamic.dnerf_resfields,
    "nerfies": dynamic.nerfies_resfields,
    "hypernerf": dynamic.hypernerf_resfields,
    "ndr": dynamic.ndr_resfields,
}
BOX_TOLERANCE = 1e-4  # in scene units


@dataclass(frozen=True)
class ImportedRun:
    """A run that has been written."""

    folder: Path
    method: ReleasedMethod
    num_steps: int
    num_frames: int
    num_parameters: int


def import_run(checkpoint: Path, data: Path, output_dir: Path, frames: str) -> ImportedRun:
    """Write the folder of a run with the parameters of a released checkpoint, to be looked at and evaluated.

    Args:
        checkpoint: the Lightning checkpoint
        data: the capture that it was trained on
        output_dir: where runs lie
        frames: frames of the capture that it was trained on, as start:stop:step

    Raises ValueError, before anything is written, if the checkpoint is not wholly understood or the capture is another.
    """
    released = read_released_checkpoint(checkpoint)
    try:
        method = infer_method(released.tensors)
        _check_fit(method, released)
    except ValueError as error:
        raise ValueError(f"{checkpoint}: {error}") from error
    config = _config(method, data, output_dir, frames)
    pipeline = config.pipeline.setup(device="cpu", test_mode="inference")
    assert isinstance(pipeline, DynamicPipeline)
    _check_capture(pipeline, checkpoint, data, method, released)
    _fill(pipeline, released)
    folder = _write(config, pipeline, released.num_steps)
    model = pipeline.model
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    return ImportedRun(folder, method, released.num_steps, model.num_frames, num_parameters)


def _check_fit(method: ReleasedMethod, released: ReleasedCheckpoint) -> None:
    """Check names and shapes on a field without memory."""
    with torch.device("meta"):
        field = method.field.setup(num_frames=method.num_frames or 2)
        density = DENSITIES[method.density](DynamicRayModelConfig())
    wrong = misfits(released_parameters(field, density), released.parameters)
    minimum = released.tensors.get("deviation_net.beta_min", torch.tensor(LaplaceDensity.MINIMUM))
    if not torch.allclose(minimum, torch.tensor(LaplaceDensity.MINIMUM)):
        wrong.append(f"deviation_net.beta_min: expected {LaplaceDensity.MINIMUM}, found {minimum.tolist()}")
    if wrong:
        raise ValueError(f"expected the parameters of {method.name} ({method.density}); " + "; ".join(wrong))


def _config(method: ReleasedMethod, data: Path, output_dir: Path, frames: str) -> ResFieldsTrainerConfig:
    config = deepcopy(METHODS[method.name].config)
    assert isinstance(config, ResFieldsTrainerConfig)
    pipeline, datamanager, model = config.pipeline, config.pipeline.datamanager, config.pipeline.model
    assert isinstance(pipeline, DynamicPipelineConfig) and isinstance(model, DynamicRayModelConfig)
    assert isinstance(datamanager, CaptureDataManagerConfig)
    assert isinstance(datamanager.dataparser, OwliiDataParserConfig)
    config.data = datamanager.data = data
    config.output_dir = output_dir
    datamanager.dataparser.frames = frames
    pipeline.model = replace(model, field=method.field, density=method.density)
    config.set_timestamp()
    return config


def _check_capture(
    pipeline: DynamicPipeline, checkpoint: Path, data: Path, method: ReleasedMethod, released: ReleasedCheckpoint
) -> None:
    found = pipeline.model.num_frames
    if method.num_frames not in (None, found):
        raise ValueError(
            f"--frames: expected the {method.num_frames} frames that {checkpoint} was trained on, found {found} in "
            f"{data}; choose them as start:stop:step, as in --frames 0:{method.num_frames}"
        )
    box = pipeline.model.sampler.box.flatten()
    trained_box = released.tensors.get("scene_aabb", box)
    if trained_box.shape != box.shape or not torch.allclose(trained_box, box, rtol=0.0, atol=BOX_TOLERANCE):
        raise ValueError(
            f"--data: expected a capture with the scene box that {checkpoint} was trained in, {trained_box.tolist()}, "
            f"found {box.tolist()} in {data} (aabb.txt)"
        )


def _fill(pipeline: DynamicPipeline, released: ReleasedCheckpoint) -> None:
    model = pipeline.model
    copy_released(released_parameters(model.field, model.density), released.parameters)
    model.set_step(released.num_steps)
    pipeline.step.fill_(_last_step(released.num_steps))


def _write(config: ResFieldsTrainerConfig, pipeline: DynamicPipeline, num_steps: int) -> Path:
    step = _last_step(num_steps)
    with write_aside(config.get_base_dir()) as folder:
        models = folder / config.relative_model_dir
        models.mkdir(parents=True)
        torch.save({"step": step, "pipeline": pipeline.state_dict()}, models / f"step-{step:09d}.ckpt")
        (folder / "config.yml").write_text(yaml.dump(config), encoding="utf-8")
    return config.get_base_dir()


def _last_step(num_steps: int) -> int:
    """Number of the last of so many steps, which count from 0."""
    return max(num_steps - 1, 0)
