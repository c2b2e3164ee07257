"""Writing captures in the Owlii / NeuS layout."""

from pathlib import Path

import numpy as np
import trimesh
from jaxtyping import Bool, Float64, Shaped, UInt8, UInt16
from PIL import Image

from resfields_ns.data.whole_file import whole_file

_CLOUD_POINTS = 5000


def make_folders(capture: Path, cameras: list[str]) -> None:
    """Make the folders that the other functions write to."""
    for folder in [camera + kind for camera in cameras for kind in ("/rgb", "/mask", "/depth")] + ["cloud", "mesh"]:
        (capture / folder).mkdir(parents=True, exist_ok=True)


def write_cameras(
    camera: Path, world_matrices: Float64[np.ndarray, "frames 4 4"], scale_matrix: Float64[np.ndarray, "4 4"]
) -> None:
    """Write the projections of a camera's frames, world to pixels, and the scale matrix, normalised to world."""
    matrices = {}
    for frame, matrix in enumerate(world_matrices):
        matrices[f"world_mat_{frame}"] = matrix
        matrices[f"scale_mat_{frame}"] = scale_matrix
    np.savez(camera / "cameras_sphere.npz", **matrices)


def write_images(
    camera: Path,
    frame: int,
    colours: UInt8[np.ndarray, "height width 3"],
    mask: Bool[np.ndarray, "height width"],
    depth: UInt16[np.ndarray, "height width"],
) -> None:
    """Write what a camera sees at a frame; depth in millimetres."""
    images = {"rgb": colours, "mask": np.where(mask, np.uint8(255), np.uint8(0)), "depth": depth}
    for kind, pixels in images.items():
        write_png(camera / kind / f"{frame:06d}.png", pixels)


def write_png(path: Path, pixels: Shaped[np.ndarray, "..."]) -> None:
    """Write an image, which appears whole."""
    with whole_file(path) as file:
        Image.fromarray(pixels).save(file, "PNG")


def write_surface(capture: Path, frame: int, mesh: trimesh.Trimesh, seed: int) -> None:
    """Write the surface of a frame, in normalised units, as a mesh and as points drawn from it."""
    points = trimesh.sample.sample_surface(mesh, _CLOUD_POINTS, seed=np.random.default_rng([seed, frame]))[0]
    for kind, surface in {"mesh": mesh, "cloud": trimesh.PointCloud(points)}.items():
        with whole_file(capture / kind / f"{frame:06d}.ply") as file:
            surface.export(file, "ply")


def has_frame(capture: Path, cameras: list[str], frame: int) -> bool:
    """Whether all that `write_images` and `write_surface` write of a frame is there."""
    images = [capture / camera / kind / f"{frame:06d}.png" for camera in cameras for kind in ("rgb", "mask", "depth")]
    surfaces = [capture / kind / f"{frame:06d}.ply" for kind in ("mesh", "cloud")]
    return all(path.is_file() for path in images + surfaces)


def write_box(capture: Path, lower: Float64[np.ndarray, "3"], upper: Float64[np.ndarray, "3"]) -> None:
    """Write the scene's box, in normalised units."""
    box = [round(float(value), 6) for value in (*lower, *upper)]
    (capture / "aabb.txt").write_text(f"{box}\n", encoding="utf-8")
