"""What dataparsers of mesh sequences share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from nerfstudio.data.dataparsers.base_dataparser import DataParser, DataParserConfig, DataparserOutputs
from nerfstudio.data.scene_box import SceneBox

from resfields_ns.frames import parse_frames
from resfields_ns.mesh_sequences.bounds import Bounds, sequence_bounds
from resfields_ns.mesh_sequences.mesh_sequence import MeshSequence
from resfields_ns.mesh_sequences.placement import Placement
from resfields_ns.surfaces.normalised_sequence import Normalisation, NormalisedSequence
from resfields_ns.surfaces.sequence_cameras import sequence_cameras


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
