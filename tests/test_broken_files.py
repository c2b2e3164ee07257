"""Files of every format that are broken at random: each is read, or refused by one ValueError that names a file.

`RESFIELDS_SEED=7 python -m pytest tests/test_broken_files.py` breaks them in other ways.
"""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import av
import numpy as np
import pytest
import soundfile
import torch
import trimesh
from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig
from PIL import Image

from resfields_ns.captures.clips.footage import open_footage
from resfields_ns.captures.clips.sound_files import open_sound
from resfields_ns.captures.image_files import depth_size, mask_size, read_depth, read_mask
from resfields_ns.captures.kinect.recording import Recording
from resfields_ns.captures.meshes.mesh_files import open_mesh_sequence
from resfields_ns.captures.meshes.mesh_points import read_points
from resfields_ns.captures.meshes.rigs import read_rig
from resfields_ns.captures.sequence import Capture
from resfields_ns.captures.time_stamps import read_recorded_times
from resfields_ns.captures.video_file import Video
from resfields_ns.captures.videos.calibration import read_calibration
from resfields_ns.dataparsers.dnerf_capture import DNeRFCaptureConfig
from resfields_ns.dataparsers.kinect_rgbd import KinectRGBDDataParserConfig
from resfields_ns.dataparsers.n3v import N3VDataParserConfig
from resfields_ns.dataparsers.nerfies import NerfiesDataParserConfig
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from resfields_ns.export.camera_paths import read_camera_path
from resfields_ns.export.tracked_mesh import write_animated_glb
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.released.released_run import read_released_checkpoint
from tests import small_captures, video_scene
from tests.file_mutations import break_file
from tests.kinect_scene import write_capture
from tests.small_sequences import write_anime, write_ply_folder

SEED = int(os.environ.get("RESFIELDS_SEED", "0"))
_MUTATIONS = 40  # of each format
_SECONDS = 10.0
_PICTURES = [np.full((24, 32, 3), 40 * frame, np.uint8) for frame in range(3)]


def _parsed(config: type[DataParserConfig]) -> Callable[[Path], None]:
    """Read a capture and all of its pictures."""

    def read(folder: Path) -> None:
        for split in ("train", "val"):
            for image in sequence_of(config(data=folder).setup().get_dataparser_outputs(split), Capture).images:
                image.read_colours()
                if image.mask is not None:
                    image.read_mask()
                if image.depth is not None:
                    image.read_depth()

    return read


