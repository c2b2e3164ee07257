"""A made-up multi-view capture in the Owlii / NeuS layout: a creature that moves before four fixed cameras.

Notation: normalised space holds the creature within the unit sphere; the world is in metres, and
x_world = _METRES_PER_UNIT * x_normalised + _WORLD_CENTRE. Cameras have OpenCV axes.
"""

import shutil
from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Float64
from PIL import Image
from rich.console import Console
from rich.progress import track

from resfields_ns.data.demo_creature import Creature
from resfields_ns.data.ray_casting import cast_rays

_METRES_PER_UNIT = 0.8
_WORLD_CENTRE = np.array([0.4, 1.1, -0.3])
_TRAIN_AZIMUTHS = {"cam_train_1": 0.0, "cam_train_3": 90.0, "cam_train_6": 180.0, "cam_train_8": 270.0}  # degrees
_TRAIN_ELEVATIONS = {"cam_train_1": 12.0, "cam_train_3": 28.0, "cam_train_6": 12.0, "cam_train_8": 28.0}
_TEST_ELEVATION = 20.0
_CAMERA_DISTANCE = 3.2  # normalised units
_FOCAL_PER_SIZE = 1.75
_CLOUD_POINTS = 5000
_BOX_PADDING = 0.05
_KEY_LIGHT = np.array([3.0, 4.0, 12.0]) / 13.0  # unit vectors towards the lights
_FILL_LIGHT = np.array([-3.0, 4.0, -12.0]) / 13.0


def write_demo_capture(
    out: Path, seed: int = 0, num_frames: int = 30, size: int = 128, show_progress: bool = False
) -> None:
    """Write a capture of `num_frames` frames of `size` x `size` pixels to the folder `out`; one seed, the same bytes.

    The folder appears only once it is whole. Raises ValueError if it exists and is not empty, or a number is too
    small or too large.
    """
    _check_request(out, seed, num_frames, size)
    partial = out.with_name(out.name + ".partial")
    if partial.exists():
        raise ValueError(f"{partial}: expected no such folder, found one left by a run that was stopped: delete it")
    partial.mkdir(parents=True)
    try:
        _write_capture(partial, Creature.from_seed(seed), seed, num_frames, size, show_progress)
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _check_request(out: Path, seed: int, num_frames: int, size: int) -> None:
    if seed < 0:
        raise ValueError(f"--seed: expected 0 or more, found {seed}")
    if num_frames < 1:
        raise ValueError(f"--frames: expected 1 or more, found {num_frames}")
    if not 16 <= size <= 2048:
        raise ValueError(f"--size: expected 16 to 2048 pixels, found {size}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: expected a folder that is new or empty, found one that is in use")


def _write_capture(
    folder: Path, creature: Creature, seed: int, num_frames: int, size: int, show_progress: bool
) -> None:
    poses = _poses(num_frames)
    for name, camera_poses in poses.items():
        for kind in ("rgb", "mask", "depth"):
            (folder / name / kind).mkdir(parents=True)
        _write_cameras(folder / name / "cameras_sphere.npz", camera_poses, size)
    for kind in ("cloud", "mesh"):
        (folder / kind).mkdir()
    bounds = []
    frames = track(range(num_frames), "Writing the capture", console=Console(stderr=True), disable=not show_progress)
    for frame in frames:
        mesh = trimesh.Trimesh(creature.vertices_at(frame / num_frames), creature.faces, process=False)
        bounds.append(mesh.bounds)
        mesh.export(folder / "mesh" / f"{frame:06d}.ply")
        points = trimesh.sample.sample_surface(mesh, _CLOUD_POINTS, seed=np.random.default_rng([seed, frame]))[0]
        trimesh.PointCloud(points).export(folder / "cloud" / f"{frame:06d}.ply")
        for name, camera_poses in poses.items():
            _write_images(folder / name, f"{frame:06d}.png", creature, mesh, camera_poses[frame], size)
    lower, upper = np.min(bounds, axis=(0, 1)), np.max(bounds, axis=(0, 1))
    padding = _BOX_PADDING * (upper - lower)
    box = [round(float(value), 6) for value in (*(lower - padding), *(upper + padding))]
    (folder / "aabb.txt").write_text(f"{box}\n", encoding="utf-8")


