"""Visual hulls: where in the scene box something can be, told by the masks (Laurentini 1994)."""

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from nerfstudio.cameras.cameras import Cameras
from rich.progress import track
from torch import Tensor

from resfields_ns.data.dynamic_dataset import DynamicDataset
from resfields_ns.data.pixel_samplers import grow_mask
from resfields_ns.functional.rays import cell_centres


def carve_visual_hull(
    cameras: Cameras,
    masks: Bool[Tensor, "images height width"],
    frame_index: Int[Tensor, "images"],
    num_frames: int,
    box: Float[Tensor, "2 3"],
    resolution: int,
    conservative: bool,
    least_views: int = 0,
    show_progress: bool = True,
) -> Bool[Tensor, "frames cells cells cells"]:
    """Cells (x, y, z) of the box that lie on the foreground in every image of their frame that sees them.

    Cells outside an image, or behind its camera, are not carved by it, nor by an image without foreground while others
    of its frame have some: its mask has lost the subject, or sees none of it. What fewer than `least_views` images of
    a frame see is no part of the hull, in frames that have so many. Images smaller than the masks lie at their upper
    left. A cell lies on the foreground, and is seen, if its centre does and is; if `conservative`, already if a
    foreground pixel, or one of the image, lies within its projected radius plus one pixel.
    """
    counts = (resolution, resolution, resolution)
    centres = cell_centres(torch.arange(math.prod(counts)), counts, box)
    cell_radius = 0.5 * ((box[1] - box[0]) / resolution).norm().item() if conservative else None
    hull = torch.ones(num_frames, len(centres), dtype=torch.bool)
    views = torch.zeros(num_frames, len(centres), dtype=torch.uint8)
    has_foreground = masks.any(dim=2).any(dim=1)
    frames_seen = frame_index[has_foreground].unique()
    numbers = _numbers(cameras)
    cells, of_cells = None, numbers[0]
    for image in track(range(len(masks)), "Carving the visual hull", transient=True, disable=not show_progress):
        if cells is None or not torch.equal(numbers[image], of_cells):  # most cameras stand still
            cells, of_cells = _see(cameras, image, centres, masks.shape[2], cell_radius), numbers[image]
        frame = frame_index[image]
        views[frame] = (views[frame] + cells.touched).clamp(max=least_views)
        if not has_foreground[image] and frame in frames_seen:
            continue
        mask = grow_mask(masks[image], cells.reach)
        hull[frame, cells.seen] &= mask.flatten()[cells.pixels]
    bound = frame_index.bincount(minlength=num_frames) >= least_views
    hull[bound] &= views[bound] >= least_views
    return hull.view(num_frames, *counts)


def hull_of_frame(
    dataset: DynamicDataset, frame: int, resolution: int, least_views: int
) -> Bool[Tensor, "cells cells cells"]:
    """Cells of the scene box that the masks of a frame leave or touch, see `carve_visual_hull`; they are read here."""
    capture = dataset.capture
    images = (capture.frame_index == frame).nonzero()[:, 0]
    cameras = dataset.cameras[images]
    masks = torch.zeros(len(images), int(cameras.height.max()), int(cameras.width.max()), dtype=torch.bool)
    for mask, image in zip(masks, images.tolist(), strict=True):
        foreground = torch.from_numpy(capture.foreground(capture.images[image]))
        mask[: foreground.shape[0], : foreground.shape[1]] = foreground
    moment = torch.zeros(len(images), dtype=torch.long)
    box = dataset.scene_box.aabb
    return carve_visual_hull(cameras, masks, moment, 1, box, resolution, True, least_views, show_progress=False)[0]


class _Cells(NamedTuple):
    """Which cells a camera sees, and where."""

    seen: Int[Tensor, "seen"]
    """Those whose centres are in its picture."""
    pixels: Int[Tensor, "seen"]
    """The pixels of these, row after row of a mask."""
    reach: int
    """How many pixels around these count."""
    touched: Bool[Tensor, "cells"]
    """Those of which something may be in its picture."""


def _numbers(cameras: Cameras) -> Float[Tensor, "images numbers"]:
    """All that tells what each camera sees."""
    sides = (cameras.width, cameras.height, cameras.fx, cameras.fy, cameras.cx, cameras.cy)
    lenses = () if cameras.distortion_params is None else (cameras.distortion_params,)
    return torch.cat([cameras.camera_to_worlds.flatten(start_dim=1), *(side.float() for side in sides), *lenses], dim=1)


def _see(
    cameras: Cameras, image: int, centres: Float[Tensor, "cells 3"], row_length: int, cell_radius: float | None
) -> _Cells:
    """What the camera of an image sees, as `carve_visual_hull` says; `cell_radius` if it is conservative."""
    camera_to_world = cameras.camera_to_worlds[image]
    in_camera = (centres - camera_to_world[:, 3]) @ camera_to_world[:, :3]
    depth = -in_camera[:, 2]
    plane = in_camera[:, :2] * torch.tensor([1.0, -1.0]) / depth[:, None]
    holds = depth > 0
    if cameras.distortion_params is not None:
        lens = cameras.distortion_params[image]
        holds, plane = holds & (plane.square().sum(dim=-1) < _lens_limit(lens)), _distort(plane, lens)
    focal = cameras.fx[image].item()
    x = (cameras.cx[image] + focal * plane[:, 0]).floor().long()
    y = (cameras.cy[image] + cameras.fy[image] * plane[:, 1]).floor().long()
    height, width = int(cameras.height[image]), int(cameras.width[image])
    seen = (holds & (x >= 0) & (x < width) & (y >= 0) & (y < height)).nonzero()[:, 0]
    reach = 0
    if cell_radius is not None and len(seen) > 0:
        reach = math.ceil(focal * cell_radius / depth[seen].min().item()) + 1
    touched = holds & (x >= -reach) & (x < width + reach) & (y >= -reach) & (y < height + reach)
    return _Cells(seen, y[seen] * row_length + x[seen], reach, touched)


def _distort(plane: Float[Tensor, "points 2"], lens: Float[Tensor, "6"]) -> Float[Tensor, "points 2"]:
    """Where plane coordinates appear through a lens of the host's: k1 to k4, of r^2 to r^8, and p1, p2."""
    k1, k2, k3, k4, p1, p2 = lens
    (x, y), r2 = plane.unbind(dim=-1), plane.square().sum(dim=-1)
    radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * (k3 + r2 * k4)))
    u = x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x**2)
    v = y * radial + 2.0 * p2 * x * y + p1 * (r2 + 2.0 * y**2)
    return torch.stack([u, v], dim=-1)


def _lens_limit(lens: Float[Tensor, "6"]) -> float:
    """The r^2 up to which what lies farther out appears farther out; beyond it the polynomial is no lens."""
    slope = [1.0, *(factor * k for factor, k in zip((3, 5, 7, 9), lens[:4].tolist(), strict=True))]
    roots = np.roots(slope[::-1])
    return min((root.real for root in roots if abs(root.imag) < 1e-9 and root.real > 0.0), default=math.inf)
