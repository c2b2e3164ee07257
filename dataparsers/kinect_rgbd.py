"""RGB-D captures: a few fixed, synchronised colour cameras with depth (layout: docs/kinect.md)."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from nerfstudio.data.dataparsers.base_dataparser import DataParser, DataParserConfig, DataparserOutputs
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.plugins.registry_dataparser import DataParserSpecification
from nerfstudio.utils.rich_utils import CONSOLE

from resfields_ns.captures.camera import CropWindow, Pinhole
from resfields_ns.captures.camera_files import CAMERA_FILE, METRES_PER_DEPTH_UNIT, RGBDCamera, read_rgbd_camera
from resfields_ns.captures.camera_folder import CameraFrames, camera_names, check_alike, read_aabb, read_camera_frames
from resfields_ns.captures.image_files import check_size, list_frames
from resfields_ns.captures.spaces import box_of_points, box_windows, depth_points, into_cube
from resfields_ns.captures.time_stamps import TIME_STAMPS_FILE, MatchedFrames, match_frames, read_time_stamps
from resfields_ns.captures.views import check_image_scale, make_cameras, resize_pinhole, scaled_size
from resfields_ns.timeline import parse_frames, times_from_frames


@dataclass
class KinectRGBDDataParserConfig(DataParserConfig):
    """A capture by synchronised RGB-D cameras."""

    _target: type = field(default_factory=lambda: KinectRGBD)
    data: Path = Path()
    """Folder of the capture."""
    train_cameras: tuple[str, ...] = ()
    """Camera folders to train on; by default all but the validation camera."""
    validation_camera: str | None = None
    """Camera folder to evaluate on; by default the last by name."""
    reference_camera: str | None = None
    """Camera whose images are the frames, to which others are matched; by default the first to train on."""
    frames: str = "::"
    """Frames to use of those within the time of all cameras, as start:stop:step."""
    image_scale: float = 1.0
    """Factor, at most 1, by which images are made smaller."""
    time_offsets_ms: dict[str, float] = field(default_factory=dict)
    """Milliseconds to add to the times of cameras, by name."""
    largest_gap_ms: float = 17.0
    """Milliseconds that images of one frame may be apart."""
    crop: bool = True
    """Cut the images to what they show of the scene box."""
    mask_threshold: int = 127
    """A mask value (0 to 255) above this is foreground."""

    def __post_init__(self) -> None:
        check_image_scale(self.image_scale)
        if not 0 <= self.mask_threshold < 255:
            raise ValueError(f"--mask-threshold: expected 0 to 254, found {self.mask_threshold}")
        if not 0.0 < self.largest_gap_ms < float("inf"):
            raise ValueError(f"--largest-gap-ms: expected a number above 0, found {self.largest_gap_ms}")
        if len(set(self.train_cameras)) < len(self.train_cameras):
            raise ValueError(f"--train-cameras: expected different cameras, found {list(self.train_cameras)}")


@dataclass(frozen=True)
class _Capture:
    """The chosen cameras of a capture and their frames, matched in time."""

    train: list[str]
    validation: str
    cameras: dict[str, RGBDCamera]
    files: dict[str, CameraFrames]
    frame_numbers: list[int]


class KinectRGBD(DataParser):
    """Reads a capture into a space in which its scene box's corners lie on the unit sphere.

    Images are ordered by camera, then frame.
    """

    config: KinectRGBDDataParserConfig
    includes_time = True

    def _generate_dataparser_outputs(self, split: str = "train", **kwargs: Any) -> DataparserOutputs:
        config = self.config
        capture = self._read_capture(report=split == "train")
        box = self._scene_box(capture)
        windows = self._windows(capture, box)
        normalised_to_world = _normalisation(box)
        scale = float(normalised_to_world[0, 0])
        window = next(iter(windows.values()))
        size = scaled_size((window.width, window.height), config.image_scale)
        names = capture.train if split == "train" else [capture.validation]
        files = [capture.files[name] for name in names]
        num_frames = len(capture.frame_numbers)
        frame_positions = torch.arange(num_frames).repeat(len(names))
        pinholes = [_pinhole(capture.cameras[name], windows[name], size, normalised_to_world) for name in names]
        metadata = {
            "num_frames": num_frames,
            "frame_index": frame_positions,
            "frame_numbers": capture.frame_numbers,
            "camera_names": [name for name in names for _ in range(num_frames)],
            "mask_filenames": _concatenate([of.masks for of in files]),
            "mask_threshold": config.mask_threshold,
            "depth_filenames": _concatenate([of.depths for of in files]),
            "depth_kind": "z",
            "depth_to_normalised": METRES_PER_DEPTH_UNIT / scale,
            "crop_windows": [windows[name] for name in names for _ in range(num_frames)],
            "image_scale": config.image_scale,
            "cloud_filenames": None,
            "mesh_filenames": None,
            "normalised_to_world": torch.from_numpy(normalised_to_world).float(),
        }
        world_to_normalised = np.linalg.inv(normalised_to_world)
        return DataparserOutputs(
            image_filenames=[path for of in files for path in of.images],
            cameras=make_cameras(
                [pinhole for pinhole in pinholes for _ in range(num_frames)],
                size,
                times_from_frames(frame_positions, num_frames),
            ),
            scene_box=SceneBox(aabb=torch.from_numpy((box - normalised_to_world[:3, 3]) / scale).float()),
            metadata=metadata,
            dataparser_transform=torch.from_numpy(world_to_normalised[:3] * scale).float(),
            dataparser_scale=1.0 / scale,
        )

    def _read_capture(self, report: bool) -> _Capture:
        config = self.config
        train, validation = self._choose_cameras()
        names = [*train, validation]
        cameras = {name: read_rgbd_camera(config.data / name / CAMERA_FILE) for name in names}
        for name, camera in cameras.items():
            _check_undistorted(config.data / name / CAMERA_FILE, camera)
        image_names = {name: list(list_frames(config.data / name / "rgb")) for name in names}
        matched = self._match(image_names, config.reference_camera or train[0], report)
        frame_numbers = parse_frames(config.frames, len(matched.largest_gaps))
        matched = matched.chosen(frame_numbers)
        files = {
            name: read_camera_frames(config.data / name, image_names[name], matched.images[name].tolist())
            for name in names
        }
        for name, of in files.items():
            i = cameras[name].intrinsics
            check_size(config.data / name / CAMERA_FILE, (i.width, i.height), of.size, "its images")
        check_alike([files[name] for name in train])
        return _Capture(train, validation, cameras, files, frame_numbers)

    def _choose_cameras(self) -> tuple[list[str], str]:
        config = self.config
        found = camera_names(config.data)
        if len(found) < 2:
            there = ", ".join(found) or "no camera folder"
            raise ValueError(f"{config.data}: expected cameras to train on and one to evaluate on, found {there}")
        validation = config.validation_camera or found[-1]
        train = list(config.train_cameras) or [name for name in found if name != validation]
        for option, names in [
            ("--train-cameras", train),
            ("--validation-camera", [validation]),
            ("--time-offsets-ms", list(config.time_offsets_ms)),
        ]:
            unknown = [name for name in names if name not in found]
            if unknown:
                raise ValueError(
                    f"{option}: expected cameras of {config.data} ({', '.join(found)}), found {unknown[0]!r}"
                )
        used = [*train, validation]
        if config.reference_camera is not None and config.reference_camera not in used:
            raise ValueError(
                f"--reference-camera: expected one of the cameras used ({', '.join(used)}), "
                f"found {config.reference_camera!r}"
            )
        return train, validation

    def _match(self, image_names: dict[str, list[str]], reference: str, report: bool) -> MatchedFrames:
        """The frames within the time of all cameras; with a report of the largest gap between images of a frame."""
        config = self.config
        times = {}
        for name, names in image_names.items():
            stamps = read_time_stamps(config.data / name / TIME_STAMPS_FILE, names)
            times[name] = stamps + round(1000 * config.time_offsets_ms.get(name, 0.0))
        matched = match_frames(times, reference, round(1000 * config.largest_gap_ms), str(config.data))
        camera, frame = matched.worst()
        gap = int(matched.largest_gaps[frame]) / 1000
        if gap > config.largest_gap_ms:
            raise ValueError(
                f"--largest-gap-ms: expected images of {config.data} within {config.largest_gap_ms:g} ms of those of "
                f"camera {reference}, found {gap:.1f} ms: camera {camera} at frame {frame}"
            )
        if report:
            CONSOLE.print(
                f"Matched {len(matched.largest_gaps)} frames of {len(times)} cameras to {reference}; "
                f"largest gap {gap:.3f} ms (camera {camera}, frame {frame})"
            )
        return matched

    def _scene_box(self, capture: _Capture) -> Float64[np.ndarray, "2 3"]:
        """The box of `aabb.txt`, in metres of the world, or around the training cameras' depth."""
        config = self.config
        path = config.data / "aabb.txt"
        if path.is_file():
            return np.array(read_aabb(path))
        points = []
        for name in capture.train:
            of = capture.files[name]
            if of.depths is None:
                raise ValueError(
                    f"{config.data}: expected a scene box (aabb.txt, metres) or depth images to find it, found neither"
                )
            points.append(depth_points(capture.cameras[name], of.depths, of.masks, config.mask_threshold))
        found = np.concatenate(points)
        if len(found) == 0:
            raise ValueError(
                f"{config.data}: expected depth readings (with masks, on the foreground) to find the scene box, "
                "found none"
            )
        return box_of_points(found)

    def _windows(self, capture: _Capture, box: Float64[np.ndarray, "2 3"]) -> dict[str, CropWindow]:
        """The part of each camera's images that is used, of one size."""
        if self.config.crop:
            return box_windows(capture.cameras, box)
        first = capture.files[capture.train[0]]
        for name, of in capture.files.items():
            check_size(self.config.data / name, of.size, first.size, f"camera {first.folder.name}")
        return {name: CropWindow(0, 0, *of.size) for name, of in capture.files.items()}


