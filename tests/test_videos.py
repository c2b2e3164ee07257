"""`rf-videos`: known points lie on their pixels in the capture, whatever the calibration's format and the alignment."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.data.utils import colmap_parsing_utils as colmap
from PIL import Image

from resfields_ns.captures.sequence import Capture
from resfields_ns.captures.video_file import decode_frames, probe_video
from resfields_ns.captures.videos.masking import CleanPlate
from resfields_ns.commands import videos as command
from resfields_ns.commands.videos import videos
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from resfields_ns.host.dataparsing import sequence_of
from tests.small_captures import write_video
from tests.timed_videos import ffmpeg
from tests.video_scene import (
    BACKGROUND,
    BOX,
    DISTORTION,
    FORMATS,
    NAMES,
    NUM_FRAMES,
    SIZE,
    draw,
    make_cameras,
    points_at,
    write_anipose,
    write_colmap_binary,
    write_llff,
    write_opencv_yaml,
    write_qualisys,
    write_videos,
)


def _parse(capture: Path, split: str = "train") -> DataparserOutputs:
    config = OwliiDataParserConfig(data=capture, train_cameras=NAMES[1:], test_cameras=NAMES[:1])
    return config.setup().get_dataparser_outputs(split)


def _largest_error(capture: Path, first_moment: int = 0, step: int = 1) -> float:
    """Pixels from where the parser's cameras see the points to where the images show them."""
    errors = []
    for split in ("train", "test"):
        outputs = _parse(capture, split)
        cameras = outputs.cameras
        world_to_normalised = np.linalg.inv(sequence_of(outputs).to_world.matrix)
        for index, path in enumerate(outputs.image_filenames):
            moment = first_moment + step * int(sequence_of(outputs).frame_index[index])
            points = points_at(moment) @ world_to_normalised[:3, :3].T + world_to_normalised[:3, 3]
            pose = cameras.camera_to_worlds[index].double().numpy()
            local = (points - pose[:, 3]) @ pose[:, :3]
            focal = [cameras.fx[index].item(), -cameras.fy[index].item()]
            centre = [cameras.cx[index].item(), cameras.cy[index].item()]
            expected = focal * local[:, :2] / -local[:, 2:] + centre
            errors.append(np.linalg.norm(_dots(np.array(Image.open(path))) - expected, axis=1).max())
    return max(errors)


def _dots(picture: np.ndarray) -> np.ndarray:
    """Where the dots are: centroids of what is much brighter than the background."""
    height, width = picture.shape[:2]
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    weights = np.clip(picture.astype(float) - BACKGROUND - 40.0, 0.0, None)
    total = weights.sum(axis=(0, 1))
    return np.stack([(weights * grid[..., None]).sum(axis=(0, 1)) / total for grid in (x, y)], axis=-1)


@pytest.mark.parametrize("form", FORMATS)
def test_points_lie_on_their_pixels(form: str, footage: Path, tmp_path: Path) -> None:
    calibration = FORMATS[form](tmp_path / "calibration", make_cameras(DISTORTION))
    videos(footage / "videos", tmp_path / "capture", calibration, box=BOX)
    assert _largest_error(tmp_path / "capture") < 0.15
    assert sorted(path.name for path in (tmp_path / "capture").iterdir()) == ["aabb.txt", *NAMES, "conversion.json"]


def test_points_lie_on_their_pixels_with_llff_poses(tmp_path: Path) -> None:
    cameras = make_cameras(np.zeros(8), simple=True)
    write_videos(tmp_path / "videos", cameras)
    videos(tmp_path / "videos", tmp_path / "capture", write_llff(tmp_path / "calibration", cameras))
    assert _largest_error(tmp_path / "capture") < 0.15


def test_points_lie_on_their_pixels_with_qualisys(tmp_path: Path) -> None:
    cameras = make_cameras(np.where(np.arange(8) < 5, DISTORTION, 0.0))
    write_videos(tmp_path / "videos", cameras)
    videos(tmp_path / "videos", tmp_path / "capture", write_qualisys(tmp_path / "calibration", cameras), box=BOX)
    assert _largest_error(tmp_path / "capture") < 0.15


