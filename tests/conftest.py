"""Shared data: a small made-up capture and a run trained on it for a moment, each made once."""

from pathlib import Path

import pytest

from resfields_ns.data.demo_capture import write_demo_capture
from resfields_ns.models.ray_model import DynamicRayModelConfig
from tests.methods import METHODS, tiny_config, trained


@pytest.fixture(scope="session")
def demo_capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of 4 frames of 32 x 32 pixels; copy it before changing it."""
    folder = tmp_path_factory.mktemp("demo") / "capture"
    write_demo_capture(folder, seed=0, num_frames=4, size=32)
    return folder


@pytest.fixture(scope="session")
def tiny_run(demo_capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config.yml of a run trained on the demo capture for three steps; its field is close to a sphere."""
    config = tiny_config(METHODS["tnerf-resfields-small"], demo_capture, tmp_path_factory.mktemp("outputs"))
    model = config.pipeline.model
    assert isinstance(model, DynamicRayModelConfig)
    model.hull_start_steps = 1
    model.sampler.resolution = 16
    config.max_num_iterations = 3
    config.timestamp = "tiny"
    trained(config)
    return config.get_base_dir() / "config.yml"