def _check_undistorted(path: Path, camera: RGBDCamera) -> None:
    if camera.intrinsics.is_distorted:
        raise ValueError(
            f"{path}: distortion: expected images without distortion, found {list(camera.intrinsics.distortion)}: "
            "rf-kinect undistorts recordings, undistort_capture other captures (docs/kinect.md)"
        )


def _normalisation(box: Float64[np.ndarray, "2 3"]) -> Float64[np.ndarray, "4 4"]:
    """Normalised space, where the box's corners lie on the unit sphere, to world."""
    matrix = np.diag([*[float(np.linalg.norm(box[1] - box[0])) / 2] * 3, 1.0])
    matrix[:3, 3] = box.mean(axis=0)
    return matrix


def _pinhole(
    camera: RGBDCamera, window: CropWindow, size: tuple[int, int], normalised_to_world: Float64[np.ndarray, "4 4"]
) -> Pinhole:
    """The camera in normalised space, for its part of the images at the size that they are trained at."""
    cropped = replace(camera, intrinsics=camera.intrinsics.cropped(window))
    resized = resize_pinhole(cropped.pinhole, (window.width, window.height), size)
    return into_cube(resized, normalised_to_world)


def _concatenate(files_per_camera: list[list[Path] | None]) -> list[Path] | None:
    """All cameras' files in order, or None where the cameras have none."""
    if any(files is None for files in files_per_camera):
        return None
    return [path for files in files_per_camera for path in files or []]


kinect_rgbd_specification = DataParserSpecification(
    config=KinectRGBDDataParserConfig(),
    description="RGB-D cameras that are synchronised by time stamps, as rf-kinect writes them.",
)
