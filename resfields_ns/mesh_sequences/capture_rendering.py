"""Captures in the Owlii / NeuS layout, rendered from mesh sequences."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float64, UInt16
from rich.console import Console
from rich.progress import track

from resfields_ns.data.capture_writer import (
    has_frame,
    make_folders,
    write_box,
    write_cameras,
    write_images,
    write_surface,
)
from resfields_ns.data.depth_noise import add_depth_noise
from resfields_ns.data.projection import Pinhole, decompose_projection, similarity_scale
from resfields_ns.data.unfinished_capture import describe_arrays, unfinished_capture
from resfields_ns.mesh_sequences.bounds import Bounds
from resfields_ns.mesh_sequences.capture_cameras import CaptureCameras
from resfields_ns.mesh_sequences.mesh_sequence import MeshSequence
from resfields_ns.mesh_sequences.placement import Placement
from resfields_ns.mesh_sequences.view_rendering import render_view

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
