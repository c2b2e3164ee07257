"""Sequences through nerfstudio's dataparsers: into its outputs, with one key of metadata, and back."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from collections.abc import Sequence as Images
from dataclasses import replace
from typing import Any, final, overload

import numpy as np
import torch
from jaxtyping import Float
from nerfstudio.cameras.cameras import Cameras, CameraType
from nerfstudio.data.dataparsers.base_dataparser import DataParser, DataparserOutputs
from nerfstudio.data.datasets.base_dataset import InputDataset
from nerfstudio.data.scene_box import SceneBox
from torch import Tensor

from resfields_ns.captures.camera import Camera, Lens
from resfields_ns.captures.poses import OPENGL_FROM_OPENCV
from resfields_ns.captures.sequence import Sequence, SomeSequence
from resfields_ns.timeline import times_from_frames

Holder = Mapping[str, Any] | DataparserOutputs | InputDataset
_KEY = "sequence"
_WORDS = {
    "Capture": "a capture of cameras",
    "Clip": "a video",
    "Surfaces": "a mesh sequence",
    "PlaneWaves": "waves on a plane",
    "Sequence": "a sequence",
    "Sound": "a sound",
    "TrackedSurfaces": "a mesh sequence of one topology",
    "NoneType": "data of another plugin",
}


class SequenceDataParser(DataParser, ABC):
    """A dataparser of ours: it reads a sequence, and this class makes of it what the host wants."""

    includes_time = True

    @abstractmethod
    def read_sequence(self, split: str) -> Sequence:
        """The sequence with the images of a split, "train", "val" or "test"; ValueError if the data are broken."""

    @final
    def _generate_dataparser_outputs(self, split: str = "train", **kwargs: Any) -> DataparserOutputs:
        return host_outputs(self.read_sequence(split))


def host_outputs(sequence: Sequence) -> DataparserOutputs:
    """What the host trains on."""
    scale, to_normalised = sequence.to_world.scale, sequence.to_world.inverse
    positions = torch.tensor([image.frame_position for image in sequence.images], dtype=torch.float64)
    return DataparserOutputs(
        image_filenames=[image.file for image in sequence.images],
        cameras=host_cameras(
            [image.camera for image in sequence.images], times_from_frames(positions, sequence.num_frames)
        ),
        scene_box=SceneBox(aabb=torch.from_numpy(sequence.box).float()),
        metadata=metadata_of(sequence),
        dataparser_transform=torch.from_numpy(to_normalised.matrix[:3] * scale).float(),
        dataparser_scale=1.0 / scale,
    )


def with_sequence(outputs: DataparserOutputs, sequence: Sequence) -> DataparserOutputs:
    """Outputs of a dataparser, once more is known of their sequence."""
    return replace(outputs, metadata=metadata_of(sequence))


def metadata_of(sequence: Sequence) -> dict[str, Any]:
    """What the host carries from a dataparser to datasets and models."""
    return {_KEY: sequence}


@overload
def sequence_of(holder: Holder) -> Sequence: ...
@overload
def sequence_of(holder: Holder, kind: type[SomeSequence]) -> SomeSequence: ...
def sequence_of(holder: Holder, kind: type[Sequence] = Sequence) -> Sequence:
    """The sequence behind a dataset, a dataparser's outputs or their metadata, of a kind.

    Raises ValueError if there is none, or one of another kind, as another dataparser gives it.
    """
    metadata = holder if isinstance(holder, Mapping) else holder.metadata
    found = metadata.get(_KEY)
    if not isinstance(found, kind):
        expected, there = (_WORDS.get(name, name) for name in (kind.__name__, type(found).__name__))
        raise ValueError(f"--data: expected {expected} for this method, found {there}: choose another dataparser")
    return found


def host_cameras(cameras: Images[Camera], times: Float[Tensor, "images"]) -> Cameras:
    """nerfstudio's cameras, in order.

    Raises ValueError for a lens that its rays cannot undo: one with k4, k5 or k6.
    """
    intrinsics = torch.tensor([[c.fx, c.fy, c.cx, c.cy] for c in cameras], dtype=torch.float32)
    fx, fy, cx, cy = intrinsics[..., None].unbind(dim=1)
    width, height = torch.tensor([c.size for c in cameras])[..., None].unbind(dim=1)
    bent = any(not c.lens.is_straight for c in cameras)
    return Cameras(
        camera_to_worlds=torch.from_numpy(np.stack([c.pose * OPENGL_FROM_OPENCV for c in cameras])).float(),
        fx=fx,
        fy=fy,
        cx=cx,
        cy=cy,
        width=width,
        height=height,
        distortion_params=torch.tensor([_host_lens(c.lens) for c in cameras]) if bent else None,
        camera_type=CameraType.PERSPECTIVE,
        times=times[:, None],
    )


def _host_lens(lens: Lens) -> tuple[float, ...]:
    """nerfstudio's k1 to k4, of r^2 to r^8, and p1, p2."""
    if any((lens.k4, lens.k5, lens.k6)):
        raise ValueError(f"expected a lens with k1, k2, k3, p1, p2 alone, found {lens}: undistort the images first")
    return lens.k1, lens.k2, lens.k3, 0.0, lens.p1, lens.p2
