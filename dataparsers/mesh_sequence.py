"""Mesh sequences: a folder with one PLY or OBJ file a frame (ReSynth, Ma et al. 2021), or one file of any kind."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from math import radians, sin, tan
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float
from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig
from nerfstudio.plugins.registry_dataparser import DataParserSpecification
from torch import Tensor
from tyro.conf import Suppress

from resfields_ns.captures.camera import Camera, Similarity
from resfields_ns.captures.meshes.mesh_frames import (
    Bounds,
    MeshSequence,
    Normalisation,
    NormalisedSequence,
    Placement,
    SequenceChain,
    sequence_bounds,
)
from resfields_ns.captures.poses import OPENGL_FROM_OPENCV, look_at
from resfields_ns.captures.sequence import Frames, SequenceImage, Surfaces
from resfields_ns.host.dataparsing import SequenceDataParser
from resfields_ns.options import Options, option
from resfields_ns.timeline import parse_frames

UP_AXES = {"y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
AZIMUTH, ELEVATION, FIELD_OF_VIEW = 45.0, 15.0, 40.0  # degrees
MARGIN = 1.05  # around the sphere that holds the shape


def sequence_cameras(
    bounds: Bounds, num_frames: int, path: Literal["fixed", "orbit"], up: Literal["y", "z"], size: int
) -> list[Camera]:
    """Cameras of square images of `size` pixels, one a frame, each of which sees the whole shape.

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
    poses = look_at(positions, centre, up_axis).double().numpy() * OPENGL_FROM_OPENCV
    return [Camera(size, size, focal, focal, size / 2.0, size / 2.0, pose=pose) for pose in poses]


def _directions(
    azimuths: Float[Tensor, "frames"], elevation: float, up: Float[Tensor, "3"]
) -> Float[Tensor, "frames 3"]:
    """Unit vectors at `azimuths` around `up` and `elevation` above the horizon (radians)."""
    across = torch.tensor([1.0, 0.0, 0.0])
    level = azimuths[:, None].cos() * across + azimuths[:, None].sin() * torch.linalg.cross(up, across)
    return np.cos(elevation) * level + np.sin(elevation) * up


@dataclass
class SequenceParserConfig(Options, DataParserConfig):
    """A mesh sequence, and how cameras look at it."""

    prefix: ClassVar[str] = "--"

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
    image_size: int = option(256, least=16, most=4096)
    """Side of the pictures in pixels."""
    space: Suppress[tuple[float, float, float, float] | None] = None
    """Scale and offset (x, y, z) that bring vertices into [-1, 1]^3, where they are not those of the sequence's box."""


class MeshDataParser(SequenceDataParser, ABC):
    """Reads a sequence into [-1, 1]^3; there is one camera a frame, and no image files."""

    config: SequenceParserConfig

    @abstractmethod
    def open_sequence(self) -> MeshSequence:
        """The sequence in its own units; ValueError if it is broken."""

    def chosen(self) -> tuple[MeshSequence, list[int], tuple[int, ...] | None]:
        """The sequence, which of its frames are used, and how many of these are of each, where it is several."""
        source = self.open_sequence()
        return source, parse_frames(self.config.frames, len(source)), None

    @abstractmethod
    def normalise(self, bounds: Bounds) -> Normalisation:
        """How a sequence of these bounds comes into [-1, 1]^3; ValueError if it cannot."""

    @cached_property
    def _sequence(self) -> tuple[NormalisedSequence, Bounds]:
        """The frames used, normalised, and their box; every frame is read once, so that what is broken is found."""
        source, frames, lengths = self.chosen()
        bounds = sequence_bounds(source, frames, Placement(), show_progress=True, name=str(self.config.data))
        normalisation = self._given_space(*self.config.space, bounds) if self.config.space else self.normalise(bounds)
        offset = (float(normalisation.offset[0]), float(normalisation.offset[1]), float(normalisation.offset[2]))
        return NormalisedSequence(source, frames, normalisation, lengths), bounds.moved(normalisation.scale, offset)

    def _given_space(self, scale: float, x: float, y: float, z: float, bounds: Bounds) -> Normalisation:
        found = bounds.moved(scale, (x, y, z))
        if found.lower.min() < -1.0 or found.upper.max() > 1.0:
            raise ValueError(
                f"{self.config.data}: expected shapes in the box of the run that they are fitted to, found "
                f"{found.lower.round(3).tolist()} to {found.upper.round(3).tolist()}, where the box is [-1, 1]^3"
            )
        return Normalisation(scale, np.array([x, y, z]))

    def read_sequence(self, split: str) -> Surfaces:
        """The surfaces of all frames, and pictures of those that the split shows."""
        config, (meshes, bounds) = self.config, self._sequence
        shown = parse_frames("::" if split == "train" else config.eval_frames, len(meshes), "--eval-frames")
        cameras = sequence_cameras(bounds, len(meshes), config.camera, config.up, config.image_size)
        return Surfaces(
            frames=Frames(tuple(meshes.frames)),
            images=tuple(
                SequenceImage(config.data / f"frame_{meshes.frames[i]:06d}", config.camera, cameras[i], float(i))
                for i in shown
            ),
            to_world=Similarity(meshes.normalisation.to_source),
            box=np.array([[-1.0] * 3, [1.0] * 3]),
            meshes=meshes,
        )


@dataclass
class MeshSequenceParserConfig(SequenceParserConfig):
    """A folder of meshes, or a .ply, .obj, .npz, .anime, .glb or .gltf file; or a folder of several such sequences."""

    _target: type = field(default_factory=lambda: MeshSequenceParser)
    data: Path = Path()
    """The folder or the file."""
    sequences: str = "::"
    """Sequences of a folder of several to use, as start:stop:step; 'frames' are those of each."""
    units: Literal["normalised", "source"] = "normalised"
    """Whether the sequence's box is moved into [-1, 1]^3, or lies there already and stays (ReSynth, as released)."""


class MeshSequenceParser(MeshDataParser):
    """Reads meshes of one or of changing topology."""

    config: MeshSequenceParserConfig

    def open_sequence(self) -> MeshSequence:
        """The folder or the file."""
        from resfields_ns.captures.meshes.mesh_files import open_mesh_sequence

        return open_mesh_sequence(self.config.data)

    def chosen(self) -> tuple[MeshSequence, list[int], tuple[int, ...] | None]:
        """As the base, and of a folder of several sequences some of each."""
        from resfields_ns.captures.meshes.mesh_files import open_chain

        several, config = open_chain(self.config.data), self.config
        if several is None:
            if config.sequences != "::":
                raise ValueError(f"--sequences: expected a folder of several sequences, found one in {config.data}")
            return super().chosen()
        chain = SequenceChain([several[i] for i in parse_frames(config.sequences, len(several), "--sequences")])
        frames, lengths, start = [], [], 0
        for part in chain.parts:
            of_part = parse_frames(config.frames, len(part))
            frames += [start + frame for frame in of_part]
            lengths.append(len(of_part))
            start += len(part)
        return chain, frames, tuple(lengths)

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