@pytest.mark.parametrize("size", [(32, 24), (48, 30)])
def test_size_and_frames(size: tuple[int, int], footage: Path, tmp_path: Path) -> None:
    out = tmp_path / "capture"
    videos(footage / "videos", out, footage / "calibration", frames="1:5:2", size=size, box=BOX)
    assert Image.open(out / "cam0" / "rgb" / "000001.png").size == size
    assert len(list((out / "cam0" / "rgb").iterdir())) == 2
    assert _largest_error(out, first_moment=1, step=2) < 0.15


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_points_lie_on_their_pixels_in_turned_videos(degrees: int, footage: Path, tmp_path: Path) -> None:
    """Files of pictures that lie askew, and say how they are to be turned; the calibration is of upright ones."""
    (tmp_path / "videos").mkdir()
    for name in NAMES:
        upright = decode_frames(probe_video(footage / "videos" / f"{name}.mp4"), list(range(NUM_FRAMES)))
        lying = [np.ascontiguousarray(np.rot90(picture, -degrees // 90)) for _, picture in upright]
        write_video(tmp_path / "lying.mp4", lying, rate=25)
        turned = tmp_path / "videos" / f"{name}.mp4"
        ffmpeg("-display_rotation", degrees, "-i", tmp_path / "lying.mp4", "-c", "copy", turned)
    videos(tmp_path / "videos", tmp_path / "capture", footage / "calibration", box=BOX)
    assert _largest_error(tmp_path / "capture") < 0.25


def test_a_transparent_video_is_laid_over_white(
    footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "videos").mkdir()
    picture = np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
    picture[12:36, 16:48] = (255, 0, 0, 255)
    Image.fromarray(picture).save(tmp_path / "0.png")
    options = ["-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p"]
    for name in NAMES:
        path = tmp_path / "videos" / f"{name}.webm"
        ffmpeg("-loop", 1, "-t", 0.1, "-i", tmp_path / "0.png", *options, path)
    videos(tmp_path / "videos", tmp_path / "capture", footage / "calibration", box=BOX)
    assert "cam0.webm: its alpha channel is laid over white" in capsys.readouterr().out
    shown = np.array(Image.open(tmp_path / "capture" / "cam0" / "rgb" / "000000.png")).astype(int)
    assert shown[2, 2].min() == 255 and np.abs(shown[24, 32] - (255, 0, 0)).max() <= 3


@pytest.mark.parametrize("unit", ["frames", "seconds"])
def test_offsets_align_frames(unit: str, tmp_path: Path) -> None:
    cameras = make_cameras(DISTORTION)
    write_videos(tmp_path / "videos", cameras, first={"cam1": -2, "cam2": 1})
    offsets = {"cam1": {"frames": 2}, "cam2": {"frames": -1}}
    if unit == "seconds":
        offsets = {"cam1": {"seconds": 0.09}, "cam2": {"seconds": -0.03}}
    (tmp_path / "offsets.json").write_text(json.dumps(offsets))
    calibration = write_opencv_yaml(tmp_path / "calibration", cameras)
    videos(tmp_path / "videos", tmp_path / "capture", calibration, offsets=tmp_path / "offsets.json", box=BOX)
    assert len(_parse(tmp_path / "capture").image_filenames) == 2 * 2
    assert _largest_error(tmp_path / "capture", first_moment=1) < 0.15
    assert _largest_error(tmp_path / "capture", first_moment=2) > 1.0


def test_box_becomes_the_scene_box(footage: Path, tmp_path: Path) -> None:
    videos(footage / "videos", tmp_path / "capture", footage / "calibration", frames="0:1", box=BOX)
    outputs = _parse(tmp_path / "capture")
    matrix = sequence_of(outputs).to_world.matrix
    corners = outputs.scene_box.aabb.numpy() @ matrix[:3, :3].T + matrix[:3, 3]
    np.testing.assert_allclose(corners.ravel(), BOX, atol=1e-5)
    assert outputs.scene_box.aabb.abs().max() == 1.0


def test_points_of_colmap_become_the_scene_box(footage: Path, tmp_path: Path) -> None:
    calibration = write_colmap_binary(tmp_path / "calibration", make_cameras(DISTORTION))
    videos(footage / "videos", tmp_path / "capture", calibration, frames="0:1")
    outputs = _parse(tmp_path / "capture")
    matrix = sequence_of(outputs).to_world.matrix
    corners = outputs.scene_box.aabb.numpy() @ matrix[:3, :3].T + matrix[:3, 3]
    assert (np.abs(corners - [[-0.7] * 3, [0.7] * 3]) < 0.1).all()


def test_depths_enclose_what_cameras_see(footage: Path, tmp_path: Path) -> None:
    videos(
        footage / "videos",
        tmp_path / "capture",
        footage / "calibration",
        frames="0:1",
        depths=(0.8, 2.8),
    )
    outputs = _parse(tmp_path / "capture")
    matrix = sequence_of(outputs).to_world.matrix
    assert (np.abs((points_at(0) - matrix[:3, 3]) / matrix[0, 0]) < 1.0).all()


@pytest.mark.parametrize("write", [write_anipose, write_llff, write_colmap_binary])
def test_calibrations_in_millimetres(
    write: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The capture is that of the same calibration in metres, and what looks a thousand times too large is named."""
    cameras = make_cameras(np.zeros(8), simple=True)
    write_videos(tmp_path / "videos", cameras)
    box = None if write in (write_llff, write_colmap_binary) else BOX
    for unit, factor in {"metres": 1.0, "millimetres": 1000.0}.items():
        moved = {name: replace(camera, translation=factor * camera.translation) for name, camera in cameras.items()}
        calibration = write(tmp_path / unit, moved)
        if write is write_llff:
            rows = np.load(calibration)
            rows[:, -2:] *= factor
            np.save(calibration, rows)
        elif write is write_colmap_binary:
            points = colmap.read_points3D_binary(calibration / "points3D.bin")
            scaled = {index: point._replace(xyz=factor * point.xyz) for index, point in points.items()}
            colmap.write_points3D_binary(scaled, calibration / "points3D.bin")
        out = tmp_path / f"of-{unit}"
        videos(tmp_path / "videos", out, calibration, metres_per_unit=1.0 / factor, box=box, frames="0:1")
        assert "times as much" not in capsys.readouterr().out
    for path in (tmp_path / "of-metres").glob("*/cameras_sphere.npz"):
        with np.load(path) as expected, np.load(tmp_path / "of-millimetres" / path.parent.name / path.name) as found:
            for key in expected:
                np.testing.assert_allclose(found[key], expected[key], rtol=1e-6, atol=1e-9)
    videos(tmp_path / "videos", tmp_path / "wrong", tmp_path / calibration, box=box, frames="0:1")
    told = r"cameras stand up to \d{4} metres apart: where 0\.001 times as much is right, --metres-per-unit 0\.001 "
    assert re.search(told, capsys.readouterr().out)


def test_captures_keep_when_their_pictures_were_taken(footage: Path, tmp_path: Path) -> None:
    """25 frames a second, of which every second one is used."""
    (tmp_path / "offsets.json").write_text(json.dumps({"cam1": {"frames": 1}}))
    paths = (footage / "videos", tmp_path / "capture", footage / "calibration")
    videos(*paths, frames="0:4:2", offsets=tmp_path / "offsets.json", box=BOX)
    for name in NAMES:
        stamps = json.loads((tmp_path / "capture" / name / "timestamps.json").read_text())
        assert stamps == {"000000": 0, "000001": 80_000}
    assert sequence_of(_parse(tmp_path / "capture")).frames.rate == pytest.approx(12.5)
    for path in (tmp_path / "capture").glob("*/timestamps.json"):
        path.unlink()
    assert sequence_of(_parse(tmp_path / "capture")).frames.rate is None


def _foreground(picture: np.ndarray) -> np.ndarray:
    return picture.max(axis=-1) > BACKGROUND + 90


@pytest.mark.parametrize("plate", ["image", "video"])
def test_a_clean_plate_finds_the_foreground(plate: str, footage: Path, tmp_path: Path) -> None:
    (tmp_path / "plates").mkdir()
    empty = np.full((SIZE[1], SIZE[0], 3), BACKGROUND, np.uint8)
    for name in NAMES:
        if plate == "image":
            Image.fromarray(empty).save(tmp_path / "plates" / f"{name}.png")
        else:
            write_video(tmp_path / "plates" / f"{name}.mp4", [empty, np.full_like(empty, 200), empty])
    out = tmp_path / "capture"
    plates = tmp_path / "plates"
    videos(footage / "videos", out, footage / "calibration", box=BOX, plates=plates, plate_threshold=90)
    for path in out.glob("*/mask/*.png"):
        mask = np.array(Image.open(path)) > 127
        brightness = np.array(Image.open(out / path.parent.parent.name / "rgb" / path.name)).max(axis=-1)
        assert mask[brightness > BACKGROUND + 180].all()
        assert not mask[brightness < BACKGROUND + 20].any()
    assert len([image.mask for image in sequence_of(_parse(out).metadata, Capture).images]) == 2 * NUM_FRAMES


def test_a_clean_plate_with_texture_and_noise() -> None:
    random = np.random.default_rng(0)
    plate = random.integers(60, 120, size=(60, 80, 3)).astype(np.uint8)
    expected = np.zeros((60, 80), bool)
    expected[20:45, 30:50] = True
    noise = random.normal(0.0, 4.0, size=plate.shape)
    picture = np.where(expected[..., None], [200, 90, 40], plate) + noise
    mask = CleanPlate(plate, 30)(0, picture.round().clip(0, 255).astype(np.uint8))
    assert (mask & expected).sum() > 0.9 * (mask | expected).sum()


def test_masks_are_undistorted_with_the_pictures(footage: Path, tmp_path: Path) -> None:
    for name, camera in make_cameras(DISTORTION).items():
        (tmp_path / "masks" / name).mkdir(parents=True)
        for frame in range(NUM_FRAMES):
            mask = _foreground(draw(camera.project(points_at(frame))))
            Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "masks" / name / f"m{frame}.png")
    out = tmp_path / "capture"
    videos(
        footage / "videos",
        out,
        footage / "calibration",
        frames="2:5",
        box=BOX,
        masks=tmp_path / "masks",
    )
    for path in out.glob("*/mask/*.png"):
        mask = np.array(Image.open(path)) > 127
        expected = _foreground(np.array(Image.open(out / path.parent.parent.name / "rgb" / path.name)))
        assert (mask & expected).sum() > 0.75 * (mask | expected).sum()


def _write_masks(folder: Path, frames: dict[int, str]) -> None:
    """Masks of some frames, by their names."""
    for name, camera in make_cameras(DISTORTION).items():
        (folder / name).mkdir(parents=True)
        for frame, mask_name in frames.items():
            mask = _foreground(draw(camera.project(points_at(frame))))
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / name / mask_name)


@pytest.mark.parametrize("names", ["{:06d}.png", "{}.png", "cam0_frame{:04d}.png", "{:03d}_mask.png"])
def test_masks_of_some_frames_are_found_by_the_numbers_of_their_names(
    names: str, footage: Path, tmp_path: Path
) -> None:
    """Counted from 0, as frames are; masks of frames that are not used may lack or be there."""
    _write_masks(tmp_path / "all", {frame: f"m{frame + 7}.png" for frame in range(NUM_FRAMES)})
    _write_masks(tmp_path / "some", {frame: names.format(frame) for frame in (1, 2, 3)})
    for kind in ("all", "some"):
        paths = (footage / "videos", tmp_path / f"of-{kind}", footage / "calibration")
        videos(*paths, frames="1:4:2", box=BOX, masks=tmp_path / kind)
    written = sorted((tmp_path / "of-all").glob("*/*/*.png"))
    assert len(written) == 2 * 2 * len(NAMES)
    for path in written:
        assert (tmp_path / "of-some" / path.relative_to(tmp_path / "of-all")).read_bytes() == path.read_bytes()


def test_masks_of_videos_that_start_at_different_moments(footage: Path, tmp_path: Path) -> None:
    """The numbers are those of each video's own frames."""
    (tmp_path / "offsets.json").write_text(json.dumps({"cam1": {"frames": 2}}))
    _write_masks(tmp_path / "masks", {frame: f"{frame}.png" for frame in range(NUM_FRAMES)})
    _write_masks(tmp_path / "some", {frame: f"{frame}.png" for frame in (0, 2)})
    (tmp_path / "some" / "cam1").joinpath("4.png").write_bytes((tmp_path / "masks" / "cam1" / "4.png").read_bytes())
    (tmp_path / "some" / "cam1").joinpath("0.png").unlink()
    for kind in ("masks", "some"):
        paths = (footage / "videos", tmp_path / f"of-{kind}", footage / "calibration")
        videos(*paths, frames="0:3:2", box=BOX, offsets=tmp_path / "offsets.json", masks=tmp_path / kind)
    for path in (tmp_path / "of-masks").glob("*/mask/*.png"):
        assert (tmp_path / "of-some" / path.relative_to(tmp_path / "of-masks")).read_bytes() == path.read_bytes()


def test_command_line(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(path) for path in (footage / "videos", tmp_path / "capture")]
    options = [
        "--calibration",
        str(footage / "calibration"),
        "--frames",
        "0:1",
        "--size",
        "32",
        "24",
        "--box",
    ]
    monkeypatch.setattr("sys.argv", ["rf-videos", *paths, *options, *map(str, BOX)])
    command.entrypoint()
    output = capsys.readouterr().out
    assert "Wrote 1 frames of 3 cameras, 32x24 pixels" in output
    assert "--train-cameras cam1 cam2 --test-cameras cam0" in output
