"""A made-up multi-view capture in the Owlii / NeuS layout: a creature that moves before fixed cameras.

Notation: normalised space holds the creature within the unit sphere; the world is in metres, and
x_world = _METRES_PER_UNIT * x_normalised + _WORLD_CENTRE. Cameras have OpenCV axes.
"""

from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float64
from rich.console import Console
from rich.progress import track

from resfields_ns.captures.camera import Camera, Similarity
from resfields_ns.captures.capture_writer import make_folders, write_box, write_cameras, write_images, write_surface
from resfields_ns.captures.demo_creature import Creature
from resfields_ns.captures.meshes.ray_casting import cast_rays
from resfields_ns.captures.poses import camera_around_origin
from resfields_ns.files import write_aside
from resfields_ns.options import Limits

_METRES_PER_UNIT = 0.8
_WORLD_CENTRE = np.array([0.4, 1.1, -0.3])
_FOUR = (1, 3, 6, 8)  # names of four training cameras, as Owlii's captures have them
_TRAIN_ELEVATIONS = (12.0, 28.0)  # degrees, in turn
_TEST_ELEVATION = 20.0
_CAMERA_DISTANCE = 3.2  # normalised units
_FOCAL_PER_SIZE = 1.75
_BOX_PADDING = 0.05
_KEY_LIGHT = np.array([3.0, 4.0, 12.0]) / 13.0  # unit vectors towards the lights
_FILL_LIGHT = np.array([-3.0, 4.0, -12.0]) / 13.0
_GLOSS = 8  # exponent: the larger, the smaller highlights are


def write_demo_capture(
    out: Path,
    seed: int = 0,
    num_frames: int = 30,
    size: int = 128,
    show_progress: bool = False,
    shine: float = 0.0,
    num_cameras: int = 4,
    num_poses: int = 0,
) -> list[str]:
    """Write a capture of `num_frames` frames of `size` x `size` pixels to the folder `out`; one seed, the same bytes.

    Highlights of the lights take the share `shine` of colours, and depend on the direction of view. Training cameras
    stand evenly around. The creature swings once, or goes through `num_poses` random poses. Returns the names of all
    cameras. The folder appears only once it is whole. Raises ValueError if it exists and is not empty, or a number is
    too small or too large.
    """
    _check_request(out, seed, num_frames, size)
    Limits(least=0, most=1).check("--shine", shine)
    Limits(least=1, most=100).check("--cameras", num_cameras)
    Limits(least=0).check("--poses", num_poses)
    partial = out.with_name(out.name + ".partial")
    if partial.exists():  # as earlier versions left it
        raise ValueError(f"{partial}: expected no such folder, found one left by a run that was stopped: delete it")
    with write_aside(out) as partial:
        cameras = _cameras(num_cameras, num_frames, size)
        _write_capture(partial, Creature.from_seed(seed, num_poses), seed, cameras, num_frames, show_progress, shine)
    return list(cameras)


def _check_request(out: Path, seed: int, num_frames: int, size: int) -> None:
    Limits(least=0).check("--seed", seed)
    Limits(least=1).check("--frames", num_frames)
    Limits(least=16, most=2048).check("--size", size)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: expected a folder that is new or empty, found one that is in use")


def _write_capture(
    folder: Path,
    creature: Creature,
    seed: int,
    cameras: dict[str, list[Camera]],
    num_frames: int,
    show_progress: bool,
    shine: float,
) -> None:
    make_folders(folder, list(cameras))
    to_world = Similarity.of(_METRES_PER_UNIT, _WORLD_CENTRE)
    for name, of_frames in cameras.items():
        write_cameras(folder / name, [camera.moved(to_world) for camera in of_frames], to_world)
    bounds = []
    frames = track(range(num_frames), "Writing the capture", console=Console(stderr=True), disable=not show_progress)
    for frame in frames:
        mesh = trimesh.Trimesh(creature.vertices_at(frame / num_frames), creature.faces, process=False)
        bounds.append(mesh.bounds)
        write_surface(folder, frame, mesh, seed)
        for name, of_frames in cameras.items():
            _write_images(folder / name, frame, creature, mesh, of_frames[frame], shine)
    lower, upper = np.min(bounds, axis=(0, 1)), np.max(bounds, axis=(0, 1))
    padding = _BOX_PADDING * (upper - lower)
    write_box(folder, lower - padding, upper + padding)


def _write_images(
    folder: Path, frame: int, creature: Creature, mesh: trimesh.Trimesh, camera: Camera, shine: float
) -> None:
    """Write what a camera sees of the mesh: colours, mask, and z-depth in millimetres."""
    directions = camera.directions(camera.pixel_grid()).reshape(-1, 3)
    hits = cast_rays(mesh, camera.centre, directions)
    normals = hits.interpolate(np.array(mesh.vertex_normals), creature.faces)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    albedo = creature.colours(hits.interpolate(creature.rest_vertices, creature.faces))
    shape = (camera.height, camera.width)
    colours, depth = np.zeros((hits.hit.size, 3), np.uint8), np.zeros(hits.hit.size, np.uint16)
    lit = (1.0 - shine) * albedo * _shading(normals) + shine * _highlights(normals, directions[hits.hit])
    colours[hits.hit] = np.round(255.0 * np.clip(lit, 0.0, 1.0))
    depth[hits.hit] = np.round(hits.distances * _METRES_PER_UNIT * 1000.0)
    write_images(folder, frame, colours.reshape(*shape, 3), hits.hit.reshape(shape), depth.reshape(shape))


def _shading(normals: Float64[np.ndarray, "points 3"]) -> Float64[np.ndarray, "points 1"]:
    """Lambert shading by a key light, a weaker fill light behind, and a sky above; all are fixed in the world."""
    key = np.clip(normals @ _KEY_LIGHT, 0.0, None)
    fill = np.clip(normals @ _FILL_LIGHT, 0.0, None)
    sky = 0.5 + 0.5 * normals[:, 1]
    return (0.40 + 0.42 * key + 0.24 * fill + 0.25 * sky)[:, None]


def _highlights(
    normals: Float64[np.ndarray, "points 3"], directions: Float64[np.ndarray, "points 3"]
) -> Float64[np.ndarray, "points 1"]:
    """The lights in a glossy surface (Phong 1975), seen in these directions."""
    seen = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    mirrored = seen - 2.0 * np.sum(seen * normals, axis=1, keepdims=True) * normals
    lobes = [np.clip(mirrored @ light, 0.0, None) ** _GLOSS for light in (_KEY_LIGHT, _FILL_LIGHT)]
    return (lobes[0] + lobes[1])[:, None]


def _cameras(num_cameras: int, num_frames: int, size: int) -> dict[str, list[Camera]]:
    """The cameras of every frame, in normalised space; the test camera goes once around."""
    focal = _FOCAL_PER_SIZE * size

    def camera(azimuth: float, elevation: float) -> Camera:
        return camera_around_origin(azimuth, elevation, _CAMERA_DISTANCE, (size, size), focal)

    numbers = _FOUR if num_cameras == len(_FOUR) else range(1, num_cameras + 1)
    cameras = {
        f"cam_train_{number}": [camera(360.0 * index / num_cameras, _TRAIN_ELEVATIONS[index % 2])] * num_frames
        for index, number in enumerate(numbers)
    }
    azimuths = 45.0 + 360.0 * np.arange(num_frames) / num_frames
    return cameras | {"cam_test": [camera(azimuth, _TEST_ELEVATION) for azimuth in azimuths]}
