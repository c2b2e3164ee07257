"""D-NeRF's captures (Pumarola et al. 2021): one image a moment, each from a place of its own."""

from dataclasses import dataclass, field
from math import pi
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float64
from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig, DataparserOutputs
from nerfstudio.data.dataparsers.dnerf_dataparser import DNeRFDataParserConfig
from nerfstudio.plugins.registry_dataparser import DataParserSpecification
from PIL import Image

from resfields_ns.captures.camera import Camera, Similarity, check_rotation, scaled_size
from resfields_ns.captures.image_files import check_size, image_size
from resfields_ns.captures.json_file import read_array, read_json, read_list, read_number, read_text
from resfields_ns.captures.poses import OPENGL_FROM_OPENCV
from resfields_ns.captures.sequence import Capture, CapturedImage, Frames
from resfields_ns.captures.spaces import CUBE
from resfields_ns.captures.time_stamps import Moments
from resfields_ns.host.dataparsing import SequenceDataParser
from resfields_ns.options import Options, option


@dataclass
class DNeRFCaptureConfig(Options, DataParserConfig):
    """A capture with D-NeRF's `transforms_train.json`, `transforms_val.json` and `transforms_test.json`."""

    prefix: ClassVar[str] = "--"

    _target: type = field(default_factory=lambda: DNeRFCapture)
    data: Path = Path()
    """Folder of the capture."""
    frames: str = "::"
    """Frames to use, as start:stop:step: the distinct times of the training images, in order."""
    image_scale: float = option(1.0, above=0, most=1)
    """Factor, at most 1, by which images are made smaller."""
    mask_threshold: int = option(127, least=0, most=254, data="masks")
    """An alpha value (0 to 255) above this is foreground, where images have alpha."""
    scene_radius: float = option(1.5, above=0)
    """Half the side of the scene box, which stands around the origin, in the capture's units."""


class DNeRFCapture(SequenceDataParser):
    """Reads a capture by the host's own parser, once its files are checked; images are ordered as in the file.

    The alpha of images is their mask. A split is one camera, which moves from image to image.
    """

    config: DNeRFCaptureConfig

    def read_sequence(self, split: str) -> Capture:
        """The capture, with the images of one of its three files."""
        config = self.config
        moments = Moments.choose(_read_times(config.data / "transforms_train.json"), config.frames)
        path = config.data / f"transforms_{split}.json"
        times = _read_times(path)
        used = np.flatnonzero(moments.chosen(times) if split == "train" else moments.covered(times)).tolist()
        if not used:
            raise ValueError(f"{path}: expected images at the times of --frames {config.frames}, found none")
        original_size, has_alpha = _check_images(_check_transforms(path))
        size = scaled_size(original_size, config.image_scale)
        host_config = DNeRFDataParserConfig(data=config.data, scale_factor=1.0 / config.scene_radius)
        host = host_config.setup().get_dataparser_outputs(split)
        positions = moments.positions(times)
        return Capture(
            frames=Frames(tuple(moments.frames)),
            images=tuple(
                CapturedImage(
                    file=host.image_filenames[index],
                    camera_name=split,
                    camera=_camera(host, index, original_size).resized(size),
                    frame_position=float(positions[index]),
                    mask=host.image_filenames[index] if has_alpha else None,
                )
                for index in used
            ),
            to_world=Similarity.of(config.scene_radius, np.zeros(3)),
            box=CUBE,
            mask_threshold=config.mask_threshold,
            image_scale=config.image_scale,
        )


def _read_times(path: Path) -> Float64[np.ndarray, "images"]:
    frames = read_list(read_json(path), "frames", str(path))
    if not frames:
        raise ValueError(f"{path}: frames: expected one or more, found none")
    times = np.array([read_number(frame, "time", f"{path}: frame {i}") for i, frame in enumerate(frames)])
    outside = np.flatnonzero((times < 0.0) | (times > 1.0))
    if len(outside) > 0:
        raise ValueError(f"{path}: frame {outside[0]}: time: expected 0 to 1, found {times[outside[0]]}")
    return times


def _check_transforms(path: Path) -> list[Path]:
    """Check what the host's parser takes for granted, and return the image files."""
    content = read_json(path)
    angle = read_number(content, "camera_angle_x", str(path))
    if not 0.0 < angle < pi:
        raise ValueError(f"{path}: camera_angle_x: expected an angle above 0 and below pi, found {angle}")
    images = []
    for index, frame in enumerate(content["frames"]):
        name = f"{path}: frame {index}"
        check_rotation(read_array(frame, "transform_matrix", (4, 4), name)[:3, :3], f"{name}: transform_matrix")
        images.append(path.parent / (read_text(frame, "file_path", name).replace("./", "") + ".png"))
    return images


def _check_images(images: list[Path]) -> tuple[tuple[int, int], bool]:
    """The images' common size (width, height), and whether they have alpha."""
    size = image_size(images[0])
    with_alpha = []
    for image in images:
        check_size(image, image_size(image), size, f"the first image {images[0].name}")
        with Image.open(image) as opened:
            with_alpha.append(opened.has_transparency_data)
    if len(set(with_alpha)) > 1:
        without = images[with_alpha.index(False)]
        raise ValueError(f"{without}: expected alpha as {images[with_alpha.index(True)].name} has, found none")
    return size, with_alpha[0]


def _camera(host: DataparserOutputs, index: int, size: tuple[int, int]) -> Camera:
    camera = host.cameras[index]
    fx, fy, cx, cy = (float(value) for value in (camera.fx, camera.fy, camera.cx, camera.cy))
    return Camera(*size, fx, fy, cx, cy, pose=camera.camera_to_worlds.double().numpy() * OPENGL_FROM_OPENCV)


dnerf_capture_specification = DataParserSpecification(
    config=DNeRFCaptureConfig(),
    description="D-NeRF's transforms_*.json: one image a moment, with alpha as mask.",
)
