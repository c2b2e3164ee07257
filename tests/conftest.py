"""Shared data: a small made-up capture and a run trained on it for a moment, each made once."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch

from resfields_ns.data.capture_datamanager import CaptureDataManagerConfig
from resfields_ns.data.demo_capture import write_demo_capture
from resfields_ns.method_configs.tnerf import tnerf_resfields_small
from resfields_ns.models.samplers import OccupancySamplerConfig
from resfields_ns.models.volsdf import DynamicVolSDFConfig


@pytest.fixture(scope="session")
def demo_capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of 4 frames of 32 x 32 pixels; copy it before changing it."""
    folder = tmp_path_factory.mktemp("demo") / "capture"
    write_demo_capture(folder, seed=0, num_frames=4, size=32)
    return folder


@pytest.fixture(scope="session")
def tiny_run(demo_capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config.yml of a run trained on the demo capture for three steps; its field is close to a sphere."""
    config = deepcopy(tnerf_resfields_small.config)
    datamanager, model = config.pipeline.datamanager, config.pipeline.model
    assert isinstance(datamanager, CaptureDataManagerConfig) and isinstance(model, DynamicVolSDFConfig)
    assert isinstance(model.sampler, OccupancySamplerConfig)
    datamanager.data = demo_capture
    datamanager.train_num_rays_per_batch = 64
    model.hull_start_steps = 1
    model.sampler.num_samples = 8
    model.sampler.resolution = 16
    config.output_dir = tmp_path_factory.mktemp("outputs")
    config.timestamp = "tiny"
    config.vis = "tensorboard"
    config.max_num_iterations = 3
    config.set_timestamp()
    config.save_config()
    torch.manual_seed(0)
    trainer = config.setup(local_rank=0, world_size=1)
    trainer.setup()
    trainer.train()
    return config.get_base_dir() / "config.yml"
