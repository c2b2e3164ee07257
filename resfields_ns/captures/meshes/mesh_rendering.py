"""Captures in the Owlii / NeuS layout, rendered from mesh sequences."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import trimesh
from jaxtyping import Float64, UInt16
from rich.console import Console
from rich.progress import track

from resfields_ns.captures.camera import Camera, Similarity
from resfields_ns.captures.camera_folder import (
    camera_names,
    check_alike,
    common_frame_names,
    read_camera_frames,
    read_cameras,
    read_normalisation,
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
from resfields_ns.files import list_folder

_SPHERE_PADDING = 1.05


@dataclass(frozen=True)
class CaptureCameras:
    """Cameras at every frame by name, in normalised space.

    Args:
        to_world: normalised space to world
    """

    cameras: dict[str, list[Camera]]
    to_world: Similarity

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """The different widths and heights of the cameras' images."""
        return list(dict.fromkeys(cameras[0].size for cameras in self.cameras.values()))


def cameras_of_rig(rig: Rig, size: tuple[int, int], num_frames: int, bounds: Bounds) -> CaptureCameras:
    """A rig's cameras around a box; the unit sphere of the normalisation is the box's own, 5% larger."""
    scale = _SPHERE_PADDING * 0.5 * float(np.linalg.norm(bounds.size))
    cameras = {name: view.cameras(num_frames, size) for name, view in rig.cameras.items()}
    return CaptureCameras(cameras, Similarity.of(scale, bounds.centre))


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
    folders = [read_camera_frames(capture / name, frame_names, frames) for name in names]
    check_alike(folders)
    to_world = read_normalisation(folders[0].folder, frames[0])
    return CaptureCameras(
        {
            of.folder.name: [camera.resized(size or of.size) for camera in read_cameras(of, frames, to_world)]
            for of in folders
        },
        to_world,
    )


def placement_in_capture(
    capture: Path, cameras: CaptureCameras, frames: list[int], bounds: Bounds, up: Literal["y", "z"]
) -> Placement:
    """The placement that takes a sequence's box, `bounds`, to that of the capture's own meshes at the same frames.

    It has the same centre and longest side. Raises ValueError if the capture has no meshes.
    """
    files = list_folder(capture / "mesh", {".ply"})
    if len(files) <= max(frames):
        raise ValueError(
            f"--cameras-of: expected {max(frames) + 1} meshes in {capture / 'mesh'} to place the sequence by, or "
            f"--metres-per-unit and --offset, found {len(files)}"
        )
    points = np.concatenate([read_points(files[frame]).numpy() for frame in frames]).astype(np.float64)
    world = cameras.to_world(points)
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
    to_normalised = cameras.to_world.inverse
    corners = np.array(np.meshgrid(*np.stack([bounds.lower, bounds.upper], axis=1))).reshape(3, -1).T
    normalised = to_normalised(corners)
    if np.abs(normalised).max() > 1.0:
        raise ValueError(
            "--metres-per-unit, --offset: expected meshes within the capture's normalised cube, -1 to 1, "
            f"found them from {normalised.min(axis=0).round(3).tolist()} to {normalised.max(axis=0).round(3).tolist()}"
        )
    _check_depth(normalised, cameras)
    projections = [camera.projection for of_frames in cameras.cameras.values() for camera in of_frames]
    request = {
        "source": source,
        "frames": frames,
        "placement": asdict(placement),
        "cameras": describe_arrays(*projections, cameras.to_world.matrix),
        "sizes": cameras.sizes,
        "samples": samples,
        "depth_step": depth_step,
        "seed": seed,
    }
    with unfinished_capture(out, request) as capture:
        make_folders(capture, list(cameras.cameras))
        box = Bounds(normalised.min(axis=0), normalised.max(axis=0)).padded(_BOX_PADDING)
        write_box(capture, box.lower, box.upper)
        for name, of_frames in cameras.cameras.items():
            world = [camera.moved(cameras.to_world) for camera in of_frames]
            write_cameras(capture / name, world, cameras.to_world)
        steps = track(frames, "Rendering", console=Console(stderr=True), disable=not show_progress)
        for position, frame in enumerate(steps):
            if has_frame(capture, list(cameras.cameras), position):
                continue
            content = sequence.frame(frame)
            vertices = to_normalised(placement(content.vertices))
            mesh = trimesh.Trimesh(vertices, content.faces, process=False)
            write_surface(capture, position, mesh, seed)
            for index, (name, of_camera) in enumerate(cameras.cameras.items()):
                view = render_view(mesh, content.colours, of_camera[position], samples)
                random = np.random.default_rng([seed, position, index])
                depth = _depth_image(cameras.to_world.scale * view.depth, depth_step, random)
                write_images(capture / name, position, view.colours, view.mask, depth)


def _check_depth(corners: Float64[np.ndarray, "corners 3"], cameras: CaptureCameras) -> None:
    """Raise ValueError if a corner of the sequence's box, normalised, is too far from a camera."""
    for name, of_frames in cameras.cameras.items():
        depth = max(camera.to_camera(corners)[:, 2].max() for camera in of_frames) * cameras.to_world.scale
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
