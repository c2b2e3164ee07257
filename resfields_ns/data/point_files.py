"""Ground-truth point clouds."""

from pathlib import Path

import numpy as np
import torch
import trimesh
from jaxtyping import Float
from torch import Tensor


def read_points(path: Path) -> Float[Tensor, "points 3"]:
    """Points of a PLY file, as they stand; a ValueError names a file without points or with non-finite ones."""
    points = np.asarray(getattr(trimesh.load(path, process=False), "vertices", np.empty((0, 3))), np.float32)
    if len(points) == 0 or not np.isfinite(points).all():
        raise ValueError(f"{path}: expected finite points, found {len(points)} points")
    return torch.from_numpy(points)
