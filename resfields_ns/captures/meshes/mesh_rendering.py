"""Captures in the Owlii / NeuS layout, rendered from mesh sequences."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import trimesh
from jaxtyping import Float64, UInt16
from rich.console import Console
from rich.progress import track

from resfields_ns.captures.camera import Pinhole, check_same_similarity, decompose_projection, similarity_scale
from resfields_ns.captures.camera_folder import (
    camera_names,
    check_alike,
    common_frame_names,
    read_camera_frames,
    read_matrices,
)
from resfields_ns.captures.capture_writer import (
    describe_arrays,
    has_frame,
    make_folders,
    unfinished_capture,
    write_box,
    write_cameras,
    write_images,
    write_surface,
)
from resfields_ns.captures.meshes.mesh_frames import Bounds, MeshSequence, Placement
from resfields_ns.captures.meshes.mesh_points import read_points
from resfields_ns.captures.meshes.ray_casting import add_depth_noise, render_view
from resfields_ns.captures.meshes.rigs import Rig
from resfields_ns.captures.poses import scale_matrix

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


_BOX_PADDING = 0.05
_LARGEST_DEPTH = 65.535  # metres, what 16 bits hold


def render_capture(
    out: Path,
    source: dict[str, Any],
    sequence: MeshSequence,
    frames: list[int],
    placement: Placement,
    bounds: Bounds,
    cameras: CaptureCameras,
    *,
    samples: int,
    depth_step: float,
    seed: int,
    show_progress: bool = False,
) -> None:
    """Write a capture of the frames of a sequence to the folder `out`, which appears once it is whole.

    A second run goes on with what a stopped one of the same source and options left.

    Args:
        source: what tells the sequence from others, as JSON can hold it
        bounds: the placed sequence's box
        samples: rays along each side of a pixel, for its colour and mask
        depth_step: millimetres between neighbouring readings of the depth cameras at 1 m; 0 for exact depth
        seed: decides the noise of depth and the points of clouds

    Raises ValueError if depth does not fit into 16 bits, or the sequence leaves the normalised cube.
    """
    scale = similarity_scale(cameras.scale_matrix, "scale matrix")
    to_normalised = np.linalg.inv(cameras.scale_matrix)
    corners = np.array(np.meshgrid(*np.stack([bounds.lower, bounds.upper], axis=1))).reshape(3, -1).T
    normalised = _transformed(corners, to_normalised)
    if np.abs(normalised).max() > 1.0:
        raise ValueError(
            "--metres-per-unit, --offset: expected meshes within the capture's normalised cube, -1 to 1, "
            f"found them from {normalised.min(axis=0).round(3).tolist()} to {normalised.max(axis=0).round(3).tolist()}"
        )
    pinholes = {
        name: [decompose_projection((matrix @ cameras.scale_matrix)[:3], f"{name}: world matrix") for matrix in world]
        for name, world in cameras.world_matrices.items()
    }
    _check_depth(normalised, pinholes, scale)
    request = {
        "source": source,
        "frames": frames,
        "placement": asdict(placement),
        "cameras": describe_arrays(*cameras.world_matrices.values(), cameras.scale_matrix),
        "size": cameras.size,
        "samples": samples,
        "depth_step": depth_step,
        "seed": seed,
    }
    with unfinished_capture(out, request) as capture:
        make_folders(capture, list(pinholes))
        box = Bounds(normalised.min(axis=0), normalised.max(axis=0)).padded(_BOX_PADDING)
        write_box(capture, box.lower, box.upper)
        for name, world in cameras.world_matrices.items():
            write_cameras(capture / name, world, cameras.scale_matrix)
        steps = track(frames, "Rendering", console=Console(stderr=True), disable=not show_progress)
        for position, frame in enumerate(steps):
            if has_frame(capture, list(pinholes), position):
                continue
            content = sequence.frame(frame)
            vertices = _transformed(placement(content.vertices), to_normalised)
            mesh = trimesh.Trimesh(vertices, content.faces, process=False)
            write_surface(capture, position, mesh, seed)
            for index, (name, of_camera) in enumerate(pinholes.items()):
                view = render_view(mesh, content.colours, of_camera[position], cameras.size, samples)
                random = np.random.default_rng([seed, position, index])
                depth = _depth_image(scale * view.depth, depth_step, random)
                write_images(capture / name, position, view.colours, view.mask, depth)


def _check_depth(
    corners: Float64[np.ndarray, "corners 3"], pinholes: dict[str, list[Pinhole]], metres_per_unit: float
) -> None:
    """Raise ValueError if a corner of the sequence's box is too far from a camera; all is in normalised units."""
    for name, of_camera in pinholes.items():
        poses = np.stack([pinhole.camera_to_world for pinhole in of_camera])
        depth = ((poses[:, None, :, 3] - corners) * poses[:, None, :, 2]).sum(axis=-1).max() * metres_per_unit
        if depth > _LARGEST_DEPTH:
            raise ValueError(
                f"--metres-per-unit: expected meshes up to {_LARGEST_DEPTH} m away, found {depth:.1f} m from {name}"
            )


def _depth_image(
    depth: Float64[np.ndarray, "height width"], depth_step: float, random: np.random.Generator
) -> UInt16[np.ndarray, "height width"]:
    """Millimetres, as a camera with this step reads depth in metres."""
    if depth_step > 0.0:
        depth = np.minimum(add_depth_noise(depth, depth_step / 1000.0, random), _LARGEST_DEPTH)
    return np.round(1000.0 * depth).astype(np.uint16)


def _transformed(points: Float64[np.ndarray, "points 3"], matrix: Float64[np.ndarray, "4 4"]) -> np.ndarray:
    return points @ matrix[:3, :3].T + matrix[:3, 3]
