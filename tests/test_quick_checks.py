"""Captures that nothing can be learned from are refused before training, in the words of rf-check."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.overrides import override
from resfields_ns.data.dynamic_dataset import DynamicDataset
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from tests.methods import METHODS, tiny_config


def _whiten(capture: Path) -> None:
    for path in capture.glob("*/rgb/*.png"):
        Image.fromarray(np.full_like(np.array(Image.open(path)), 255)).save(path)


def _give_one_pose(capture: Path) -> None:
    first, *others = sorted(capture.glob("cam_train_*/cameras_sphere.npz"))
    for path in (*others, capture / "cam_test" / first.name):
        shutil.copy(first, path)


def _move_box(capture: Path) -> None:
    (capture / "aabb.txt").write_text("[5, 5, 5, 6, 6, 6]")


def _shrink_box(capture: Path) -> None:
    (capture / "aabb.txt").write_text("[0, 0, 0, 1e-9, 1e-9, 1e-9]")


def _shrink_pictures(capture: Path) -> None:
    for path in capture.rglob("*.png"):
        Image.open(path).resize((2, 2)).save(path)


def _break_cloud(capture: Path) -> None:
    path = sorted(capture.glob("cloud/*.ply"))[1]
    path.write_bytes(path.read_bytes()[:300])


DEGENERATE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "white": (_whiten, "all pictures are of one colour"),
    "one pose": (_give_one_pose, "all 5 cameras have one pose"),
    "subject outside": (_move_box, "cam_train_1: sees 0.0 % of the scene box"),
    "tiny box": (_shrink_box, "% of the cloud points lie outside the box"),
    "tiny pictures": (_shrink_pictures, "cam_train_1: principal point .* outside the image of 2x2 pixels"),
    "broken cloud": (_break_cloud, r"000001\.ply: "),
}


def _config(data: Path, folder: Path) -> ResFieldsTrainerConfig:
    return tiny_config(METHODS["tnerf-resfields"], data, folder)


@pytest.mark.parametrize("kind", DEGENERATE)
def test_what_cannot_be_learned_is_refused(kind: str, demo_capture: Path, tmp_path: Path) -> None:
    change, message = DEGENERATE[kind]
    data = Path(shutil.copytree(demo_capture, tmp_path / "capture"))
    change(data)
    config = _config(data, tmp_path / "run")
    with pytest.raises(ValueError, match=f"^{data}.*{message}.*--pipeline.datamanager.skip-checks True"):
        config.setup(local_rank=0, world_size=1).setup()
    datamanager: Any = config.pipeline.datamanager
    datamanager.skip_checks = True
    if kind != "tiny pictures":  # whose masks hold nothing
        config.setup(local_rank=0, world_size=1).setup()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hull_start_steps": 1}, "^this method starts from masks: expected a mask folder"),
        ({"sampler.kind": "occupancy"}, "^this method starts from masks: expected a mask folder"),
    ],
)
def test_what_a_model_cannot_learn_from_is_told_before_pictures_are_read(
    changes: dict[str, Any], message: str, demo_capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = Path(shutil.copytree(demo_capture, tmp_path / "capture"))
    for folder in capture.glob("*/mask"):
        shutil.rmtree(folder)
    monkeypatch.setattr(DynamicDataset, "load_arrays", lambda _: pytest.fail("pictures were read"))
    paths = {f"pipeline.model.{name}": value for name, value in changes.items()}
    with pytest.raises(ValueError, match=message):
        override(_config(capture, tmp_path), paths).setup(local_rank=0, world_size=1).setup()
