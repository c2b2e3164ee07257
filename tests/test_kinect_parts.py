"""The parts of rf-kinect: lenses, registration of depth, calibrations, matching in time, crop windows."""

import json
import re
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import trimesh

from resfields_ns.captures.camera import Camera, CropWindow, Lens
from resfields_ns.captures.kinect.device import COLOR_MODES, DEPTH_MODES, DeviceCalibration, parse_calibration
from resfields_ns.captures.kinect.registration import LARGEST_JUMP, DepthRegistration, depth_triangles, rasterise_depth
from resfields_ns.captures.lens import Undistortion, undistorted_view
from resfields_ns.captures.meshes.ray_casting import cast_rays
from resfields_ns.captures.spaces import box_windows
from resfields_ns.captures.time_stamps import match_frames
from tests.kinect_scene import BALL_BOX, COLOR_LENS, DEPTH_LENS, Device, distort, pose

_MODES = [(depth, color) for depth in DEPTH_MODES for color in ("720P", "3072P")]


def _parse(change: Callable[[dict[str, Any]], object] | None = None, depth: str = "NFOV_UNBINNED", color: str = "720P"):
    content = Device(0.0).calibration()
    if change is not None:
        change(content["CalibrationInformation"])
    return parse_calibration(json.dumps(content).encode(), DEPTH_MODES[depth], COLOR_MODES[color], "calibration.json")


def _pinhole_calibration(size: tuple[int, int] = (60, 40)) -> DeviceCalibration:
    """Both cameras alike and at one place."""
    intrinsics = Camera(*size, 50.0, 51.0, 0.48 * size[0], 0.53 * size[1])
    return DeviceCalibration(intrinsics, 2.0, intrinsics, np.eye(3), np.zeros(3))


@pytest.mark.parametrize(("depth", "color"), _MODES)
def test_parameters_are_of_the_whole_sensor(depth: str, color: str) -> None:
    """pixel = parameter * sensor - offset, and the distortion in OpenCV's order."""
    calibration = _parse(None, depth, color)
    for intrinsics, lens, mode in [
        (calibration.depth, DEPTH_LENS, DEPTH_MODES[depth]),
        (calibration.color, COLOR_LENS, COLOR_MODES[color]),
    ]:
        assert (intrinsics.width, intrinsics.height) == mode.size
        assert intrinsics.cx == pytest.approx(lens[0] * mode.sensor[0] - mode.offset[0])
        assert intrinsics.cy == pytest.approx(lens[1] * mode.sensor[1] - mode.offset[1])
        assert intrinsics.fx == pytest.approx(lens[2] * mode.sensor[0])
        assert intrinsics.fy == pytest.approx(lens[3] * mode.sensor[1])
        k1, k2, k3, k4, k5, k6, _, _, p2, p1 = lens[4:]
        assert intrinsics.lens == Lens(k1=k1, k2=k2, k3=k3, k4=k4, k5=k5, k6=k6, p1=p1, p2=p2)
    np.testing.assert_allclose(calibration.translation, Device.translation)


@pytest.mark.parametrize("sensor", [(4096, 2304), (3840, 2160), (1366, 768)])
def test_colour_calibrated_for_wide_images(sensor: tuple[int, int]) -> None:
    """Rows of a 16:9 calibration count from row 384 of the sensor's 3072."""

    def widen(information: dict[str, Any]) -> None:
        color = information["Cameras"][1]
        color["SensorWidth"], color["SensorHeight"] = sensor
        parameters = color["Intrinsics"]["ModelParameters"]
        parameters[1] = (parameters[1] * 3072 - 384) / 2304
        parameters[3] = parameters[3] * 3072 / 2304

    wide, whole = _parse(widen).color, _parse().color
    assert (wide.cy, wide.fy) == pytest.approx((whole.cy, whole.fy))


