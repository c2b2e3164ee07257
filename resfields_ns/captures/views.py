"""Colour images, each with a camera and a time of its own, as nerfstudio wants them."""

from dataclasses import dataclass, replace
from math import floor
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64
from nerfstudio.cameras.cameras import Cameras, CameraType
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.data.scene_box import SceneBox
from torch import Tensor

from resfields_ns.captures.camera import Pinhole
from resfields_ns.timeline import times_from_frames

_METRES_PER_DEPTH_UNIT = 1e-3
_MASK_THRESHOLD = 127


@dataclass(frozen=True)
class View:
    """An image and how it was taken.

    Args:
        image: file
        camera: name of the camera, which may move and take many images
        pinhole: pose in normalised space, and intrinsics for the size that the image is trained at
        position: where its time lies among the frames, from 0 to their number - 1
        distortion: k1, k2, k3, k4, p1, p2 of OpenCV's model, which nerfstudio's rays undo
    """

    image: Path
    camera: str
    pinhole: Pinhole
    position: float
    distortion: tuple[float, ...] = (0.0,) * 6


def views_outputs(
    views: list[View],
    size: tuple[int, int],
    frame_numbers: list[int],
    normalised_to_world: Float64[np.ndarray, "4 4"],
    image_scale: float,
    alpha_threshold: int | None = None,
) -> DataparserOutputs:
    """What a dataparser returns for views of one size (width, height), in a scene box of [-1, 1]^3.

    Args:
        views: at least one
        size: that images are trained at
        frame_numbers: the capture's own number of every frame
        normalised_to_world: a scale and a translation
        image_scale: factor by which images were made smaller
        alpha_threshold: an alpha (0 to 255) above this is foreground; None for images without alpha
    """
    scale = normalised_to_world[0, 0]
    positions = torch.tensor([view.position for view in views], dtype=torch.float64)
    images = [view.image for view in views]
    metadata = {
        "num_frames": len(frame_numbers),
        "frame_index": positions.round().long(),
        "frame_numbers": frame_numbers,
        "camera_names": [view.camera for view in views],
        "mask_filenames": None if alpha_threshold is None else images,
        "mask_threshold": _MASK_THRESHOLD if alpha_threshold is None else alpha_threshold,
        "depth_filenames": None,
        "depth_kind": "z",
        "depth_to_normalised": _METRES_PER_DEPTH_UNIT / scale,
        "image_scale": image_scale,
        "cloud_filenames": None,
        "mesh_filenames": None,
        "normalised_to_world": torch.from_numpy(normalised_to_world).float(),
    }
    world_to_normalised = np.linalg.inv(normalised_to_world)
    times = times_from_frames(positions, len(frame_numbers))
    distortion = torch.tensor([view.distortion for view in views], dtype=torch.float32)
    return DataparserOutputs(
        image_filenames=images,
        cameras=make_cameras([view.pinhole for view in views], size, times, distortion if distortion.any() else None),
        scene_box=SceneBox(aabb=torch.tensor([[-1.0] * 3, [1.0] * 3])),
        metadata=metadata,
        dataparser_transform=torch.from_numpy(world_to_normalised[:3] * scale).float(),
        dataparser_scale=float(1.0 / scale),
    )


def check_image_scale(image_scale: float) -> None:
    """Raise ValueError if a factor does not make images smaller or leave them as they are."""
    if not 0.0 < image_scale <= 1.0:
        raise ValueError(f"--image-scale: expected above 0 and at most 1, found {image_scale}")


def scaled_size(size: tuple[int, int], image_scale: float) -> tuple[int, int]:
    """Return (width, height) made smaller by a factor, rounded down; ValueError if that leaves no pixel."""
    width, height = (floor(length * image_scale + 1e-6) for length in size)
    if min(width, height) < 1:
        raise ValueError(f"--image-scale: expected at least one pixel of {size[0]}x{size[1]}, found {image_scale:g}")
    return width, height


def resize_pinhole(pinhole: Pinhole, size: tuple[int, int], new_size: tuple[int, int]) -> Pinhole:
    """The pinhole of an image that is resized from one (width, height) to another."""
    x, y = (new / old for new, old in zip(new_size, size, strict=True))
    return replace(pinhole, fx=pinhole.fx * x, fy=pinhole.fy * y, cx=pinhole.cx * x, cy=pinhole.cy * y)


def make_cameras(
    pinholes: list[Pinhole],
    size: tuple[int, int],
    times: Float[Tensor, "images"],
    distortion: Float[Tensor, "images 6"] | None = None,
) -> Cameras:
    """The cameras of images of one size (width, height), in order."""
    intrinsics = torch.tensor([[p.fx, p.fy, p.cx, p.cy] for p in pinholes], dtype=torch.float32)
    fx, fy, cx, cy = intrinsics[..., None].unbind(dim=1)
    return Cameras(
        camera_to_worlds=torch.from_numpy(np.stack([p.camera_to_world for p in pinholes])).float(),
        fx=fx,
        fy=fy,
        cx=cx,
        cy=cy,
        width=size[0],
        height=size[1],
        distortion_params=distortion,
        camera_type=CameraType.PERSPECTIVE,
        times=times[:, None],
    )
