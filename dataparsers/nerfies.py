"""Captures of Nerfies (Park et al. 2021a), HyperNeRF (Park et al. 2021b) and DyCheck (Gao et al. 2022)."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64
from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig
from nerfstudio.plugins.registry_dataparser import DataParserSpecification
from nerfstudio.utils.rich_utils import CONSOLE

from resfields_ns.captures.camera import Camera, Similarity, check_depths, scaled_size
from resfields_ns.captures.camera_files import read_nerfies_camera
from resfields_ns.captures.image_files import check_size, image_size
from resfields_ns.captures.json_file import read_json, read_list, read_number
from resfields_ns.captures.sequence import Capture, CapturedImage, Frames
from resfields_ns.captures.spaces import CUBE, cube_around_frusta
from resfields_ns.captures.time_stamps import Moments
from resfields_ns.captures.untrusted import check_numbers
from resfields_ns.host.dataparsing import SequenceDataParser
from resfields_ns.options import Options, option

_FOLDER = re.compile(r"(\d+)x")


@dataclass
class NerfiesDataParserConfig(Options, DataParserConfig):
    """A capture in the layout of Nerfies, HyperNeRF and DyCheck."""

    prefix: ClassVar[str] = "--"

    _target: type = field(default_factory=lambda: Nerfies)
    data: Path = Path()
    """Folder of the capture."""
    frames: str = "::"
    """Frames to use, as start:stop:step: the distinct times of the training images, in order."""
    image_scale: float = option(1.0, above=0, most=1)
    """Factor, at most 1, on the size that the camera files tell. Images come from the folder rgb/1x, rgb/2x, ... that
    is nearest to it and not smaller."""


class Nerfies(SequenceDataParser):
    """Reads a capture; images are ordered as in `dataset.json`.

    The scene box is a cube around what the training cameras see from near to far. Lens distortion stays in the
    cameras, whose rays nerfstudio undistorts, so images are used as they are.
    """

    config: NerfiesDataParserConfig

    def read_sequence(self, split: str) -> Capture:
        """The capture, with the images of `train_ids` or of `val_ids`."""
        data, frames = self.config.data, self.config.frames
        items = _Items(data)
        moments = Moments.choose(items.times(items.train_ids), frames)
        ids = items.train_ids if split == "train" else items.val_ids
        times = items.times(ids)
        used = np.flatnonzero(moments.chosen(times) if split == "train" else moments.covered(times)).tolist()
        if not used:
            raise ValueError(
                f"{data / 'dataset.json'}: expected val_ids of images at the times of --frames {frames}, found none"
            )
        cameras = {item: read_nerfies_camera(data / "camera" / f"{item}.json") for item in {*items.train_ids, *ids}}
        to_world = _normalisation(data / "scene.json", [cameras[item] for item in items.train_ids])
        files, sizes = self._find_images({ids[index]: cameras[ids[index]] for index in used})
        positions = moments.positions(times)
        return Capture(
            frames=Frames(tuple(int(time) for time in moments.frame_times)),
            images=tuple(
                CapturedImage(
                    file=files[ids[index]],
                    camera_name=items.camera_name(ids[index]),
                    camera=cameras[ids[index]].moved(to_world.inverse).resized(sizes[ids[index]]),
                    frame_position=float(positions[index]),
                )
                for index in used
            ),
            to_world=to_world,
            box=CUBE,
            image_scale=self.config.image_scale,
        )

    def _find_images(self, cameras: dict[str, Camera]) -> tuple[dict[str, Path], dict[str, tuple[int, int]]]:
        """The image file of each item, and the size (width, height) that it is trained at."""
        factor, folder = self._choose_folder()
        images = {item: folder / f"{item}.png" for item in cameras}
        sizes = {item: image_size(image) for item, image in images.items()}
        first = next(iter(images))
        for item, image in images.items():
            (width, height), size = cameras[item].size, sizes[item]
            if cameras[item].size == cameras[first].size:
                check_size(image, size, sizes[first], f"the first image {images[first].name}")
            if max(abs(size[0] - width / factor), abs(size[1] - height / factor)) >= 1.0:
                raise ValueError(
                    f"{image}: expected the {width}x{height} pixels of its camera file made smaller by {factor}, "
                    f"found {size[0]}x{size[1]}"
                )
        scale = min(self.config.image_scale * factor, 1.0)
        return images, {item: scaled_size(size, scale) for item, size in sizes.items()}

    def _choose_folder(self) -> tuple[int, Path]:
        """The smallest images that are large enough: the factor that they are smaller by, and their folder."""
        rgb = self.config.data / "rgb"
        if not rgb.is_dir():
            raise ValueError(f"{rgb}: expected a folder of folders 1x, 2x, ... of png images, found no such folder")
        matches = [(_FOLDER.fullmatch(folder.name), folder) for folder in rgb.iterdir() if folder.is_dir()]
        folders = {int(match[1]): folder for match, folder in matches if match is not None and int(match[1]) > 0}
        if not folders:
            raise ValueError(f"{rgb}: expected folders 1x, 2x, ... of png images, found none")
        large_enough = [factor for factor in folders if 1.0 / factor >= self.config.image_scale - 1e-6]
        if not large_enough:
            largest = min(folders)
            raise ValueError(
                f"--image-scale: expected at most {1.0 / largest:g}, as the largest images are {folders[largest]}, "
                f"found {self.config.image_scale:g}"
            )
        return max(large_enough), folders[max(large_enough)]


class _Items:
    """What `dataset.json` and `metadata.json` tell of the images, which they call items.

    Args:
        data: folder of the capture
    """

    def __init__(self, data: Path) -> None:
        dataset_path, self.path = data / "dataset.json", data / "metadata.json"
        dataset = read_json(dataset_path)
        self.metadata = read_json(self.path)
        self.train_ids, self.val_ids = (
            [str(item) for item in read_list(dataset, key, str(dataset_path))] for key in ("train_ids", "val_ids")
        )
        if not self.train_ids:
            raise ValueError(f"{dataset_path}: train_ids: expected one or more, found none")
        if not self.val_ids:
            CONSOLE.print(f"{dataset_path} has no val_ids: evaluation uses the training images.")
            self.val_ids = self.train_ids

    def times(self, ids: list[str]) -> Float64[np.ndarray, "items"]:
        """When each item was taken: its time id or, in captures without, its warp id."""
        return np.array([self._whole_number(item, self._time_key(item)) for item in ids], dtype=np.float64)

    def camera_name(self, item: str) -> str:
        """The item's camera; one moving camera where a capture does not tell its cameras apart."""
        return f"camera_{self._whole_number(item, 'camera_id')}" if "camera_id" in self._record(item) else "camera"

    def _time_key(self, item: str) -> str:
        return "time_id" if "time_id" in self._record(item) else "warp_id"

    def _record(self, item: str) -> dict[str, Any]:
        record = self.metadata.get(item)
        if not isinstance(record, dict):
            raise ValueError(f"{self.path}: expected an object for item {item!r} of dataset.json, found {record!r:.80}")
        return record

    def _whole_number(self, item: str, key: str) -> int:
        name = f"{self.path}: {item}"
        number = read_number(self._record(item), key, name)
        check_numbers(number, f"{name}: {key}")
        if number != int(number):
            raise ValueError(f"{name}: {key}: expected a whole number, found {number}")
        return int(number)


def _normalisation(path: Path, cameras: list[Camera]) -> Similarity:
    """Normalised to world; near and far of `scene.json` are lengths of a world made smaller by its `scale`."""
    scene = read_json(path)
    scale, near, far = (read_number(scene, key, str(path)) for key in ("scale", "near", "far"))
    if scale <= 0:
        raise ValueError(f"{path}: scale: expected a number above 0, found {scale:g}")
    check_depths(near, far, str(path))
    depths = [(near / scale, far / scale)] * len(cameras)
    return cube_around_frusta(cameras, depths)


nerfies_specification = DataParserSpecification(
    config=NerfiesDataParserConfig(),
    description="Nerfies, HyperNeRF and DyCheck: camera, rgb, dataset.json, metadata.json and scene.json.",
)
