"""Taking the cameras, and the place of the surface, from a capture that exists."""

from pathlib import Path
from typing import Literal

import numpy as np

from resfields_ns.data.camera_file import read_matrices
from resfields_ns.data.camera_folder import camera_names, check_alike, common_frame_names, read_camera_frames
from resfields_ns.data.point_files import read_points
from resfields_ns.data.projection import check_same_similarity, similarity_scale
from resfields_ns.mesh_sequences.bounds import Bounds
from resfields_ns.mesh_sequences.capture_cameras import CaptureCameras
from resfields_ns.mesh_sequences.placement import Placement

_CAMERA_FILE = "cameras_sphere.npz"


def cameras_of_capture(capture: Path, frames: list[int], size: tuple[int, int] | None) -> CaptureCameras:
    """All cameras of a capture in the Owlii / NeuS layout at the given frames, for images of `size` or of their own.

    Raises ValueError if the capture is broken or has fewer frames.
    """
    names = camera_names(capture)
    if not names:
        raise ValueError(f"--cameras-of: expected a capture with camera folders, found none in {capture}")
    frame_names = common_frame_names([capture / name for name in names])
    if len(frame_names) <= max(frames):
        raise ValueError(f"--cameras-of: expected {max(frames) + 1} frames in {capture}, found {len(frame_names)}")
    cameras = [read_camera_frames(capture / name, frame_names, frames) for name in names]
    check_alike(cameras)
    own_size = cameras[0].size
    size = size or own_size
    to_size = np.diag([size[0] / own_size[0], size[1] / own_size[1], 1.0, 1.0])
    world_matrices, scale_matrices = {}, []
    for name in names:
        world, scales = read_matrices(capture / name / _CAMERA_FILE, frames)
        world_matrices[name] = to_size @ world
        scale_matrices += list(scales)
        for frame, scale in zip(frames, scales, strict=True):
            check_same_similarity(scale, scale_matrices[0], f"{capture / name / _CAMERA_FILE}: scale_mat_{frame}")
    similarity_scale(scale_matrices[0], f"{capture / names[0] / _CAMERA_FILE}: scale_mat_{frames[0]}")
    return CaptureCameras(world_matrices, scale_matrices[0], size)


def placement_in_capture(
    capture: Path, cameras: CaptureCameras, frames: list[int], bounds: Bounds, up: Literal["y", "z"]
) -> Placement:
    """The placement that takes a sequence's box, `bounds`, to that of the capture's own meshes at the same frames.

    It has the same centre and longest side. Raises ValueError if the capture has no meshes.
    """
    files = sorted((capture / "mesh").glob("*.ply"))
    if len(files) <= max(frames):
        raise ValueError(
            f"--cameras-of: expected {max(frames) + 1} meshes in {capture / 'mesh'} to place the sequence by, or "
            f"--metres-per-unit and --offset, found {len(files)}"
        )
    points = np.concatenate([read_points(files[frame]).numpy() for frame in frames]).astype(np.float64)
    world = points @ cameras.scale_matrix[:3, :3].T + cameras.scale_matrix[:3, 3]
    target = Bounds(world.min(axis=0), world.max(axis=0))
    metres_per_unit = float(target.size.max() / bounds.size.max())
    x, y, z = (target.centre - metres_per_unit * bounds.centre).tolist()
    return Placement(up, metres_per_unit, (x, y, z))
