"""Multi-view captures in the Owlii / NeuS layout: one folder per camera, fixed or moving, over common frames."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float64
from nerfstudio.data.dataparsers.base_dataparser import DataParser, DataParserConfig, DataparserOutputs
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from resfields_ns.captures.camera import Pinhole, check_same_similarity, decompose_projection, similarity_scale
from resfields_ns.captures.camera_folder import (
    CameraFrames,
    camera_names,
    check_alike,
    common_frame_names,
    read_aabb,
    read_camera_frames,
    read_matrices,
)
from resfields_ns.captures.views import check_image_scale, make_cameras, resize_pinhole, scaled_size
from resfields_ns.timeline import parse_frames, times_from_frames

_CAMERA_FILE = "cameras_sphere.npz"
_METRES_PER_DEPTH_UNIT = 1e-3


@dataclass
class OwliiDataParserConfig(DataParserConfig):
    """A capture in the Owlii / NeuS layout."""

    _target: type = field(default_factory=lambda: Owlii)
    data: Path = Path()
    """Folder of the capture."""
    train_cameras: tuple[str, ...] = ("cam_train_1", "cam_train_3", "cam_train_6", "cam_train_8")
    """Camera folders to train on."""
    test_cameras: tuple[str, ...] = ("cam_test",)
    """Camera folders to evaluate on."""
    frames: str = "::"
    """Frames to use, as start:stop:step."""
    image_scale: float = 1.0
    """Factor, at most 1, by which images are made smaller."""
    depth_kind: Literal["z", "ray"] = "z"
    """What depth images hold: z along the optical axis, or the distance along the ray."""
    mask_threshold: int = 127
    """A mask value (0 to 255) above this is foreground."""

    def __post_init__(self) -> None:
        check_image_scale(self.image_scale)
        if not 0 <= self.mask_threshold < 255:
            raise ValueError(f"--mask-threshold: expected 0 to 254, found {self.mask_threshold}")
        for option, names in [("--train-cameras", self.train_cameras), ("--test-cameras", self.test_cameras)]:
            if not names or len(set(names)) < len(names):
                raise ValueError(f"{option}: expected one or more different cameras, found {list(names)}")


class Owlii(DataParser):
    """Reads a capture into the space that its `scale_mat` normalises; images are ordered by camera, then frame."""

    config: OwliiDataParserConfig
    includes_time = True

    def _generate_dataparser_outputs(self, split: str = "train", **kwargs: Any) -> DataparserOutputs:
        config = self.config
        self._check_cameras_exist()
        frame_names = common_frame_names([config.data / name for name in config.train_cameras + config.test_cameras])
        frames = parse_frames(config.frames, len(frame_names))
        names = config.train_cameras if split == "train" else config.test_cameras
        cameras = [read_camera_frames(config.data / name, frame_names, frames) for name in names]
        check_alike(cameras)

        normalised_to_world = self._read_normalisation(frames)
        scale = similarity_scale(normalised_to_world, self._normalisation_name(frames))
        pinholes = [pinhole for camera in cameras for pinhole in _pinholes(camera, frames, normalised_to_world)]
        size = scaled_size(cameras[0].size, config.image_scale)
        frame_positions = torch.arange(len(frames)).repeat(len(cameras))
        metadata = {
            "num_frames": len(frames),
            "frame_index": frame_positions,
            "frame_numbers": frames,
            "camera_names": [name for name in names for _ in frames],
            "mask_filenames": _concatenate([camera.masks for camera in cameras]),
            "mask_threshold": config.mask_threshold,
            "depth_filenames": _concatenate([camera.depths for camera in cameras]),
            "depth_kind": config.depth_kind,
            "depth_to_normalised": _METRES_PER_DEPTH_UNIT / scale,
            "image_scale": config.image_scale,
            "cloud_filenames": _per_frame_files(config.data / "cloud", frames),
            "mesh_filenames": _per_frame_files(config.data / "mesh", frames),
            "normalised_to_world": torch.from_numpy(normalised_to_world).float(),
        }
        world_to_normalised = np.linalg.inv(normalised_to_world)
        return DataparserOutputs(
            image_filenames=[path for camera in cameras for path in camera.images],
            cameras=make_cameras(
                [resize_pinhole(pinhole, cameras[0].size, size) for pinhole in pinholes],
                size,
                times_from_frames(frame_positions, len(frames)),
            ),
            scene_box=_scene_box(config.data / "aabb.txt"),
            metadata=metadata,
            dataparser_transform=torch.from_numpy(world_to_normalised[:3] * scale).float(),
            dataparser_scale=1.0 / scale,
        )

    def _check_cameras_exist(self) -> None:
        config = self.config
        found = camera_names(config.data)
        for option, names in [("--train-cameras", config.train_cameras), ("--test-cameras", config.test_cameras)]:
            unknown = [name for name in names if name not in found]
            if unknown:
                there = ", ".join(found) or "no camera folder"
                raise ValueError(f"{option}: expected cameras of {config.data} ({there}), found {unknown[0]!r}")

    def _read_normalisation(self, frames: list[int]) -> Float64[np.ndarray, "4 4"]:
        """The scale matrix, normalised to world, that all cameras and frames must share."""
        path = self.config.data / self.config.train_cameras[0] / _CAMERA_FILE
        return read_matrices(path, frames[:1])[1][0]

    def _normalisation_name(self, frames: list[int]) -> str:
        return f"{self.config.data / self.config.train_cameras[0] / _CAMERA_FILE}: scale_mat_{frames[0]}"


def _pinholes(
    camera: CameraFrames, frames: list[int], normalised_to_world: Float64[np.ndarray, "4 4"]
) -> list[Pinhole]:
    path = camera.folder / _CAMERA_FILE
    world_matrices, scale_matrices = read_matrices(path, frames)
    pinholes = []
    for frame, world, scale in zip(frames, world_matrices, scale_matrices, strict=True):
        check_same_similarity(scale, normalised_to_world, f"{path}: scale_mat_{frame}")
        pinholes.append(decompose_projection((world @ scale)[:3], f"{path}: world_mat_{frame}"))
    return pinholes


def _scene_box(path: Path) -> SceneBox:
    corners = read_aabb(path) if path.is_file() else [[-1.0] * 3, [1.0] * 3]
    return SceneBox(aabb=torch.tensor(corners, dtype=torch.float32))


def _concatenate(files_per_camera: list[list[Path] | None]) -> list[Path] | None:
    """All cameras' files in order, or None where the cameras have none."""
    if any(files is None for files in files_per_camera):
        return None
    return [path for files in files_per_camera for path in files or []]


def _per_frame_files(folder: Path, frames: list[int]) -> list[Path] | None:
    """The ply files of the chosen frames, or None where there is no such folder."""
    if not folder.is_dir():
        return None
    files = sorted(folder.glob("*.ply"))
    if len(files) <= max(frames):
        raise ValueError(
            f"{folder}: expected one ply file for each frame, {max(frames) + 1} or more, found {len(files)}"
        )
    return [files[frame] for frame in frames]


owlii_specification = DataParserSpecification(
    config=OwliiDataParserConfig(),
    description="Multi-view capture over time, one folder per camera (Owlii / NeuS layout).",
)
