"""Shared data: small made-up sequences and a run trained on one for a moment, each made once."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # Triton reads it when it is first imported

from resfields_ns.models.dynamic_model import DynamicModelConfig
from tests.family import Family
from tests.kinect_scene import DEVICES, write_capture, write_recordings
from tests.methods import METHODS, close_event_writers, tiny_config, trained
from tests.ray_family import RAY_FAMILY
from tests.video_scene import DISTORTION, make_cameras, write_opencv_yaml, write_videos

signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells let what runs in the background ignore


@pytest.fixture(autouse=True)
def _own_event_writers() -> Iterator[None]:
    yield
    close_event_writers()


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Family], Path]:
    """The tiny sequence that a family's methods are tested on, made when it is first asked for."""

    @cache
    def made(family: Family) -> Path:
        path = tmp_path_factory.mktemp("data") / f"sequence{family.suffix}"
        family.write_data(path)
        return path

    return made


@pytest.fixture(scope="session")
def demo_capture(tiny_data: Callable[[Family], Path]) -> Path:
    """A capture of 4 frames of 32 x 32 pixels; copy it before changing it."""
    return tiny_data(RAY_FAMILY)


@pytest.fixture(scope="session")
def tiny_run(demo_capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config.yml of a run trained on the demo capture for three steps; its field is close to a sphere."""
    config = tiny_config(METHODS["tnerf-resfields-small"], demo_capture, tmp_path_factory.mktemp("outputs"))
    model = config.pipeline.model
    assert isinstance(model, DynamicModelConfig)
    model.hull_start_steps = 1
    model.sampler.resolution = 16
    config.max_num_iterations = 3
    config.timestamp = "tiny"
    trained(config)
    return config.get_base_dir() / "config.yml"


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Path], Path]:
    """Recordings of three made-up RGB-D devices by their names, and the rig."""
    return write_recordings(tmp_path_factory.mktemp("recordings"), DEVICES)


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Videos of three cameras through distorted lenses, with their calibration in `calibration`."""
    folder = tmp_path_factory.mktemp("recording")
    cameras = make_cameras(DISTORTION)
    write_videos(folder / "videos", cameras)
    write_opencv_yaml(folder / "calibration", cameras)
    return folder


@pytest.fixture(scope="session")
def rgbd_capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RGB-D cameras left, middle and right, 4 frames of 48 x 32 pixels; `own_capture` is a copy to change."""
    folder = tmp_path_factory.mktemp("rgbd") / "capture"
    write_capture(folder)
    return folder


@pytest.fixture
def own_capture(rgbd_capture: Path, tmp_path: Path) -> Path:
    """A copy of `rgbd_capture` that a test may change."""
    return Path(shutil.copytree(rgbd_capture, tmp_path / "capture"))
