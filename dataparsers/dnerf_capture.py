"""D-NeRF's captures (Pumarola et al. 2021): one image a moment, each from a place of its own.

Cameras are told as in nerfstudio's `transforms.json`, which is read too. Where no training image has a time, as in
NeRF's captures (Mildenhall et al. 2020), the scene stands still: all images are of one frame.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64
from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig
from nerfstudio.plugins.registry_dataparser import DataParserSpecification
from nerfstudio.utils.rich_utils import CONSOLE

from resfields_ns.captures.camera import Camera, Similarity, check_proportion, scaled_size
from resfields_ns.captures.image_files import check_size, image_size, mask_size, open_image
from resfields_ns.captures.json_file import read_json, read_list, read_number, read_text
from resfields_ns.captures.lens import check_lens
from resfields_ns.captures.sequence import Capture, CapturedImage, Frames
from resfields_ns.captures.spaces import CUBE
from resfields_ns.captures.time_stamps import Moments
from resfields_ns.captures.transforms_file import read_frame_camera, read_frames
from resfields_ns.host.dataparsing import SequenceDataParser
from resfields_ns.options import Options, option

_SUFFIXES = (".png", ".jpg", ".jpeg")
_LISTS = {"train": ("train",), "val": ("val", "test"), "test": ("test", "val")}
"""Splits of the one file -> lists that may tell their images, the first counts."""


@dataclass
class DNeRFCaptureConfig(Options, DataParserConfig):
    """A capture with D-NeRF's `transforms_train.json`, `transforms_val.json` and `transforms_test.json`, or with
    nerfstudio's `transforms.json`; each frame of a scene that moves has a time."""

    prefix: ClassVar[str] = "--"

    _target: type = field(default_factory=lambda: DNeRFCapture)
    data: Path = Path()
    """Folder of the capture."""
    frames: str = "::"
    """Frames to use, as start:stop:step: the distinct times of the training images, in order."""
    image_scale: float = option(1.0, above=0, most=1)
    """Factor, at most 1, by which images are made smaller."""
    mask_threshold: int = option(127, least=0, most=254, data="masks")
    """A mask's or an alpha value (0 to 255) above this is foreground."""
    scene_radius: float = option(1.5, above=0)
    """Half the side of the scene box, which stands around the origin, in the capture's units."""


class DNeRFCapture(SequenceDataParser):
    """Reads a capture; images are ordered as in the file.

    The mask of an image is the file that `mask_path` names, else its alpha. A split is one camera, which moves from
    image to image.
    """

    config: DNeRFCaptureConfig

    def read_sequence(self, split: str) -> Capture:
        """The capture, with the images of one split."""
        config = self.config
        train = _Shots.read(config.data, "train")
        moments = Moments.choose(train.times(train.moves), config.frames)
        shots = train if split == "train" else _Shots.read(config.data, split)
        times = shots.times(train.moves)
        used = np.flatnonzero(moments.chosen(times) if split == "train" else moments.covered(times)).tolist()
        if not used:
            raise ValueError(f"{shots.path}: expected images at the times of --frames {config.frames}, found none")
        images = shots.images()
        original_size = _common_size(images)
        masks = shots.masks(images, original_size)
        size = scaled_size(original_size, config.image_scale)
        to_world = Similarity.of(config.scene_radius, np.zeros(3))
        cameras = [camera.moved(to_world.inverse).resized(size) for camera in shots.cameras(images, original_size)]
        positions = moments.positions(times)
        return Capture(
            frames=Frames(tuple(moments.frames)),
            images=tuple(
                CapturedImage(
                    file=images[index],
                    camera_name=split,
                    camera=cameras[index],
                    frame_position=float(positions[index]),
                    mask=None if masks is None else masks[index],
                )
                for index in used
            ),
            to_world=to_world,
            box=CUBE,
            mask_threshold=config.mask_threshold,
            image_scale=config.image_scale,
        )