def _vendors_calibration(information: dict[str, Any]) -> None:
    """The calibration of the tests of the vendor's SDK (MIT licence), but for what it leaves at zero."""
    depth, color = information["Cameras"]
    color["SensorWidth"], color["SensorHeight"] = 3840, 2160
    depth["Intrinsics"]["ModelParameters"] = [
        *(0.5021858215332031, 0.5017953515052795, 0.4928196966648102, 0.4929271340370178),
        *(0.5825164318084717, 0.006136116571724415, -0.0013186802389100194),
        *(0.9256134629249573, 0.1256897747516632, -0.006530247628688812),
        *(0, 0, -2.0833556845900603e-05, -0.00012877916742581874),
    ]
    color["Intrinsics"]["ModelParameters"] = [
        *(0.4962615370750427, 0.5045394897460938, 0.48109495639801025, 0.8550289273262024),
        *(-1.05756676197052, -1.399342656135559, 1.7508856058120728),
        *(-1.1485179662704468, -1.1924415826797485, 1.6220585107803345),
        *(0, 0, -1.2259531104064081e-05, 0.0006910160882398486),
    ]
    color["Rt"]["Rotation"] = [
        *(0.9999947547912598, 8.952798089012504e-05, -0.0032330064568668604),
        *(0.0001289974752580747, 0.9977173209190369, 0.0675286054611206),
        *(0.00323167210444808, -0.06752867251634598, 0.9977120757102966),
    ]
    color["Rt"]["Translation"] = [-0.03194226697087288, -0.0024762286338955164, 0.0036488529294729233]


def test_the_vendors_own_numbers() -> None:
    """Its tests expect these of depth pixel (256, 256) at 1000 mm; pixels count from the centre of the first one."""
    calibration = _parse(_vendors_calibration, "WFOV_2X2BINNED", "2160P")
    plane = calibration.depth.plane_coordinates(np.array([256.5, 256.5]))
    point = 1000.0 * np.append(plane, 1.0)
    np.testing.assert_allclose(point, [-2.45376134, -1.66107690, 1000.0], atol=1e-3)
    in_color = calibration.rotation @ point + 1000.0 * calibration.translation
    np.testing.assert_allclose(in_color, [-37.6291695, 63.3947754, 1001.46521], atol=1e-3)
    pixel = calibration.color.pixels_of(in_color) - 0.5
    np.testing.assert_allclose(pixel, [1835.689453, 1206.290039], atol=1e-3)


