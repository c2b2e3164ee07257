"""Multi-view captures in the Owlii / NeuS layout: one folder per camera, fixed or moving, over common frames."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float64
from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig
from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from resfields_ns import options
from resfields_ns.captures.camera import (
    scaled_size,
)
from resfields_ns.captures.camera_folder import (
    camera_names,
    check_alike,
    common_frame_names,
    metres_per_count,
    read_aabb,
    read_camera_frames,
    read_cameras,
    read_normalisation,
)
from resfields_ns.captures.sequence import Capture, Frames
from resfields_ns.captures.time_stamps import TIME_STAMPS_FILE, frame_rate, read_time_stamps
from resfields_ns.files import list_folder
from resfields_ns.host.dataparsing import SequenceDataParser
from resfields_ns.timeline import parse_frames


@dataclass
class OwliiDataParserConfig(options.Options, DataParserConfig):
    """A capture in the Owlii / NeuS layout."""

    prefix: ClassVar[str] = "--"

    _target: type = field(default_factory=lambda: Owlii)
    data: Path = Path()
    """Folder of the capture."""
    train_cameras: tuple[str, ...] = ("cam_train_1", "cam_train_3", "cam_train_6", "cam_train_8")
    """Camera folders to train on."""
    test_cameras: tuple[str, ...] = ("cam_test",)
    """Camera folders to evaluate on."""
    frames: str = "::"
    """Frames to use, as start:stop:step."""
    image_scale: float = options.option(1.0, above=0, most=1)
    """Factor, at most 1, by which images are made smaller."""
    depth_kind: Literal["z", "ray"] = options.option("z", data="depth")
    """What depth images hold: z along the optical axis, or the distance along the ray."""
    depth_unit: float | None = options.option(None, above=0, data="depth")
    """Metres (units of the cameras' world) in one count of depth images; by default 0.001, or 1 of floats."""
    mask_threshold: int = options.option(127, least=0, most=254, data="masks")
    """A mask value (0 to 255) above this is foreground."""

    def check_options(self) -> None:
        """Raise ValueError for cameras that are missing or named twice."""
        super().check_options()
        for option, names in [("--train-cameras", self.train_cameras), ("--test-cameras", self.test_cameras)]:
            if not names or len(set(names)) < len(names):
                raise ValueError(f"{option}: expected one or more different cameras, found {list(names)}")


class Owlii(SequenceDataParser):
    """Reads a capture into the space that its `scale_mat` normalises; images are ordered by camera, then frame."""

    config: OwliiDataParserConfig

    def read_sequence(self, split: str) -> Capture:
        """The capture, with the images of the training or of the test cameras."""
        config = self.config
        self._check_cameras_exist()
        frame_names = common_frame_names([config.data / name for name in config.train_cameras + config.test_cameras])
        frames = parse_frames(config.frames, len(frame_names))
        names = config.train_cameras if split == "train" else config.test_cameras
        folders = [read_camera_frames(config.data / name, frame_names, frames) for name in names]
        check_alike(folders)
        to_world = read_normalisation(config.data / config.train_cameras[0], frames[0])
        sizes = [scaled_size(folder.size, config.image_scale) for folder in folders]
        return Capture(
            frames=Frames(tuple(frames), _rate(config.data / config.train_cameras[0], frame_names, frames)),
            images=tuple(
                image
                for folder, size in zip(folders, sizes, strict=True)
                for image in folder.captured(
                    [camera.resized(size) for camera in read_cameras(folder, frames, to_world)]
                )
            ),
            to_world=to_world,
            box=_scene_box(config.data / "aabb.txt"),
            mask_threshold=config.mask_threshold,
            depth_kind=config.depth_kind,
            metres_per_count=metres_per_count(config.depth_unit, folders[0]),
            image_scale=config.image_scale,
            clouds=_per_frame_files(config.data / "cloud", frames),
            meshes=_per_frame_files(config.data / "mesh", frames),
        )

    def _check_cameras_exist(self) -> None:
        config = self.config
        found = camera_names(config.data)
        for option, names in [("--train-cameras", config.train_cameras), ("--test-cameras", config.test_cameras)]:
            unknown = [name for name in names if name not in found]
            if unknown:
                there = ", ".join(found) or "no camera folder"
                raise ValueError(f"{option}: expected cameras of {config.data} ({there}), found {unknown[0]!r}")


def _scene_box(path: Path) -> Float64[np.ndarray, "2 3"]:
    return np.array(read_aabb(path) if path.is_file() else [[-1.0] * 3, [1.0] * 3])


def _rate(camera: Path, frame_names: list[str], frames: list[int]) -> float | None:
    """Of the chosen frames a second, where a camera's folder has their times."""
    path = camera / TIME_STAMPS_FILE
    return frame_rate(read_time_stamps(path, frame_names)[frames]) if path.is_file() else None


def _per_frame_files(folder: Path, frames: list[int]) -> tuple[Path, ...] | None:
    """The ply files of the chosen frames, or None where there is no such folder."""
    if not folder.is_dir():
        return None
    files = list_folder(folder, {".ply"})
    if len(files) <= max(frames):
        raise ValueError(
            f"{folder}: expected one ply file for each frame, {max(frames) + 1} or more, found {len(files)}"
        )
    return tuple(files[frame] for frame in frames)


owlii_specification = DataParserSpecification(
    config=OwliiDataParserConfig(),
    description="Multi-view capture over time, one folder per camera (Owlii / NeuS layout).",
)
