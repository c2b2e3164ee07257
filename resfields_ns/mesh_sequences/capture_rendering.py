"""Captures in the Owlii / NeuS layout, rendered from mesh sequences."""

from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float64, UInt16
from rich.console import Console
from rich.progress import track

from resfields_ns.data.capture_writer import make_folders, write_box, write_cameras, write_images, write_surface
from resfields_ns.data.depth_noise import add_depth_noise
from resfields_ns.data.projection import decompose_projection, similarity_scale
from resfields_ns.export.write_aside import write_aside
from resfields_ns.mesh_sequences.bounds import Bounds
from resfields_ns.mesh_sequences.capture_cameras import CaptureCameras
from resfields_ns.mesh_sequences.mesh_sequence import MeshSequence
from resfields_ns.mesh_sequences.placement import Placement
from resfields_ns.mesh_sequences.view_rendering import render_view

_BOX_PADDING = 0.05
_LARGEST_DEPTH = 65.535  # metres, what 16 bits hold


def render_capture(
    out: Path,
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
    """Write a capture of the frames of a sequence to the folder `out`, which appears only once it is whole.

    Args:
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
    with write_aside(out) as partial:
        make_folders(partial, list(pinholes))
        box = Bounds(normalised.min(axis=0), normalised.max(axis=0)).padded(_BOX_PADDING)
        write_box(partial, box.lower, box.upper)
        for name, world in cameras.world_matrices.items():
            write_cameras(partial / name, world, cameras.scale_matrix)
        steps = track(frames, "Rendering", console=Console(stderr=True), disable=not show_progress)
        for position, frame in enumerate(steps):
            content = sequence.frame(frame)
            vertices = _transformed(placement(content.vertices), to_normalised)
            mesh = trimesh.Trimesh(vertices, content.faces, process=False)
            write_surface(partial, position, mesh, seed)
            for index, (name, of_camera) in enumerate(pinholes.items()):
                view = render_view(mesh, content.colours, of_camera[position], cameras.size, samples)
                random = np.random.default_rng([seed, position, index])
                depth = _depth_image(scale * view.depth, depth_step, random, f"{name}: frame {frame}")
                write_images(partial / name, position, view.colours, view.mask, depth)


def _depth_image(
    depth: Float64[np.ndarray, "height width"], depth_step: float, random: np.random.Generator, name: str
) -> UInt16[np.ndarray, "height width"]:
    """Millimetres, as a camera with this step reads depth in metres."""
    if depth.max() > _LARGEST_DEPTH:
        raise ValueError(
            f"--metres-per-unit: expected depth up to {_LARGEST_DEPTH} m, found {depth.max():.1f} m in {name}"
        )
    if depth_step > 0.0:
        depth = np.minimum(add_depth_noise(depth, depth_step / 1000.0, random), _LARGEST_DEPTH)
    return np.round(1000.0 * depth).astype(np.uint16)


def _transformed(points: Float64[np.ndarray, "points 3"], matrix: Float64[np.ndarray, "4 4"]) -> np.ndarray:
    return points @ matrix[:3, :3].T + matrix[:3, 3]