def _write_clip(suffix: str, codec: str, pixels: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        with av.open(str(folder / f"clip{suffix}"), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = 32, 24, pixels  # pyright: ignore[reportAttributeAccessIssue]
            for picture in _PICTURES:
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
                container.mux(stream.encode(frame))  # pyright: ignore[reportAttributeAccessIssue]
            container.mux(stream.encode(None))  # pyright: ignore[reportAttributeAccessIssue]

    return write


def _read_footage(path: Path) -> None:
    footage = open_footage(path)
    assert len(list(footage.pictures(list(range(footage.num_frames))))) == footage.num_frames


def _clip(suffix: str) -> Callable[[Path], None]:
    return lambda folder: _read_footage(folder / f"clip{suffix}")


def _write_sound(suffix: str) -> Callable[[Path], None]:
    tone = np.sin(np.arange(2000) / 9.0).astype(np.float32)
    return lambda folder: soundfile.write(folder / f"tone{suffix}", tone, 8000)


def _read_sound(suffix: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        source = open_sound(folder / f"tone{suffix}", 0.1)
        assert np.isfinite(source.read(0)).all()

    return read


def _write_pictures(suffix: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for frame, picture in enumerate(_PICTURES):
            Image.fromarray(picture).save(folder / f"{frame}{suffix}")

    return write


def _write_depths(folder: Path) -> None:
    depth = np.arange(48, dtype=np.uint16).reshape(6, 8)
    Image.fromarray(depth).save(folder / "a.png")
    Image.fromarray(depth.astype(np.float32)).save(folder / "b.tiff")
    np.save(folder / "c.npy", depth)


def _read_depths(folder: Path) -> None:
    for name in ("a.png", "b.tiff", "c.npy"):
        depth_size(folder / name)
        read_depth(folder / name)


def _read_masks(folder: Path) -> None:
    for frame in range(3):
        mask_size(folder / f"{frame}.png")
        read_mask(folder / f"{frame}.png")


def _calibrated(write: Callable[[Path, dict[str, video_scene.Camera]], Path]) -> tuple[Callable, Callable]:
    """Write a calibration, and read it for videos that are not looked at."""

    def write_scene(folder: Path) -> None:
        distortion = np.array([-0.1, 0.02, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
        simple = write is video_scene.write_llff
        write(folder / "calibration", video_scene.make_cameras(distortion * (not simple), simple))

    def read(folder: Path) -> None:
        names = video_scene.NAMES
        videos = {name: Video(folder / f"{name}.mp4", video_scene.SIZE, 5, 30.0) for name in names}
        read_calibration(folder / "calibration", videos)

    return write_scene, read


def _write_obj(folder: Path) -> None:
    Image.fromarray(_PICTURES[1]).save(folder / "paint.png")
    (folder / "paint.mtl").write_text("newmtl paint\nKd 0.8 0.8 0.8\nmap_Kd paint.png\n")
    corners = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nvt 0 0\nvt 1 0\nvt 0 1\n"
    faces = "f 1/1 2/2 3/3\nf 1/1 2/2 4/3\nf 2/1 3/2 4/3\n"
    (folder / "0.obj").write_text(f"mtllib paint.mtl\nusemtl paint\n{corners}{faces}")


def _write_ascii_ply(folder: Path) -> None:
    ball = trimesh.creation.icosphere(subdivisions=1)
    (folder / "0.ply").write_bytes(ball.export(file_type="ply", encoding="ascii"))  # pyright: ignore[reportArgumentType]


def _write_npz(folder: Path) -> None:
    ball = trimesh.creation.icosphere(subdivisions=1)
    vertices, faces = np.stack([ball.vertices] * 2).astype(np.float32), ball.faces.astype(np.int32)
    np.savez(folder / "clip.npz", vertices=vertices, faces=faces, uv=vertices[0, :, :2])
    Image.fromarray(_PICTURES[1]).save(folder / "clip.png")


def _write_glb(folder: Path) -> None:
    ball = trimesh.creation.icosphere(subdivisions=0)
    positions = np.stack([ball.vertices, ball.vertices + 0.1])
    write_animated_glb(positions, np.array(ball.faces), np.full((12, 3), 0.5), 10.0, folder / "clip.glb")


def _meshes(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        sequence = open_mesh_sequence(folder / name)
        for index in range(min(len(sequence), 20)):
            assert np.isfinite(sequence.frame(index).vertices).all()

    return read


def _write_checkpoint(folder: Path) -> None:
    torch.save({"global_step": 7, "state_dict": {"model.weight": torch.ones(3, 4)}}, folder / "last.ckpt")


_CAMERA_PATH = (
    '{"camera_type": "perspective", "render_height": 24, "render_width": 32, "seconds": 2, "camera_path": ['
    '{"camera_to_world": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1], "fov": 50, "aspect": 1.3}]}'
)
_RIG = (
    '{"size": [32, 24], "cameras": {"cam_train_1": {"azimuth": 0, "elevation": 12}, '
    '"cam_test": {"azimuth": 45, "elevation": 3}}}'
)
_TIMES = "cam_id, frame_time\n" + "".join(f"0, {0.04 * frame}\n" for frame in range(5))


def _text(name: str, content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(content)


FORMATS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "dnerf-capture": (
        lambda path: small_captures.write_dnerf_capture(path / "a"),
        lambda path: _parsed(DNeRFCaptureConfig)(path / "a"),
    ),
    "n3v": (
        lambda path: small_captures.write_n3v_capture(path / "a"),
        lambda path: _parsed(N3VDataParserConfig)(path / "a"),
    ),
    "nerfies": (
        lambda path: small_captures.write_nerfies_capture(path / "a"),
        lambda path: _parsed(NerfiesDataParserConfig)(path / "a"),
    ),
    "kinect-rgbd": (write_capture, _parsed(KinectRGBDDataParserConfig)),
    "mp4": (_write_clip(".mp4", "libx264", "yuv420p"), _clip(".mp4")),
    "webm": (_write_clip(".webm", "libvpx-vp9", "yuv420p"), _clip(".webm")),
    "gif": (_write_clip(".gif", "gif", "rgb8"), _clip(".gif")),
    "avi": (_write_clip(".avi", "mpeg4", "yuv420p"), _clip(".avi")),
    "npy video": (lambda path: np.save(path / "clip.npy", np.stack(_PICTURES)), _clip(".npy")),
    "wav": (_write_sound(".wav"), _read_sound(".wav")),
    "flac": (_write_sound(".flac"), _read_sound(".flac")),
    "ogg": (_write_sound(".ogg"), _read_sound(".ogg")),
    "png": (_write_pictures(".png"), _read_footage),
    "jpg": (_write_pictures(".jpg"), _read_footage),
    "masks": (_write_pictures(".png"), _read_masks),
    "depth": (_write_depths, _read_depths),
    "OpenCV's YAML": _calibrated(video_scene.write_opencv_yaml),
    "OpenCV's JSON": _calibrated(video_scene.write_opencv_json),
    "COLMAP's text": _calibrated(video_scene.write_colmap_text),
    "COLMAP's binary": _calibrated(video_scene.write_colmap_binary),
    "LLFF": _calibrated(video_scene.write_llff),
    "EasyMocap": _calibrated(video_scene.write_easymocap),
    "anipose": _calibrated(video_scene.write_anipose),
    "Qualisys": _calibrated(video_scene.write_qualisys),
    "transforms": _calibrated(video_scene.write_transforms),
    "anime": (write_anime, _meshes("ball.anime")),
    "ply": (write_ply_folder, _meshes("meshes")),
    "ply text": (_write_ascii_ply, _meshes("")),
    "obj": (_write_obj, _meshes("")),
    "npz": (_write_npz, _meshes("clip.npz")),
    "glb": (_write_glb, _meshes("clip.glb")),
    "cloud": (_write_ascii_ply, lambda path: read_points(path / "0.ply")),
    "rig": (_text("rig.json", _RIG), lambda path: read_rig(path / "rig.json")),
    "times": (_text("times.csv", _TIMES), lambda path: read_recorded_times(path / "times.csv", {"cam0": 5})),
    "camera path": (_text("path.json", _CAMERA_PATH), lambda path: read_camera_path(path / "path.json")),
    "checkpoint": (_write_checkpoint, lambda path: read_released_checkpoint(path / "last.ckpt")),
}


def _check_broken(name: str, good: Path, read: Callable[[Path], object], work: Path, count: int = _MUTATIONS) -> None:
    for index in range(count):
        random, case = Random(f"{SEED} {name} {index}"), work / str(index)
        shutil.copytree(good, case)
        files = sorted(path for path in case.rglob("*") if path.is_file())
        suffix = random.choice(sorted({path.suffix for path in files}))
        path = random.choice([path for path in files if path.suffix == suffix])
        how = break_file(path, random)
        names, start = {path.name for path in [case, path, *case.rglob("*")]}, time.process_time()
        about = f"RESFIELDS_SEED={SEED}, {name}, {index}: {how} of {path.relative_to(case)}"
        try:
            read(case)
        except ValueError as error:
            assert any(name in str(error).replace("\n", "") for name in names), f"{about}: {error}"
        except Exception as error:
            pytest.fail(f"{about}: {error!r}")
        assert time.process_time() - start < _SECONDS, about
        shutil.rmtree(case)


@pytest.fixture(autouse=True)
def _nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Pillow starts Ghostscript."""

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError(f"a program is started: {arguments}")

    monkeypatch.setattr("subprocess.Popen", refuse)


@pytest.mark.parametrize("name", FORMATS)
def test_broken_files_are_read_or_refused_by_name(name: str, tmp_path: Path) -> None:
    write, read = FORMATS[name]
    (tmp_path / "good").mkdir()
    write(tmp_path / "good")
    read(tmp_path / "good")
    _check_broken(name, tmp_path / "good", read, tmp_path)


def test_broken_captures_of_ours(demo_capture: Path, tmp_path: Path) -> None:
    _check_broken("owlii", demo_capture, _parsed(OwliiDataParserConfig), tmp_path)


def test_broken_recordings(recordings: tuple[dict[str, Path], Path], tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    shutil.copy(recordings[0]["right"], tmp_path / "good" / "right.mkv")

    def read(folder: Path) -> None:
        recording = Recording.open(folder / "right.mkv")
        color, depth = (set(times[:2].tolist()) for times in (recording.color_times, recording.depth_times))
        for _ in recording.images(color, depth):
            pass

    read(tmp_path / "good")
    _check_broken("recording", tmp_path / "good", read, tmp_path, count=20)