def _write_images(
    folder: Path, name: str, creature: Creature, mesh: trimesh.Trimesh, pose: Float64[np.ndarray, "3 4"], size: int
) -> None:
    """Write what a camera sees of the mesh: colours, mask, and z-depth in millimetres."""
    rotation = pose[:, :3]
    hits = cast_rays(mesh, -rotation.T @ pose[:, 3], _pixel_directions(size) @ rotation)
    normals = hits.interpolate(np.array(mesh.vertex_normals), creature.faces)
    albedo = creature.colours(hits.interpolate(creature.rest_vertices, creature.faces))
    images = {
        "rgb": np.zeros((size * size, 3), np.uint8),
        "mask": np.zeros(size * size, np.uint8),
        "depth": np.zeros(size * size, np.uint16),
    }
    images["rgb"][hits.hit] = np.round(255.0 * np.clip(albedo * _shading(normals), 0.0, 1.0))
    images["mask"][hits.hit] = 255
    images["depth"][hits.hit] = np.round(hits.distances * _METRES_PER_UNIT * 1000.0)
    for kind, pixels in images.items():
        Image.fromarray(pixels.reshape(size, size, *pixels.shape[1:])).save(folder / kind / name)


def _shading(normals: Float64[np.ndarray, "points 3"]) -> Float64[np.ndarray, "points 1"]:
    """Lambert shading by a key light, a weaker fill light behind, and a sky above; all are fixed in the world."""
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    key = np.clip(normals @ _KEY_LIGHT, 0.0, None)
    fill = np.clip(normals @ _FILL_LIGHT, 0.0, None)
    sky = 0.5 + 0.5 * normals[:, 1]
    return (0.40 + 0.42 * key + 0.24 * fill + 0.25 * sky)[:, None]


def _write_cameras(path: Path, poses: Float64[np.ndarray, "frames 3 4"], size: int) -> None:
    scale_matrix = np.diag([_METRES_PER_UNIT] * 3 + [1.0])
    scale_matrix[:3, 3] = _WORLD_CENTRE
    matrices = {}
    for frame, pose in enumerate(poses):
        world_pose = np.column_stack([pose[:, :3], _METRES_PER_UNIT * pose[:, 3] - pose[:, :3] @ _WORLD_CENTRE])
        matrices[f"world_mat_{frame}"] = np.vstack([_intrinsics(size) @ world_pose, [0.0, 0.0, 0.0, 1.0]])
        matrices[f"scale_mat_{frame}"] = scale_matrix
    np.savez(path, **matrices)


def _poses(num_frames: int) -> dict[str, Float64[np.ndarray, "frames 3 4"]]:
    """Normalised-to-camera poses of every camera and frame; the test camera goes once around."""
    poses = {
        name: np.stack([_look_at_centre(azimuth, _TRAIN_ELEVATIONS[name])] * num_frames)
        for name, azimuth in _TRAIN_AZIMUTHS.items()
    }
    azimuths = 45.0 + 360.0 * np.arange(num_frames) / num_frames
    poses["cam_test"] = np.stack([_look_at_centre(azimuth, _TEST_ELEVATION) for azimuth in azimuths])
    return poses


def _look_at_centre(azimuth: float, elevation: float) -> Float64[np.ndarray, "3 4"]:
    """Normalised-to-camera pose of a camera that looks at the origin; angles in degrees, azimuth 0 is +z."""
    azimuth, elevation = np.radians([azimuth, elevation])
    backward = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    right = np.array([np.cos(azimuth), 0.0, -np.sin(azimuth)])
    rotation = np.stack([right, np.cross(right, backward), -backward])
    return np.column_stack([rotation, -rotation @ (_CAMERA_DISTANCE * backward)])


def _intrinsics(size: int) -> Float64[np.ndarray, "3 3"]:
    focal = _FOCAL_PER_SIZE * size
    return np.array([[focal, 0.0, size / 2], [0.0, focal, size / 2], [0.0, 0.0, 1.0]])


def _pixel_directions(size: int) -> Float64[np.ndarray, "pixels 3"]:
    """Rays through the pixels' centres in camera axes, with z = 1; row by row."""
    centres = np.arange(size) + 0.5
    x, y = np.meshgrid(centres, centres)
    pixels = np.stack([x, y, np.ones_like(x)], axis=-1).reshape(-1, 3)
    return pixels @ np.linalg.inv(_intrinsics(size)).T
