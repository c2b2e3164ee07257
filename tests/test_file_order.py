"""Files are taken in the order of their numbers, wherever they are listed, and hidden files of systems passed over."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from resfields_ns.captures.camera_folder import camera_names, common_frame_names
from resfields_ns.captures.checks.look_over import look_over
from resfields_ns.captures.clips.footage import open_footage
from resfields_ns.captures.image_files import list_frames
from resfields_ns.captures.kinect.undistorted_capture import undistort_capture
from resfields_ns.captures.meshes.mesh_files import open_mesh_sequence
from resfields_ns.captures.sequence import Capture
from resfields_ns.captures.videos.calibration import find_videos
from resfields_ns.dataparsers.n3v import N3VDataParserConfig
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from resfields_ns.files import list_folder, natural_order
from resfields_ns.host.dataparsing import sequence_of
from tests.small_captures import write_n3v_capture

APPLE_DOUBLE = bytes([0, 5, 22, 7])


@pytest.mark.parametrize(
    "names",
    [
        [f"{number}.png" for number in range(1, 13)],
        ["f2.png", "f010.png", "f10.png", "f11.png"],
        ["cam1_9.png", "cam1_10.png", "cam2_1.png", "cam10_1.png"],
        ["1_left.png", "1_right.png", "2_left.png", "10_left.png"],
        ["0.125.png", "0.25.png", "0.5.png", "1.5.png", "10.25.png"],
        ["-2.png", "-1.png", "0.png", "1.png"],
        ["shot1.2.png", "shot1.10.png", "shot2.1.png"],
        ["Frame_1.png", "frame_2.png", "Frame_10.png"],
        ["1305031102.175304.png", "1305031102.211214.png", "1305031103.0.png"],
        ["10.png", "a.png", "a2.png", "b1.png"],
    ],
)
def test_names_are_ordered_by_the_values_of_their_numbers(names: list[str]) -> None:
    shuffled = list(names)
    random.Random(0).shuffle(shuffled)
    assert sorted(shuffled, key=natural_order) == names


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    for name in ("._0.png", ".DS_Store", "Thumbs.db", "desktop.ini", "0.png"):
        (tmp_path / name).write_bytes(APPLE_DOUBLE)
    (tmp_path / "__MACOSX").mkdir()
    assert [path.name for path in list_folder(tmp_path)] == ["0.png"]
    assert list_folder(tmp_path / "nowhere") == []


def _grey_images(folder: Path) -> None:
    folder.mkdir(parents=True)
    for grey in range(1, 13):
        Image.fromarray(np.full((8, 8), grey, np.uint8)).save(folder / f"{grey}.png")
    for name in ("._1.png", "._cam0.mp4", "Thumbs.db"):
        (folder / name).write_bytes(APPLE_DOUBLE)


def test_images_and_clips(tmp_path: Path) -> None:
    _grey_images(tmp_path / "frames")
    assert list(list_frames(tmp_path / "frames")) == [str(number) for number in range(1, 13)]
    footage = open_footage(tmp_path / "frames")
    assert [int(picture[0, 0, 0]) for picture in footage.pictures(list(range(12)))] == list(range(1, 13))


def _renamed(demo_capture: Path, folder: Path) -> Path:
    """The demo capture, three times over, with 12 frames named 1 to 12 in every folder."""
    capture = Path(shutil.copytree(demo_capture, folder))
    kinds = [path for camera in capture.glob("cam_*") for path in (camera / "rgb", camera / "mask", camera / "depth")]
    for kind in [*kinds, capture / "cloud", capture / "mesh"]:
        for path in sorted(kind.iterdir()):
            frame = int(path.stem)
            for repeat in range(3):
                shutil.copy(path, kind / f"{frame + 4 * repeat + 1}{path.suffix}")
            path.unlink()
            (kind / f"._1{path.suffix}").write_bytes(APPLE_DOUBLE)
    for camera in capture.glob("cam_*"):
        with np.load(camera / "cameras_sphere.npz") as archive:
            matrices = {
                f"{kind}_mat_{frame}": archive[f"{kind}_mat_{frame % 4}"]
                for kind in ("world", "scale")
                for frame in range(12)
            }
        np.savez(camera / "cameras_sphere.npz", **matrices)  # pyright: ignore[reportArgumentType]
    return capture


def test_captures_of_camera_folders(demo_capture: Path, tmp_path: Path) -> None:
    capture = _renamed(demo_capture, tmp_path / "capture")
    (capture / "__MACOSX" / "rgb").mkdir(parents=True)
    assert "__MACOSX" not in camera_names(capture)
    sequence = sequence_of(OwliiDataParserConfig(data=capture).setup().get_dataparser_outputs("train"), Capture)
    of_camera = [image for image in sequence.images if image.camera_name == "cam_train_1"]
    numbers = [str(number) for number in range(1, 13)]
    assert common_frame_names([capture / "cam_train_1"]) == numbers
    for files in (
        [image.file for image in of_camera],
        [image.mask for image in of_camera],
        [image.depth for image in of_camera],
        sequence.clouds,
        sequence.meshes,
    ):
        assert files is not None and [path.stem for path in files if path is not None] == numbers


def test_meshes_in_folders(tmp_path: Path) -> None:
    for number in range(1, 13):
        trimesh.creation.box(extents=[number] * 3).export(tmp_path / f"mesh_{number}.obj")
    (tmp_path / "._mesh_0.obj").write_bytes(APPLE_DOUBLE)
    sequence = open_mesh_sequence(tmp_path)
    assert [round(2 * float(sequence.frame(i).vertices.max())) for i in range(len(sequence))] == list(range(1, 13))


def test_videos_of_cameras(footage: Path, tmp_path: Path) -> None:
    source = next((footage / "videos").iterdir())
    for number in (10, 2, 1):
        shutil.copy(source, tmp_path / f"cam{number}.mp4")
    (tmp_path / "._cam0.mp4").write_bytes(APPLE_DOUBLE)
    assert list(find_videos(tmp_path)) == ["cam1", "cam2", "cam10"]


def test_rows_of_n3v_follow_the_numbers(tmp_path: Path) -> None:
    write_n3v_capture(tmp_path / "padded")
    shutil.copytree(tmp_path / "padded", tmp_path / "short")
    for name in ("cam00", "cam01", "cam04"):
        (tmp_path / "short" / f"{name}.mp4").rename(tmp_path / "short" / f"cam{int(name[3:])}.mp4")
    (tmp_path / "short" / "._cam0.mp4").write_bytes(APPLE_DOUBLE)
    padded, short = (
        N3VDataParserConfig(data=tmp_path / name, test_cameras=(test,)).setup().get_dataparser_outputs("train")
        for name, test in [("padded", "cam00"), ("short", "cam0")]
    )
    assert sequence_of(short).camera_names == ["cam1", "cam4", "cam10"]
    assert (padded.cameras.camera_to_worlds == short.cameras.camera_to_worlds).all()


def test_cameras_that_are_undistorted(own_capture: Path, tmp_path: Path) -> None:
    (own_capture / "left" / "rgb" / "._0000.png").write_bytes(APPLE_DOUBLE)
    (own_capture / ".left" / "rgb").mkdir(parents=True)
    (own_capture / ".left" / "camera.json").write_bytes(APPLE_DOUBLE)
    undistort_capture(own_capture, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == ["left", "middle", "right"]


def test_a_step_back_is_the_first_finding(demo_capture: Path, tmp_path: Path) -> None:
    """Of two takes in one folder, or of names whose texts say another order than their numbers."""
    capture = Path(shutil.copytree(demo_capture, tmp_path / "capture"))
    for path in capture.glob("cam_*/*/*.png"):
        path.rename(
            path.with_name(f"take{int(path.stem) // 2}_{10 - 3 * (int(path.stem) // 2) + int(path.stem) % 2}.png")
        )
    scene, findings = look_over(capture, "owlii")
    assert scene is not None
    first = [finding for finding in findings if finding.level == "error"][0]
    assert findings[0] == first and first.check == "order of frames"
    assert first.text == "cam_train_1: frame numbers step back at 1 places, first from take0_11.png to take1_7.png"
