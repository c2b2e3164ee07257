"""The one door between recordings and learning: what a dataparser returns, and everything else reads.

Notation: a sequence has N frames. A frame position is where a moment lies among them, i at frame i, in between linear;
its time in [0, 1] is the position / (N - 1). Images and their cameras stand in normalised space.
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float32, Float64, Int, Shaped, UInt8, UInt16
from PIL import Image
from torch import Tensor

from resfields_ns.captures.camera import Camera, CropWindow, Similarity
from resfields_ns.captures.clips.clip_pixels import ClipPixels, HoldOut
from resfields_ns.captures.clips.sound_files import SoundWindows
from resfields_ns.captures.clips.wave_references import WaveReference
from resfields_ns.captures.image_files import (
    holds_floats,
    open_image,
    read_alpha,
    read_depth,
    read_mask,
    read_picture,
    upright,
)
from resfields_ns.captures.meshes.mesh_frames import NormalisedSequence

MILLIMETRE = 1e-3  # what depth of 16 bits counts in where nothing else is said
SomeSequence = TypeVar("SomeSequence", bound="Sequence")


@dataclass(frozen=True)
class Frames:
    """The moments of a sequence.

    Args:
        numbers: the source's own number of every frame
        rate: frames a second; None where nothing tells
    """

    numbers: tuple[int, ...]
    rate: float | None = None

    def __len__(self) -> int:
        return len(self.numbers)


@dataclass(frozen=True, eq=False)
class SequenceImage:
    """What a camera sees at a moment.

    Args:
        file: where the image lies; a name alone where it is made when it is asked for
        camera_name: of the camera, which may move and take many images
        camera: in normalised space, for the size that the image has in training
        frame_position: when
    """

    file: Path
    camera_name: str
    camera: Camera
    frame_position: float

    @property
    def frame(self) -> int:
        """The nearest frame."""
        return round(self.frame_position)


@dataclass(frozen=True, eq=False)
class Sequence:
    """A split of a sequence: all of its frames, and the images that the split trains on or evaluates.

    Large data behind it are shared by copies: the host copies what it is given, and nothing here ever changes.

    Args:
        frames: of the whole sequence, whatever the split shows of them
        images: at least one
        to_world: normalised space to the world
        box: lower and upper corner of the scene, normalised
    """

    frames: Frames
    images: tuple[SequenceImage, ...]
    to_world: Similarity
    box: Float64[np.ndarray, "2 3"]

    def __deepcopy__(self, memo: dict) -> "Sequence":
        return self

    def known_as(self, kind: type[SomeSequence], **more: Any) -> SomeSequence:
        """The same sequence, of a kind that knows `more` of it."""
        return kind(**{name.name: getattr(self, name.name) for name in fields(self)}, **more)

    @property
    def num_frames(self) -> int:
        """N."""
        return len(self.frames)

    @cached_property
    def frame_index(self) -> Int[Tensor, "images"]:
        """The frame nearest to each image."""
        return torch.tensor([image.frame for image in self.images])

    @property
    def shown_numbers(self) -> list[int]:
        """Numbers of the frames that the images show, in their order."""
        return [self.frames.numbers[frame] for frame in dict.fromkeys(image.frame for image in self.images)]

    @property
    def camera_names(self) -> list[str]:
        """Of the images, each once, in their order."""
        return list(dict.fromkeys(image.camera_name for image in self.images))


@dataclass(frozen=True, eq=False)
class CapturedImage(SequenceImage):
    """An image file, with mask and depth where there are any.

    Args:
        mask: its file; where it is the image's own, the alpha of the image is the mask
        depth: its file
        plate: of an image of what its camera sees behind the scene
        window: the part of the files that counts; all of them by default
    """

    mask: Path | None = None
    depth: Path | None = None
    plate: Path | None = None
    window: CropWindow | None = None

    def read_colours(self) -> UInt8[np.ndarray, "height width 3"]:
        """The image at the camera's size; alpha is dropped."""
        if self.mask != self.file:
            return self._resized(read_picture(self.file))
        with open_image(self.file) as image:  # resized with its alpha, which weighs the colours
            return np.array(self._resized_image(upright(image).convert("RGBA")).convert("RGB"))

    def read_plate(self) -> UInt8[np.ndarray, "height width 3"]:
        """The camera's clean plate, at its size."""
        assert self.plate is not None
        return self._resized(read_picture(self.plate))

    def read_mask(self) -> UInt8[np.ndarray, "height width"]:
        """The mask's values, which a threshold makes foreground, at the camera's size."""
        assert self.mask is not None
        return self._resized(read_alpha(self.mask) if self.mask == self.file else read_mask(self.mask))

    def read_depth(self) -> UInt16[np.ndarray, "height width"] | Float32[np.ndarray, "height width"]:
        """The depth as the file holds it, at the camera's size: nearest readings, since depths must not be mixed."""
        assert self.depth is not None
        depth = self._cropped(read_depth(self.depth))
        rows, columns = (
            ((np.arange(new) + 0.5) * old / new).astype(np.int64)
            for old, new in zip(depth.shape, (self.camera.height, self.camera.width), strict=True)
        )
        return depth[rows[:, None], columns]

    def _resized(self, pixels: UInt8[np.ndarray, "_ _ *channels"]) -> UInt8[np.ndarray, "height width *channels"]:
        return np.array(self._resized_image(Image.fromarray(pixels)))

    def _resized_image(self, image: Image.Image) -> Image.Image:
        if (w := self.window) is not None:
            image = image.crop((w.left, w.top, w.left + w.width, w.top + w.height))
        return image if image.size == self.camera.size else image.resize(self.camera.size, Image.Resampling.BILINEAR)

    def _cropped(self, pixels: Shaped[np.ndarray, "_ _"]) -> Shaped[np.ndarray, "_ _"]:
        w = self.window
        return pixels if w is None else pixels[w.top : w.top + w.height, w.left : w.left + w.width]


