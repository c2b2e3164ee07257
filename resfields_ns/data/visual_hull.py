"""Visual hulls: where in the scene box something can be, told by the masks (Laurentini 1994)."""

import math

import torch
from jaxtyping import Bool, Float, Int
from nerfstudio.cameras.cameras import Cameras
from torch import Tensor

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
) -> Bool[Tensor, "frames cells cells cells"]:
    """Cells (x, y, z) of the box that lie on the foreground in every image of their frame that sees them.

    Cells outside an image, or behind its camera, are not carved by it, nor by an image without foreground while others
    of its frame have some: its mask has lost the subject, or sees none of it. Images smaller than the masks lie at
    their upper left. A cell lies on the foreground if its centre
    does; if `conservative`, already if a foreground pixel lies within its projected radius plus one pixel.
    """
    counts = (resolution, resolution, resolution)
    centres = cell_centres(torch.arange(math.prod(counts)), counts, box)
    cell_radius = 0.5 * ((box[1] - box[0]) / resolution).norm().item()
    hull = torch.ones(num_frames, len(centres), dtype=torch.bool)
    has_foreground = masks.flatten(start_dim=1).any(dim=1)
    frames_seen = frame_index[has_foreground].unique()
    for image, mask in enumerate(masks):
        if not has_foreground[image] and frame_index[image] in frames_seen:
            continue
        camera_to_world = cameras.camera_to_worlds[image]
        in_camera = (centres - camera_to_world[:, 3]) @ camera_to_world[:, :3]
        depth = -in_camera[:, 2]
        focal = cameras.fx[image].item()
        x = (cameras.cx[image] + focal * in_camera[:, 0] / depth).floor().long()
        y = (cameras.cy[image] - cameras.fy[image] * in_camera[:, 1] / depth).floor().long()
        height, width = int(cameras.height[image]), int(cameras.width[image])
        seen = (depth > 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
        if conservative and seen.any():
            mask = grow_mask(mask, math.ceil(focal * cell_radius / depth[seen].min().item()) + 1)
        carved = torch.zeros_like(seen)
        carved[seen] = ~mask[y[seen], x[seen]]
        hull[frame_index[image]] &= ~carved
    return hull.view(num_frames, *counts)