@dataclass(frozen=True)
class _Shots:
    """The images of a split.

    Args:
        path: of the file that tells them
        content: of the file
        chosen: which of its frames they are
    """

    path: Path
    content: dict[str, Any]
    chosen: list[int]

    @classmethod
    def read(cls, data: Path, split: str) -> "_Shots":
        """From the split's own file or, where there are none, from the one file and its lists of the splits' files."""
        path, one_file = data / f"transforms_{split}.json", data / "transforms.json"
        if (data / "transforms_train.json").exists() or not one_file.is_file():
            content = read_json(path)
            return cls(path, content, list(range(len(read_frames(content, path)))))
        content = read_json(one_file)
        files = [_text(frame, "file_path", one_file, i) for i, frame in enumerate(read_frames(content, one_file))]
        keys = [f"{name}_filenames" for name in _LISTS[split] if f"{name}_filenames" in content]
        if not keys:
            if split != "train":
                CONSOLE.print(f"{one_file} has no {split}_filenames: evaluation uses the training images.")
                return cls.read(data, "train")
            return cls(one_file, content, list(range(len(files))))
        listed = read_list(content, keys[0], str(one_file))
        for file in listed:
            if file not in files:
                raise ValueError(f"{one_file}: {keys[0]}: expected files of frames, found {file!r}")
        if not listed:
            raise ValueError(f"{one_file}: {keys[0]}: expected one or more files, found none")
        return cls(one_file, content, [index for index, file in enumerate(files) if file in listed])

    @property
    def moves(self) -> bool:
        """Whether one of them has a time."""
        frames = (self._frame(index) for index in self.chosen)
        return any(isinstance(frame, dict) and "time" in frame for frame in frames)

    def times(self, told: bool) -> Float64[np.ndarray, "images"]:
        """When they were taken; all at 0 in a capture that does not tell."""
        if not told:
            return np.zeros(len(self.chosen))
        times = np.array([read_number(self._frame(i), "time", self._name(i)) for i in self.chosen])
        for index in np.flatnonzero((times < 0.0) | (times > 1.0))[:1]:
            raise ValueError(f"{self._name(self.chosen[index])}: time: expected 0 to 1, found {times[index]}")
        return times

    def images(self) -> list[Path]:
        """Their files; a name without suffix is one of a png."""
        return [self._file(index, "file_path") for index in self.chosen]

    def masks(self, images: list[Path], size: tuple[int, int]) -> list[Path] | None:
        """Files of their masks, which may be their own; None without masks."""
        with_mask = [index for index in self.chosen if "mask_path" in self._frame(index)]
        if with_mask:
            masks = [self._file(index, "mask_path") for index in self.chosen]
            for mask, image in zip(masks, images, strict=True):
                check_size(mask, mask_size(mask), size, f"the image {image.name}")
            return masks
        return images if _have_alpha(images) else None

    def cameras(self, images: list[Path], size: tuple[int, int]) -> list[Camera]:
        """Their cameras, for images of a size."""
        cameras = []
        for index, image in zip(self.chosen, images, strict=True):
            camera = read_frame_camera(self.content, index, size, self.path)
            if any((camera.lens.k4, camera.lens.k5, camera.lens.k6)):
                raise ValueError(f"{self.path}: expected a lens without k4, k5 and k6: undistort the images first")
            check_proportion(str(image), size, camera.size, str(self.path))
            cameras.append(check_lens(camera.resized(size), self._name(index)))
        return cameras

    def _frame(self, index: int) -> Any:
        return self.content["frames"][index]

    def _name(self, index: int) -> str:
        return f"{self.path}: frame {index}"

    def _file(self, index: int, key: str) -> Path:
        file = self.path.parent / _text(self._frame(index), key, self.path, index)
        return file if file.suffix.lower() in _SUFFIXES else file.with_name(f"{file.name}.png")


def _text(frame: Any, key: str, path: Path, index: int) -> str:
    return read_text(frame, key, f"{path}: frame {index}")


def _common_size(images: list[Path]) -> tuple[int, int]:
    size = image_size(images[0])
    for image in images:
        check_size(image, image_size(image), size, f"the first image {images[0].name}")
    return size


def _have_alpha(images: list[Path]) -> bool:
    with_alpha = []
    for image in images:
        with open_image(image) as opened:
            with_alpha.append(opened.has_transparency_data)
    if len(set(with_alpha)) > 1:
        without = images[with_alpha.index(False)]
        raise ValueError(f"{without}: expected alpha as {images[with_alpha.index(True)].name} has, found none")
    return with_alpha[0]


dnerf_capture_specification = DataParserSpecification(
    config=DNeRFCaptureConfig(),
    description="D-NeRF's transforms_*.json: one image a moment, with alpha as mask.",
)
