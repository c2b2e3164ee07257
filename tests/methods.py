"""Every registered method, a configuration of it small enough for a test, and a run of that."""

import random
from copy import deepcopy
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import torch
from nerfstudio.plugins.types import MethodSpecification

from resfields_ns.data.capture_datamanager import CaptureDataManagerConfig
from resfields_ns.engine.trainer import ResFieldsTrainer, ResFieldsTrainerConfig
from resfields_ns.models.volsdf import DynamicVolSDFConfig
from resfields_ns.pipelines.dynamic_pipeline import DynamicPipelineConfig

METHODS: dict[str, MethodSpecification] = {
    entry.name: entry.load()
    for entry in entry_points(group="nerfstudio.method_configs")
    if entry.value.startswith("resfields_ns.")
}


def tiny_config(method: MethodSpecification, capture: Path, output_dir: Path) -> ResFieldsTrainerConfig:
    """The method with few rays and samples, for four steps on the CPU without a viewer."""
    config = deepcopy(method.config)
    pipeline, datamanager, model = config.pipeline, config.pipeline.datamanager, config.pipeline.model
    assert isinstance(config, ResFieldsTrainerConfig) and isinstance(pipeline, DynamicPipelineConfig)
    assert isinstance(datamanager, CaptureDataManagerConfig) and isinstance(model, DynamicVolSDFConfig)
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
