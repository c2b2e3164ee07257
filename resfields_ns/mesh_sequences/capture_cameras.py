"""The cameras of a capture: all that its images and `cameras_sphere.npz` need."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from resfields_ns.data.camera_views import scale_matrix
from resfields_ns.mesh_sequences.bounds import Bounds
from resfields_ns.mesh_sequences.rig import Rig

_SPHERE_PADDING = 1.05


@dataclass(frozen=True)
class CaptureCameras:
    """Cameras by name, the normalisation that they share, and the size (width, height) of their images.

    Args:
        world_matrices: world to pixels, one matrix a frame, of each camera
        scale_matrix: normalised space to world
    """

    world_matrices: dict[str, Float64[np.ndarray, "frames 4 4"]]
    scale_matrix: Float64[np.ndarray, "4 4"]
    size: tuple[int, int]


def cameras_of_rig(rig: Rig, size: tuple[int, int], num_frames: int, bounds: Bounds) -> CaptureCameras:
    """A rig's cameras around a box; the unit sphere of the normalisation is the box's own, 5% larger."""
    scale = _SPHERE_PADDING * 0.5 * float(np.linalg.norm(bounds.size))
    world_matrices = {
        name: camera.world_matrices(num_frames, size, scale, bounds.centre) for name, camera in rig.cameras.items()
    }
    return CaptureCameras(world_matrices, scale_matrix(scale, bounds.centre), size)