def test_calibration_may_begin_and_end_as_devices_write_it() -> None:
    data = b"\xef\xbb\xbf" + json.dumps(Device(0.0).calibration()).encode() + b"\0"
    parsed = parse_calibration(data, DEPTH_MODES["NFOV_UNBINNED"], COLOR_MODES["720P"], "calibration.json")
    assert repr(parsed.depth) == repr(_parse().depth)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i: i.clear(), "CalibrationInformation: expected the key 'Cameras', found none"),
        (lambda i: i["Cameras"].pop(0), "expected one of location CALIBRATION_CameraLocationD0, found CALIBRATION_Cam"),
        (lambda i: i["Cameras"][1].pop("Rt"), "LocationPV0: expected an object 'Rt', found None"),
        (lambda i: i["Cameras"][0].pop("Intrinsics"), "LocationD0: expected an object 'Intrinsics', found None"),
        (lambda i: i["Cameras"][0].pop("MetricRadius"), "LocationD0: expected the key 'MetricRadius', found "),
        (
            lambda i: i["Cameras"][0]["Intrinsics"].update(ModelParameters=[0.5] * 8),
            "LocationD0: Intrinsics: ModelParameters: expected 14 numbers, found [0.5, ",
        ),
        (
            lambda i: i["Cameras"][0]["Intrinsics"].update(ModelParameters=[0.5] * 13 + [None]),
            "ModelParameters: expected 14 numbers, found ",
        ),
        (
            lambda i: i["Cameras"][1]["Intrinsics"].update(ModelType="CALIBRATION_LensDistortionModelRational6KT"),
            "ModelType: expected CALIBRATION_LensDistortionModelBrownConrady, found CALIBRATION_LensDistortionModelRat",
        ),
        (
            lambda i: i["Cameras"][1]["Rt"].update(Rotation=[1.0] * 9),
            "LocationPV0: Rt: Rotation: expected a rotation, found [[1.0, ",
        ),
        (
            lambda i: i["Cameras"][1]["Intrinsics"]["ModelParameters"].__setitem__(2, 0.0),
            "ModelParameters: expected focal lengths above 0, found 0, 0.6306",
        ),
        (
            lambda i: i["Cameras"][1].update(SensorHeight=2048),
            "LocationPV0: SensorWidth, SensorHeight: expected 4:3 or 16:9, found 4096x2048",
        ),
    ],
)
def test_calibration_with_something_wrong(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        _parse(change)
    assert str(error.value).startswith("calibration.json: ")


def test_calibration_that_is_no_json() -> None:
    with pytest.raises(ValueError, match="calibration.json: expected JSON, found data that cannot be read"):
        parse_calibration(b"\x00\xff{", DEPTH_MODES["NFOV_UNBINNED"], COLOR_MODES["720P"], "calibration.json")


@pytest.mark.parametrize("mode", DEPTH_MODES)
def test_undistorting_undoes_the_vendors_formula(mode: str) -> None:
    lens = _parse(None, mode).depth
    grid = np.linspace(-1.0, 1.0, 21)
    plane = np.stack(np.meshgrid(grid, grid), axis=-1)
    pixels = distort(plane, tuple(DEPTH_LENS)) * [lens.fx, lens.fy] + [lens.cx, lens.cy]
    np.testing.assert_allclose(lens.plane_coordinates(pixels), plane, atol=1e-9)


def test_a_lens_model_without_an_answer_gives_none() -> None:
    """x (1 - x^2) has its maximum at 0.385: no plane coordinate is seen at 0.5."""
    lens = Camera(100, 100, 100.0, 100.0, 50.0, 50.0, Lens(k1=-1.0))
    inside, outside = lens.plane_coordinates(np.array([[70.0, 50.0], [100.0, 50.0]]))
    assert inside[0] * (1.0 - inside[0] ** 2) == pytest.approx(0.2)
    assert np.isnan(outside).all()
    with pytest.raises(ValueError, match="front.mkv: expected a lens model that holds up to the image's border"):
        undistorted_view(lens, "front.mkv")


@pytest.mark.parametrize("color", ["720P", "3072P"])
def test_undistorted_view_is_the_largest_without_gaps(color: str) -> None:
    lens = _parse(None, "NFOV_UNBINNED", color).color
    view = undistorted_view(lens, "")
    size = (lens.width, lens.height)
    assert (view.width, view.height) == size
    x, y = (np.linspace(0.0, length, 400) for length in size)
    border = np.concatenate([np.stack([x, np.full_like(x, at)], -1) for at in (0.0, size[1])])
    border = np.concatenate([border, *(np.stack([np.full_like(y, at), y], -1) for at in (0.0, size[0]))])
    pixels = distort(view.plane_coordinates(border), tuple(COLOR_LENS)) * [lens.fx, lens.fy] + [lens.cx, lens.cy]
    room = np.concatenate([pixels, size - pixels], axis=-1)
    assert room.min() > -0.02  # pixels
    assert (room.min(axis=0) < 0.02).all()


def test_undistorting_without_distortion_changes_nothing() -> None:
    lens = Camera(64, 48, 70.0, 71.0, 30.3, 25.6)
    image = np.random.default_rng(0).integers(0, 256, size=(48, 64, 3), dtype=np.uint8)
    view = undistorted_view(lens, "")
    assert [view.fx, view.fy, view.cx, view.cy] == pytest.approx([70.0, 71.0, 30.3, 25.6])
    assert np.array_equal(Undistortion.between(lens, view)(image), image)
    window = CropWindow(left=5, top=7, width=20, height=30)
    assert np.array_equal(Undistortion.between(lens, view.cropped(window))(image), image[7:37, 5:25])


def test_undistorted_pixels_show_what_the_lens_saw() -> None:
    """A ramp over the lens's image, read at a pixel of the view, tells where the lens saw it."""
    lens = _parse().color
    view = undistorted_view(lens, "")
    ramp = np.zeros((lens.height, lens.width, 3), np.uint8)
    ramp[..., 0] = np.arange(lens.width) // 8
    ramp[..., 1] = np.arange(lens.height)[:, None] // 8
    found = Undistortion.between(lens, view)(ramp)[..., :2]
    plane = view.plane_coordinates(view.pixel_grid())
    expected = distort(plane, tuple(COLOR_LENS)) * [lens.fx, lens.fy] + [lens.cx, lens.cy]
    assert np.abs(found - (expected - 4.0) / 8.0).max() < 0.6


def test_registering_to_the_same_camera_changes_nothing() -> None:
    calibration = _pinhole_calibration()
    depth = np.random.default_rng(0).integers(1000, 1040, size=(40, 60), dtype=np.uint16)
    assert np.array_equal(DepthRegistration(calibration, calibration.color)(depth), depth)


@pytest.mark.parametrize("mode", ["NFOV_2X2BINNED", "WFOV_2X2BINNED"])
def test_registered_depth_is_that_of_cast_rays(mode: str) -> None:
    """The same triangles, hit by the rays of the view's pixels."""
    calibration = _parse(None, mode)
    view = undistorted_view(calibration.color, "").cropped(CropWindow(300, 200, 400, 300))
    row, column = np.mgrid[: calibration.depth.height, : calibration.depth.width]
    depth = (1500.0 + 100.0 * np.sin(column / 40.0) + row).astype(np.uint16)
    depth[100:150, 100:180] = 900
    depth[200:210, 150:170] = 0
    plane = calibration.depth.plane_coordinates(calibration.depth.pixel_grid())
    rays = np.concatenate([plane, np.ones_like(plane[..., :1])], axis=-1) * depth[..., None]
    points = rays.reshape(-1, 3) @ calibration.rotation.T + 1000.0 * calibration.translation
    known = (depth > 0) & (np.linalg.norm(plane, axis=-1) <= calibration.depth_radius)
    triangles = depth_triangles(depth.astype(np.float64), known)
    seen = view.plane_coordinates(view.pixel_grid()).reshape(-1, 2)
    mesh = trimesh.Trimesh(np.nan_to_num(points), triangles, process=False)
    hits = cast_rays(mesh, np.zeros(3), np.column_stack([seen, np.ones(len(seen))]))
    expected = np.zeros(len(seen))
    expected[hits.hit] = hits.distances
    registered = DepthRegistration(calibration, view)(depth).ravel()
    assert ((registered > 0) != hits.hit).mean() < 1e-4
    both = (registered > 0) & hits.hit
    assert both.any() and not both.all()
    assert np.percentile(np.abs(registered - expected)[both], 99.99) < 0.51


def test_no_triangle_lies_across_a_jump() -> None:
    depth = np.full((6, 8), 1000.0)
    depth[:, 4:] = 1000.0 * (1.0 + LARGEST_JUMP) - 1e-6
    everything = np.ones(depth.shape, bool)
    assert len(depth_triangles(depth, everything)) == 2 * 5 * 7
    depth[:, 4:] += 0.1
    assert len(depth_triangles(depth, everything)) == 2 * 5 * 6
    everything[2, 1] = False
    assert len(depth_triangles(depth, everything)) == 2 * 5 * 6 - 6


def test_of_two_triangles_the_nearer_is_seen() -> None:
    pixels = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    depths = np.array([2.0, 2.0, 2.0, 1.0, 1.0, 1.0])
    for triangles in ([[0, 1, 2], [3, 4, 5]], [[5, 4, 3], [2, 1, 0]]):
        depth = rasterise_depth(pixels, depths, np.array(triangles), (9, 9))
        x, y = np.meshgrid(np.arange(9) + 0.5, np.arange(9) + 0.5)
        expected = np.where(x + y <= 4.0, 1.0, np.where(x + y <= 9.0, 2.0, np.inf))
        np.testing.assert_allclose(depth, expected)


def test_neighbouring_triangles_leave_no_pixel_out() -> None:
    """A grid of quads with corners on pixel centres covers every centre, and 1 / depth is linear over a plane."""
    x, y = np.meshgrid(np.arange(-3.0, 40.0, 2.5), np.arange(-3.0, 30.0, 2.5))
    pixels = np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5
    inverse = 0.5 + 0.003 * pixels[:, 0] - 0.002 * pixels[:, 1]
    triangles = depth_triangles(np.ones_like(x), np.ones(x.shape, bool))
    depth = rasterise_depth(pixels, 1.0 / inverse, triangles, (25, 36))
    row, column = np.mgrid[:25, :36] + 0.5
    np.testing.assert_allclose(1.0 / depth, 0.5 + 0.003 * column - 0.002 * row, atol=1e-12)


def test_depth_that_looks_behind_the_view_is_left_out() -> None:
    calibration = _pinhole_calibration()
    backwards = DeviceCalibration(
        calibration.depth, 2.0, calibration.color, np.diag([-1.0, 1.0, -1.0]), calibration.translation
    )
    assert not DepthRegistration(backwards, calibration.color)(np.full((40, 60), 1000, np.uint16)).any()


def test_each_frame_gets_the_image_nearest_in_time() -> None:
    rng = np.random.default_rng(0)
    times = {name: np.sort(rng.choice(10_000, size, replace=False)) for name, size in (("a", 60), ("b", 80), ("c", 1))}
    times["c"][:] = (times["a"][30] + times["b"][40]) // 2
    matched = match_frames(times, "a", 10_000, "capture")
    assert len(matched.largest_gaps) == 60
    for name, other in times.items():
        for frame, index in enumerate(matched.images[name]):
            gap = abs(int(other[index]) - int(times["a"][frame]))
            assert gap == np.abs(other - times["a"][frame]).min() == abs(matched.gaps[name][frame])
    camera, frame = matched.worst()
    assert abs(matched.gaps[camera][frame]) == max(np.abs(gaps).max() for gaps in matched.gaps.values())


def test_frames_outside_the_time_of_a_camera_are_left_out() -> None:
    times = {"a": np.arange(0, 100, 10), "b": np.arange(33, 83, 10), "c": np.arange(-50, 200, 10)}
    matched = match_frames(times, "a", 4, "capture")
    assert times["a"][matched.images["a"]].tolist() == [30, 40, 50, 60, 70]
    assert matched.gaps["b"].tolist() == [3] * 5


def test_clocks_that_do_not_overlap() -> None:
    times = {"a": np.array([0, 1_000_000]), "b": np.array([3_000_000, 3_500_000])}
    message = "capture: expected cameras of one clock that overlap in time, found 3.000 to 3.500 s of camera b without"
    with pytest.raises(ValueError, match=message):
        match_frames(times, "a", 1000, "capture")


def test_windows_hold_the_box_and_have_one_size() -> None:
    cameras = {
        f"{azimuth:g}": Camera(320, 240, 260.0, 250.0, 150.0, 130.0, pose=pose(azimuth, 25.0, distance)[:3])
        for azimuth, distance in ((0.0, 2.5), (60.0, 3.5), (130.0, 3.0))
    }
    windows = box_windows(cameras, BALL_BOX)
    assert len({(window.width, window.height) for window in windows.values()}) == 1
    tight = []
    for name, camera in cameras.items():
        window = windows[name]
        corners = np.array(np.meshgrid(*BALL_BOX.T)).reshape(3, -1).T
        pixels = camera.pixels_of(camera.to_camera(corners))
        lower, upper = pixels.min(axis=0), pixels.max(axis=0)
        assert window.left <= lower[0] and upper[0] <= window.left + window.width <= 320
        assert window.top <= lower[1] and upper[1] <= window.top + window.height <= 240
        tight.append(upper - lower)
        cropped = camera.cropped(window)
        np.testing.assert_allclose(
            cropped.pixels_of(camera.to_camera(corners)), pixels - [window.left, window.top], atol=1e-9
        )
    size = next(iter(windows.values()))
    assert (np.array([size.width, size.height]) - np.max(tight, axis=0) < 2.0).all()


def test_a_box_around_a_camera_takes_its_whole_image() -> None:
    camera = Camera(320, 240, 260.0, 250.0, 150.0, 130.0, pose=pose(0.0)[:3])
    around = np.stack([camera.centre - 1.0, camera.centre + 1.0])
    assert box_windows({"front": camera}, around)["front"] == CropWindow(0, 0, 320, 240)


@pytest.mark.parametrize("shift", [[0.0, 0.0, 9.0], [9.0, 0.0, 0.0]], ids=["behind", "beside"])
def test_a_box_that_a_camera_does_not_see(shift: list[float]) -> None:
    camera = Camera(320, 240, 260.0, 250.0, 150.0, 130.0, pose=pose(0.0)[:3])
    with pytest.raises(ValueError, match="camera front: expected it to see the scene box .* found it does not"):
        box_windows({"front": camera}, BALL_BOX + shift)


def test_lens_and_opencv_agree() -> None:
    """The vendor's formula is OpenCV's rational model."""
    lens = _parse().color
    plane = np.random.default_rng(0).uniform(-0.8, 0.8, size=(50, 2))
    points = np.column_stack([plane, np.ones(50)])
    projected, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), np.eye(3), lens.lens.opencv)
    np.testing.assert_allclose(projected[:, 0], distort(plane, tuple(COLOR_LENS)), atol=1e-12)
    np.testing.assert_allclose(projected[:, 0], lens.lens.distort(plane), atol=1e-12)
