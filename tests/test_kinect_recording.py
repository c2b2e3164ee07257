"""rf-kinect: what comes out of recordings is what went in, whole or not at all, and mistakes are one line."""

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from resfields_ns.captures.camera import Camera
from resfields_ns.captures.camera_files import read_camera_json
from resfields_ns.captures.kinect.kinect_conversion import convert_recordings
from resfields_ns.captures.kinect.plan import Request
from resfields_ns.captures.kinect.recording import Recording
from resfields_ns.commands import kinect
from resfields_ns.dataparsers.kinect_rgbd import KinectRGBDDataParserConfig
from resfields_ns.host.dataparsing import sequence_of
from tests.kinect_scene import BALL_BOX, BALL_RADIUS, DEVICES, MARKS, PERIOD, Device, ball_centre, see, write_recordings
from tests.mkv_writer import write_mkv


@pytest.fixture(scope="module")
def capture(recordings: tuple[dict[str, Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What rf-kinect makes of them."""
    out = tmp_path_factory.mktemp("out") / "capture"
    plan = convert_recordings(out, _request(recordings))
    assert plan.matched.largest_gaps.tolist() == [320, 320] and plan.matched.worst()[0] == "right"
    assert not plan.num_unmatched and not plan.unsynchronised
    return out


def _request(recordings: tuple[dict[str, Path], Path], **changes: Any) -> Request:
    return Request(*recordings, **{"box": BALL_BOX, "masks": True, **changes})


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _read(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


@dataclass(frozen=True)
class Frame:
    """What was written of a camera's frame, and what its camera file says that it should show.

    Args:
        exact: depth in millimetres, 0 for none
        ball: where it is seen
        slant: degrees between a pixel's ray and the normal of what it sees
        expected: colours
    """

    camera: Camera
    stamp: int
    rgb: np.ndarray
    depth: np.ndarray
    mask: np.ndarray
    exact: np.ndarray
    ball: np.ndarray
    slant: np.ndarray
    expected: np.ndarray

    @property
    def smooth(self) -> np.ndarray:
        """Away from the edges of things, by more than the depth camera's pixels."""
        kernel, exact = np.ones((9, 9)), self.exact.astype(np.float32)
        return cv2.dilate(exact, kernel) - cv2.erode(exact, kernel) < 100.0


@pytest.fixture(scope="module")
def frames(capture: Path) -> dict[str, list[Frame]]:
    """All frames of all cameras."""
    return {
        path.parent.name: [_frame(path.parent, name, stamp) for name, stamp in json.loads(path.read_text()).items()]
        for path in capture.glob("*/timestamps.json")
    }


def _frame(folder: Path, name: str, stamp: int) -> Frame:
    camera = read_camera_json(folder / "camera.json")
    plane = camera.plane_coordinates(camera.pixel_grid())
    directions = np.concatenate([plane, np.ones_like(plane[..., :1])], axis=-1).reshape(-1, 3)
    pose = camera.pose
    along, ball, colours = see(pose[:3, 3], directions @ pose[:3, :3].T, stamp / 1e6)
    exact = np.where(np.isfinite(along), 1000.0 * along, 0.0)
    rays = directions @ pose[:3, :3].T
    points = pose[:3, 3] + np.where(np.isfinite(along), along, 0.0)[:, None] * rays
    normals = np.where(ball[:, None], (points - ball_centre(stamp / 1e6)) / BALL_RADIUS, [0.0, 1.0, 0.0])
    cosines = np.abs((rays * normals).sum(axis=-1)) / np.linalg.norm(rays, axis=-1)
    shape = plane.shape[:2]
    return Frame(
        camera,
        stamp,
        rgb=_read(folder / "rgb" / f"{name}.png"),
        depth=_read(folder / "depth" / f"{name}.png"),
        mask=_read(folder / "mask" / f"{name}.png"),
        exact=exact.reshape(shape),
        ball=ball.reshape(shape),
        slant=np.degrees(np.arccos(cosines.clip(max=1.0))).reshape(shape),
        expected=colours.reshape(*shape, 3),
    )


def test_layout(capture: Path) -> None:
    kinds = [f"{kind}/{frame:06d}.png" for kind in ("rgb", "depth", "mask") for frame in range(2)]
    expected = {"aabb.txt", "conversion.json"}
    expected |= {f"{name}/{file}" for name in DEVICES for file in ("camera.json", "timestamps.json", *kinds)}
    assert _contents(capture).keys() == expected
    assert not capture.with_name("capture.partial").exists()


def test_times_are_those_of_the_devices(frames: dict[str, list[Frame]]) -> None:
    for name, device in DEVICES.items():
        assert [frame.stamp for frame in frames[name]] == [1_000_000 + device.shift + PERIOD * i for i in range(2)]


def test_depth_is_what_the_colour_camera_would_measure(frames: dict[str, list[Frame]]) -> None:
    """Within 1 mm where the surface is smooth; nothing where there is nothing.

    Half a millimetre is rounded by the depth camera and half by us. Where the ball turns away, a triangle of readings,
    which are 6 mm apart across and 20 mm along the surface, cuts up to a millimetre off its roundness.
    """
    for frame in (frame for of in frames.values() for frame in of):
        assert not frame.depth[frame.smooth & (frame.exact == 0.0)].any()
        read = frame.smooth & (frame.depth > 0)
        error = np.abs(frame.depth - frame.exact)
        assert read.sum() > 0.3 * frame.depth.size
        assert error[read & ~frame.ball].max() < 1.0
        assert error[read & (frame.slant < 45.0)].max() < 1.0
        assert error[read].max() < 2.0 and (error[read] < 1.0).mean() > 0.9995


def test_colours_are_what_a_camera_without_distortion_would_see(frames: dict[str, list[Frame]]) -> None:
    for frame in (frame for of in frames.values() for frame in of):
        difference = np.abs(frame.rgb.astype(np.float64) - frame.expected)[frame.smooth]
        assert np.percentile(difference, 99.9) < 6.0  # bilinear resampling of 8-bit colours, and JPEG on the right


def test_known_points_land_on_their_pixels(frames: dict[str, list[Frame]]) -> None:
    """The centres of the floor's marks, in colour and in depth."""
    reach, found = 10, 0
    y, x = np.mgrid[: 2 * reach + 1, : 2 * reach + 1] + 0.5
    for frame in (frame for of in frames.values() for frame in of):
        for point in frame.camera.to_camera(MARKS):
            pixel = frame.camera.pixels_of(point)
            column, row = np.floor(pixel).astype(int)
            part = np.s_[row - reach : row + reach + 1, column - reach : column + reach + 1]
            if frame.ball[part].any() or frame.depth[part].shape != x.shape:
                continue
            weights = (frame.rgb[part][..., 0] - 40.0).clip(min=0.0)
            centre = np.array([(weights * x).sum(), (weights * y).sum()]) / weights.sum() + [
                column - reach,
                row - reach,
            ]
            assert np.linalg.norm(centre - pixel) < 0.5
            nearby = frame.depth[row - 1 : row + 2, column - 1 : column + 2]
            assert nearby.min() - 1.0 < 1000.0 * point[2] < nearby.max() + 1.0
            found += 1
    assert found > 20


def test_masks_are_the_ball(frames: dict[str, list[Frame]]) -> None:
    """Readings end up to a depth camera's pixel inside the ball's edge."""
    for frame in (frame for of in frames.values() for frame in of):
        mask = frame.mask > 0
        assert (mask & frame.ball).sum() / (mask | frame.ball).sum() > 0.96


def test_without_distortion_colours_stay_as_they_were(tmp_path: Path) -> None:
    """To the bit, from raw colours and from JPEG."""
    lens = [0.5, 0.5, 0.48, 0.64, *[0.0] * 10]
    devices = {"a": Device(0.0, color_lens=lens, num_frames=1), "b": Device(40.0, color_lens=lens, num_frames=1)}
    devices["b"].color_format = "MJPG"
    recordings = write_recordings(tmp_path / "in", devices)
    convert_recordings(tmp_path / "out", Request(*recordings))
    raw = devices["a"].images(devices["a"].times[0])[0]
    assert np.array_equal(_read(tmp_path / "out" / "a" / "rgb" / "000000.png"), raw)
    (tmp_path / "b.jpg").write_bytes(devices["b"].tracks()[1].images[0][1])
    assert np.array_equal(_read(tmp_path / "out" / "b" / "rgb" / "000000.png"), _read(tmp_path / "b.jpg"))


def test_recorded_images_are_decoded_to_the_millimetre(recordings: tuple[dict[str, Path], Path]) -> None:
    device = DEVICES["middle"]
    recording = Recording.open(recordings[0]["middle"])
    assert recording.color_times.tolist() == recording.depth_times.tolist() == device.times
    assert recording.leads
    times = set(device.times[1:])
    decoded = {(track, stamp): image for track, stamp, image in recording.images(times, times)}
    assert decoded.keys() == {(track, stamp) for track in ("COLOR", "DEPTH") for stamp in times}
    for (track, stamp), image in decoded.items():
        color, depth = device.images(stamp)
        assert np.array_equal(image, color if track == "COLOR" else depth)


@pytest.mark.parametrize(("fourcc", "fmt", "bits"), [("NV12", "nv12", 12), ("YUY2", "yuyv422", 16)])
def test_other_colour_formats(tmp_path: Path, fourcc: str, fmt: str, bits: int) -> None:
    import av

    device = Device(0.0, num_frames=1)
    image = device.images(device.times[0])[0]
    data = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=fmt).to_ndarray().tobytes()
    tracks = device.tracks()
    tracks[1] = replace(tracks[1], fourcc=fourcc.encode(), bits=bits, images=[(0, data)])
    tracks[1].tags["K4A_COLOR_MODE"] = f"{fourcc}_720P"
    calibration = json.dumps(device.calibration()).encode()
    write_mkv(tmp_path / "a.mkv", tracks, device.tags(), {"calibration.json": calibration})
    recording = Recording.open(tmp_path / "a.mkv")
    ((_, _, decoded),) = recording.images(set(device.times), set())
    difference = np.abs(decoded.astype(int) - image)
    assert difference.mean() < 2.5 and np.percentile(difference, 99) < 12


def test_crop_and_frames(recordings: tuple[dict[str, Path], Path], capture: Path, tmp_path: Path) -> None:
    """Images are parts of the uncropped ones, all of one size, and show the whole ball."""
    convert_recordings(tmp_path / "out", _request(recordings, crop=True, frames="1"))
    sizes = set()
    for name in DEVICES:
        whole = read_camera_json(capture / name / "camera.json")
        part = read_camera_json(tmp_path / "out" / name / "camera.json")
        left, top = round(whole.cx - part.cx), round(whole.cy - part.cy)
        for kind in ("rgb", "depth", "mask"):
            before = _read(capture / name / kind / "000001.png")
            cut = before[top : top + part.height, left : left + part.width]
            assert np.array_equal(_read(tmp_path / "out" / name / kind / "000000.png"), cut)
        assert (_read(capture / name / "mask" / "000001.png") > 0).sum() == (cut > 0).sum()
        sizes.add((part.width, part.height))
    assert len(sizes) == 1 and max(sizes)[0] < 1280 and max(sizes)[1] < 720


def test_the_capture_is_parsed(capture: Path) -> None:
    outputs = KinectRGBDDataParserConfig(data=capture).setup().get_dataparser_outputs("train")
    assert sequence_of(outputs).num_frames == 2
    assert {image.camera_name for image in sequence_of(outputs).images} == {"left", "middle"}


def test_offsets_of_the_rig_move_times(recordings: tuple[dict[str, Path], Path], capture: Path, tmp_path: Path) -> None:
    """With the middle device's clock behind by a frame, its images belong to one frame later."""
    rig = json.loads(recordings[1].read_text())
    rig["middle"]["time_offset_us"] = PERIOD
    (tmp_path / "rig.json").write_text(json.dumps(rig))
    convert_recordings(tmp_path / "out", Request(recordings[0], tmp_path / "rig.json"))
    stamps = json.loads((tmp_path / "out" / "middle" / "timestamps.json").read_text())
    assert list(stamps.values()) == [1_000_000, 1_000_000 + PERIOD]
    later = (tmp_path / "out" / "middle" / "rgb" / "000001.png").read_bytes()
    assert later == (capture / "middle" / "rgb" / "000000.png").read_bytes()


def test_command(
    recordings: tuple[dict[str, Path], Path],
    capture: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, first = tmp_path / "capture", "right/rgb/000000.png"
    paths, box = map(str, recordings[0].values()), map(str, BALL_BOX.ravel())
    options = ["--recordings", *paths, "--rig", str(recordings[1]), "--frames", "0", "--masks", "--box", *box]
    monkeypatch.setattr(sys, "argv", ["rf-kinect", str(out), *options])
    kinect.entrypoint()
    assert (out / first).read_bytes() == (capture / first).read_bytes()
    printed = capsys.readouterr().out
    assert f"Wrote 1 frames of 3 cameras to {out}\nLargest gap in time: 0.320 ms (camera right, frame 0)\n" in printed
