"""Shared data: a small made-up capture, written once."""

from pathlib import Path

import pytest

from resfields_ns.data.demo_capture import write_demo_capture


@pytest.fixture(scope="session")
def demo_capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of 4 frames of 32 x 32 pixels; copy it before changing it."""
    folder = tmp_path_factory.mktemp("demo") / "capture"
    write_demo_capture(folder, seed=0, num_frames=4, size=32)
    return folder
