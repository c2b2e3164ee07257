"""RGB-D captures: a few fixed, synchronised colour cameras with depth (layout: docs/kinect.md)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float64
from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig
from nerfstudio.plugins.registry_dataparser import DataParserSpecification
from nerfstudio.utils.rich_utils import CONSOLE

from resfields_ns import options
from resfields_ns.captures.camera import Camera, CropWindow, Similarity, scaled_size
from resfields_ns.captures.camera_files import CAMERA_FILE, read_camera_json
from resfields_ns.captures.camera_folder import (
    CameraFrames,
    camera_names,
    check_alike,
    metres_per_count,
    read_aabb,
    read_camera_frames,
)
from resfields_ns.captures.image_files import check_size, list_frames
from resfields_ns.captures.sequence import Capture, Frames
from resfields_ns.captures.spaces import box_of_points, box_windows, depth_points
from resfields_ns.captures.time_stamps import (
    TIME_STAMPS_FILE,
    MatchedFrames,
    frame_rate,
    match_frames,
    read_time_stamps,
)
from resfields_ns.host.dataparsing import SequenceDataParser
from resfields_ns.timeline import parse_frames


@dataclass
class KinectRGBDDataParserConfig(options.Options, DataParserConfig):
    """A capture by synchronised RGB-D cameras."""

    prefix: ClassVar[str] = "--"

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
    image_scale: float = options.option(1.0, above=0, most=1)
    """Factor, at most 1, by which images are made smaller."""
    time_offsets_ms: dict[str, float] = field(default_factory=dict)
    """Milliseconds to add to the times of cameras, by name."""
    largest_gap_ms: float = options.option(17.0, above=0)
    """Milliseconds that images of one frame may be apart."""
    crop: bool = True
    """Cut the images to what they show of the scene box."""
    depth_unit: float | None = options.option(None, above=0, data="depth")
    """Metres (units of the cameras' world) in one count of depth images; by default 0.001, or 1 of floats."""
    mask_threshold: int = options.option(127, least=0, most=254, data="masks")
    """A mask value (0 to 255) above this is foreground."""

    def check_options(self) -> None:
        """Raise ValueError for a camera that is named twice."""
        super().check_options()
        if len(set(self.train_cameras)) < len(self.train_cameras):
            raise ValueError(f"--train-cameras: expected different cameras, found {list(self.train_cameras)}")


@dataclass(frozen=True)
class _Rig:
    """The chosen cameras of a capture and their frames, matched in time."""

    train: list[str]
    validation: str
    cameras: dict[str, Camera]
    files: dict[str, CameraFrames]
    frame_numbers: list[int]
    rate: float | None


class KinectRGBD(SequenceDataParser):
    """Reads a capture into a space in which its scene box's corners lie on the unit sphere.

    Images are ordered by camera, then frame.
    """

    config: KinectRGBDDataParserConfig

    def read_sequence(self, split: str) -> Capture:
        """The capture, with the images of the training cameras or of the validation camera."""
        config = self.config
        rig = self._read_rig(report=split == "train")
        box = self._scene_box(rig)
        windows = self._windows(rig, box)
        to_world = Similarity.of(float(np.linalg.norm(box[1] - box[0])) / 2, box.mean(axis=0))
        names = rig.train if split == "train" else [rig.validation]
        images = []
        for name in names:
            size = scaled_size((windows[name].width, windows[name].height), config.image_scale)
            camera = rig.cameras[name].cropped(windows[name]).resized(size).moved(to_world.inverse)
            images += rig.files[name].captured([camera] * len(rig.frame_numbers), windows[name])
        return Capture(
            frames=Frames(tuple(rig.frame_numbers), rig.rate),
            images=tuple(images),
            to_world=to_world,
            box=to_world.inverse(box),
            mask_threshold=config.mask_threshold,
            metres_per_count=metres_per_count(config.depth_unit, rig.files[names[0]]),
            image_scale=config.image_scale,
        )

    def _read_rig(self, report: bool) -> _Rig:
        config = self.config
        train, validation = self._choose_cameras()
        names = [*train, validation]
        cameras = {name: read_camera_json(config.data / name / CAMERA_FILE) for name in names}
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
            check_size(config.data / name / CAMERA_FILE, cameras[name].size, of.size, "its images")
        check_alike([files[name] for name in train])
        return _Rig(train, validation, cameras, files, frame_numbers, frame_rate(matched.times))

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

    def _scene_box(self, rig: _Rig) -> Float64[np.ndarray, "2 3"]:
        """The box of `aabb.txt`, in metres of the world, or around the training cameras' depth."""
        config = self.config
        path = config.data / "aabb.txt"
        if path.is_file():
            return np.array(read_aabb(path))
        points = []
        for name in rig.train:
            of = rig.files[name]
            if of.depths is None:
                raise ValueError(
                    f"{config.data}: expected a scene box (aabb.txt, metres) or depth images to find it, found neither"
                )
            unit = metres_per_count(config.depth_unit, of)
            points.append(depth_points(rig.cameras[name], of.depths, of.masks, config.mask_threshold, unit))
        found = np.concatenate(points)
        if len(found) == 0:
            raise ValueError(
                f"{config.data}: expected depth readings (with masks, on the foreground) to find the scene box, "
                "found none"
            )
        return box_of_points(found)

    def _windows(self, rig: _Rig, box: Float64[np.ndarray, "2 3"]) -> dict[str, CropWindow]:
        """The part of each camera's images that is used."""
        if self.config.crop:
            return box_windows(rig.cameras, box)
        return {name: CropWindow(0, 0, *of.size) for name, of in rig.files.items()}


def _check_undistorted(path: Path, camera: Camera) -> None:
    if not camera.lens.is_straight:
        raise ValueError(
            f"{path}: distortion: expected images without distortion, found {camera.lens.opencv.tolist()}: "
            "rf-kinect undistorts recordings, undistort_capture other captures (docs/kinect.md)"
        )


kinect_rgbd_specification = DataParserSpecification(
    config=KinectRGBDDataParserConfig(),
    description="RGB-D cameras that are synchronised by time stamps, as rf-kinect writes them.",
)
