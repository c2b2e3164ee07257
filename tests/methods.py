"""Every registered method, a configuration of it small enough for a test, and a run of that."""

import random
from copy import deepcopy
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from nerfstudio.plugins.types import MethodSpecification

from resfields_ns.data.capture_datamanager import CaptureDataManagerConfig
from resfields_ns.engine.trainer import ResFieldsTrainer, ResFieldsTrainerConfig
from resfields_ns.fields.dynamic_field import DynamicFieldConfig
from resfields_ns.models.ray_model import DynamicRayModelConfig
from resfields_ns.pipelines.dynamic_pipeline import DynamicPipelineConfig

METHODS: dict[str, MethodSpecification] = {
    entry.name: entry.load()
    for entry in entry_points(group="nerfstudio.method_configs")
    if entry.value.startswith("resfields_ns.")
}


def _field(method: MethodSpecification) -> DynamicFieldConfig:
    model = method.config.pipeline.model
    assert isinstance(model, DynamicRayModelConfig)
    return model.field


FIELDS = {name: _field(method) for name, method in METHODS.items()}
"""The field of every method."""


@dataclass(frozen=True)
class Variant:
    """A method with one of the densities, with or without residual layers."""

    method: MethodSpecification
    density: Literal["volsdf", "nerf"]
    residual: bool

    def config(self, capture: Path, output_dir: Path) -> ResFieldsTrainerConfig:
        """A tiny configuration."""
        config = tiny_config(self.method, capture, output_dir)
        model = config.pipeline.model
        assert isinstance(model, DynamicRayModelConfig)
        model.density = self.density
        if self.density == "nerf":
            model.sparsity_loss_weight = 0.0
        if not self.residual:
            model.field = replace(model.field, residual_layers=())
        return config


VARIANTS = {
    f"{name}-{density}-{'residual' if residual else 'plain'}": Variant(method, density, residual)
    for name, method in METHODS.items()
    for density in ("volsdf", "nerf")
    for residual in (True, False)
}


def tiny_config(method: MethodSpecification, capture: Path, output_dir: Path) -> ResFieldsTrainerConfig:
    """The method with few rays and samples, for four steps on the CPU without a viewer."""
    config = deepcopy(method.config)
    pipeline, datamanager, model = config.pipeline, config.pipeline.datamanager, config.pipeline.model
    assert isinstance(config, ResFieldsTrainerConfig) and isinstance(pipeline, DynamicPipelineConfig)
    assert isinstance(datamanager, CaptureDataManagerConfig) and isinstance(model, DynamicRayModelConfig)
    config.data = datamanager.data = capture
    config.output_dir = output_dir
    config.vis = "tensorboard"
    config.machine.device_type = "cpu"
    config.machine.seed = 0
    config.max_num_iterations = 4
    pipeline.chamfer_resolution = 24
    datamanager.train_num_rays_per_batch = 64
    model.sampler.num_samples = 8
    model.hull_start_steps = min(model.hull_start_steps, 5)
    model.sparsity_start_step = 2
    config.set_timestamp()
    return config


def seed_everything() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)


def trained(config: ResFieldsTrainerConfig) -> ResFieldsTrainer:
    """The trainer of a run that is through, with the run's config.yml written."""
    seed_everything()
    config.save_config()
    trainer = config.setup(local_rank=0, world_size=1)
    trainer.setup()
    trainer.train()
    return trainer