@dataclass(frozen=True, eq=False)
class Capture(Sequence):
    """Images of cameras around a scene.

    Args:
        mask_threshold: a mask's value (0 to 255) above this is foreground
        depth_kind: what depth images hold: z along the optical axis, or the distance along the ray
        metres_per_count: what depth images count in
        image_scale: factor by which images were made smaller
        clouds, meshes: points and triangles of the surface at every frame, in normalised units, where there are any
    """

    images: tuple[CapturedImage, ...]
    mask_threshold: int = 127
    depth_kind: Literal["z", "ray"] = "z"
    metres_per_count: float = MILLIMETRE
    image_scale: float = 1.0
    clouds: tuple[Path, ...] | None = None
    meshes: tuple[Path, ...] | None = None

    def between(self, start: int, stop: int) -> "Capture":
        """Its frames from `start` to before `stop`, counted from 0, and the images nearest to them."""
        shown = [image for image in self.images if start <= image.frame < stop]
        return replace(
            self,
            frames=Frames(self.frames.numbers[start:stop], self.frames.rate),
            images=tuple(replace(image, frame_position=image.frame_position - start) for image in shown),
            clouds=None if self.clouds is None else self.clouds[start:stop],
            meshes=None if self.meshes is None else self.meshes[start:stop],
        )

    @property
    def holds_floats(self) -> bool:
        """Whether depth images hold floats, and not counts of 16 bits."""
        first = self.images[0].depth
        return first is not None and holds_floats(first)

    @property
    def has_masks(self) -> bool:
        """Whether every image has a mask."""
        return all(image.mask is not None for image in self.images)

    @property
    def has_depth(self) -> bool:
        """Whether every image has depth."""
        return all(image.depth is not None for image in self.images)

    @property
    def depth_unit(self) -> float:
        """What depth images count in, in normalised units."""
        return self.metres_per_count / self.to_world.scale

    def foreground(self, image: CapturedImage) -> npt.NDArray[np.bool_]:
        """Where an image's mask is foreground [H, W]."""
        return image.read_mask() > self.mask_threshold

    def distances(self, image: CapturedImage) -> Float32[np.ndarray, "height width"]:
        """Distances along the rays of an image's pixels, in normalised units, 0 for no reading."""
        stored, lengths = image.read_depth().astype(np.float32), image.camera.ray_lengths().astype(np.float32)
        return self.ray_distances(torch.from_numpy(stored), torch.from_numpy(lengths)).numpy()

    def ray_distances(self, stored: Tensor, ray_lengths: Tensor) -> Tensor:
        """Distances along unit rays, in normalised units, of depth as files hold it; 0 stays 0.

        Args:
            stored: depths of some pixels
            ray_lengths: of the pixels' rays where they cross the plane z = 1, lens included, of the same shape
        """
        depth = stored.float() * self.depth_unit
        return depth * ray_lengths if self.depth_kind == "z" else depth


@dataclass(frozen=True, eq=False)
class Clip(Sequence):
    """A video, as a picture that hangs in space.

    Args:
        pixels: of all frames
        hold_out: which of them are kept from training
        blended: pixels of a clip that is blended into it, of all frames or of one for all
    """

    pixels: ClipPixels
    hold_out: HoldOut
    blended: ClipPixels | None = None


@dataclass(frozen=True, eq=False)
class Sound(Sequence):
    """A sound, as drawings of the waveforms of its windows that hang in space.

    Args:
        windows: of all frames
        hold_out: which of their samples are kept from training
    """

    windows: SoundWindows
    hold_out: HoldOut


@dataclass(frozen=True, eq=False)
class PlaneWaves(Sequence):
    """Waves on a square that hangs in space, which solve an equation.

    Args:
        reference: the equation, and its solution by other means
    """

    reference: WaveReference


@dataclass(frozen=True, eq=False)
class Surfaces(Sequence):
    """Meshes, seen by cameras that are made for them.

    Args:
        meshes: of all frames, normalised
    """

    meshes: NormalisedSequence


@dataclass(frozen=True, eq=False)
class TrackedSurfaces(Surfaces):
    """Meshes of one topology, whose every vertex is tracked.

    Args:
        positions: of the vertices at every frame, normalised
        faces: triangles of all frames
    """

    positions: Tensor
    faces: Tensor
