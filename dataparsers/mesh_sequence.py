"""Mesh sequences: a folder with one PLY or OBJ file a frame (ReSynth, Ma et al. 2021), or one file of any kind.

Mesh sequences: a folder with one PLY or OBJ file a frame (ReSynth, Ma et al. 2021), or one file of any kind.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from math import radians, sin, tan
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from nerfstudio.cameras.cameras import Cameras, CameraType
from nerfstudio.data.dataparsers.base_dataparser import DataParser, DataParserConfig, DataparserOutputs
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.plugins.registry_dataparser import DataParserSpecification
from torch import Tensor

from resfields_ns.captures.meshes.mesh_frames import (
    Bounds,
    MeshSequence,
    Normalisation,
    NormalisedSequence,
    Placement,
    sequence_bounds,
)
from resfields_ns.captures.poses import look_at
from resfields_ns.timeline import parse_frames, times_from_frames

UP_AXES = {"y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
AZIMUTH, ELEVATION, FIELD_OF_VIEW = 45.0, 15.0, 40.0  # degrees
MARGIN = 1.05  # around the sphere that holds the shape


def sequence_cameras(
    bounds: Bounds, num_frames: int, path: Literal["fixed", "orbit"], up: Literal["y", "z"], size: int
) -> Cameras:
    """Cameras of square images of `size` pixels, at the frames' times.

    Args:
        bounds: of the shape at all frames
        path: one place, or once around while the sequence plays
    """
    half_angle = radians(FIELD_OF_VIEW / 2.0)
    focal = 0.5 * size / tan(half_angle)
    distance = MARGIN * 0.5 * float(np.linalg.norm(bounds.size)) / sin(half_angle)
    turns = torch.arange(num_frames) / num_frames * (360.0 if path == "orbit" else 0.0)
    centre, up_axis = torch.from_numpy(bounds.centre).float(), torch.tensor(UP_AXES[up])
    positions = centre + distance * _directions(torch.deg2rad(AZIMUTH + turns), radians(ELEVATION), up_axis)
    return Cameras(
        camera_to_worlds=look_at(positions, centre, up_axis),
        fx=focal,
        fy=focal,
        cx=size / 2.0,
        cy=size / 2.0,
        width=size,
        height=size,
        camera_type=CameraType.PERSPECTIVE,
        times=times_from_frames(torch.arange(num_frames), num_frames)[:, None],
    )


def _directions(
    azimuths: Float[Tensor, "frames"], elevation: float, up: Float[Tensor, "3"]
) -> Float[Tensor, "frames 3"]:
    """Unit vectors at `azimuths` around `up` and `elevation` above the horizon (radians)."""
    across = torch.tensor([1.0, 0.0, 0.0])
    level = azimuths[:, None].cos() * across + azimuths[:, None].sin() * torch.linalg.cross(up, across)
    return np.cos(elevation) * level + np.sin(elevation) * up


@dataclass
class SequenceParserConfig(DataParserConfig):
    """A mesh sequence, and how cameras look at it."""

    data: Path = Path()
    """The sequence."""
    frames: str = "::"
    """Frames to use, as start:stop:step."""
    eval_frames: str = "::"
    """Frames to evaluate, of those used and counted from 0, as start:stop:step."""
    up: Literal["y", "z"] = "y"
    """The axis that points up in pictures."""
    camera: Literal["fixed", "orbit"] = "fixed"
    """How pictures are taken: from one place, or from once around while the sequence plays."""
    image_size: int = 256
    """Side of the pictures in pixels."""

    def __post_init__(self) -> None:
        if not 16 <= self.image_size <= 4096:
            raise ValueError(f"--image-size: expected 16 to 4096 pixels, found {self.image_size}")


class SequenceParser(DataParser, ABC):
    """Reads a sequence into [-1, 1]^3; there is one camera a frame, and no image files.

    The metadata holds the sequence as `sequence`.
    """

    config: SequenceParserConfig
    includes_time = True

    @abstractmethod
    def open_sequence(self) -> MeshSequence:
        """The sequence in its own units; ValueError if it is broken."""

    @abstractmethod
    def normalise(self, bounds: Bounds) -> Normalisation:
        """How a sequence of these bounds comes into [-1, 1]^3; ValueError if it cannot."""

    @cached_property
    def _sequence(self) -> tuple[NormalisedSequence, Bounds]:
        """The frames used, normalised, and their box; every frame is read once, so that what is broken is found."""
        source = self.open_sequence()
        frames = parse_frames(self.config.frames, len(source))
        bounds = sequence_bounds(source, frames, Placement(), show_progress=True)
        normalisation = self.normalise(bounds)
        offset = (float(normalisation.offset[0]), float(normalisation.offset[1]), float(normalisation.offset[2]))
        return NormalisedSequence(source, frames, normalisation), bounds.moved(normalisation.scale, offset)

    def _generate_dataparser_outputs(self, split: str = "train", **kwargs: Any) -> DataparserOutputs:
        config, (sequence, bounds) = self.config, self._sequence
        shown = parse_frames("::" if split == "train" else config.eval_frames, len(sequence), "--eval-frames")
        frame_numbers = [sequence.frames[index] for index in shown]
        cameras = sequence_cameras(bounds, len(sequence), config.camera, config.up, config.image_size)
        normalised_to_world = torch.from_numpy(sequence.normalisation.to_source).float()
        return DataparserOutputs(
            image_filenames=[config.data / f"frame_{number:06d}" for number in frame_numbers],
            cameras=cameras[torch.tensor(shown)],
            scene_box=SceneBox(aabb=torch.tensor([[-1.0] * 3, [1.0] * 3])),
            metadata={
                "num_frames": len(sequence),
                "frame_index": torch.arange(len(shown)),
                "frame_numbers": frame_numbers,
                "camera_names": [config.camera] * len(shown),
                "normalised_to_world": normalised_to_world,
                "sequence": sequence,
            },
            dataparser_transform=torch.linalg.inv(normalised_to_world)[:3] / sequence.normalisation.scale,
            dataparser_scale=sequence.normalisation.scale,
        )


@dataclass
class MeshSequenceParserConfig(SequenceParserConfig):
    """A folder of meshes, or a .npz, .anime, .glb or .gltf file."""

    _target: type = field(default_factory=lambda: MeshSequenceParser)
    data: Path = Path()
    """The folder or the file."""
    units: Literal["normalised", "source"] = "normalised"
    """Whether the sequence's box is moved into [-1, 1]^3, or lies there already and stays (ReSynth, as released)."""


class MeshSequenceParser(SequenceParser):
    """Reads meshes of one or of changing topology."""

    config: MeshSequenceParserConfig

    def open_sequence(self) -> MeshSequence:
        """The folder or the file."""
        from resfields_ns.captures.meshes.mesh_files import open_mesh_sequence

        return open_mesh_sequence(self.config.data)

    def normalise(self, bounds: Bounds) -> Normalisation:
        """Centred in the box, or as it is."""
        if self.config.units == "normalised":
            return Normalisation.of_box(bounds)
        if bounds.lower.min() < -1.0 or bounds.upper.max() > 1.0:
            raise ValueError(
                f"--units source: expected vertices in [-1, 1]^3, found {bounds.lower.tolist()} to "
                f"{bounds.upper.tolist()} in {self.config.data}"
            )
        return Normalisation.none()


mesh_sequence_specification = DataParserSpecification(
    config=MeshSequenceParserConfig(), description="A mesh sequence: a folder of PLY or OBJ files, npz or glTF."
)
