"""Captures that are written over several runs if need be, and appear whole.

Until it is whole, a capture stands beside its place under a name that ends in `.partial`, with a mark in it. Its files
appear whole or not at all (`write_aside`), so that a second run goes on where a first one was stopped.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float64, Shaped, UInt8, UInt16
from PIL import Image

from resfields_ns.captures.camera import Camera, Similarity
from resfields_ns.captures.json_file import read_json
from resfields_ns.files import blame_full_disk, is_hidden, locked, write_aside

if TYPE_CHECKING:
    import trimesh

PLATE_FILE = "plate.png"  # of a camera
_MARK = "unfinished.json"
_RECORD = "conversion.json"  # what the mark becomes
_COMPRESSION = 2  # of png files: a quarter of the time of PIL's own 6, files a sixth larger


def check_unused(out: Path) -> None:
    """Raise ValueError if a folder to write to is in use."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: expected a folder that is new or empty, found one that is in use")


def check_finished(capture: Path) -> None:
    """Raise ValueError if a capture is one that a converter has not finished."""
    if (capture / _MARK).is_file():
        raise ValueError(
            f"{capture}: expected a whole capture, found one whose conversion was stopped ({_MARK}): run it again"
        )


@contextmanager
def unfinished_capture(out: Path, request: dict[str, Any]) -> Iterator[Path]:
    """Yield the folder to write a capture to, which becomes `out` once the block has ended without an error.

    It is new, or what a stopped run of the same request left.

    Args:
        request: all that decides what is written, as JSON can hold it; kept in the capture

    Raises ValueError if `out` is in use, another run writes it, or another request's rest is in the way, and
    DiskFullError where the disk has no room for it.
    """
    check_unused(out)
    partial = out.with_name(f"{out.name}.partial")
    kept = f"what is whole is kept in {partial}, from which the same command goes on"
    with blame_full_disk(out, kept), locked(out):
        check_unused(out)  # another run may have finished it
        _open(partial, json.loads(json.dumps(request)))
        yield partial
        (partial / _MARK).replace(partial / _RECORD)
        if out.exists():
            out.rmdir()
        partial.rename(out)


def describe_files(paths: Iterable[Path]) -> str:
    """A digest of files' names, sizes and times of change, by which a request tells them from others."""
    facts = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def describe_arrays(*arrays: Shaped[np.ndarray, "..."]) -> str:
    """A digest of arrays, by which a request tells them from others."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()


def _open(partial: Path, request: dict[str, Any]) -> None:
    """Make the folder, or check that it is the request's own."""
    mark = partial / _MARK
    if (partial / _RECORD).is_file():  # stopped at the very end
        (partial / _RECORD).replace(mark)
    if mark.is_file():
        found = read_json(mark)
        changed = sorted(key for key in request.keys() | found.keys() if request.get(key) != found.get(key))
        if changed:
            raise ValueError(
                f"{partial}: expected the rest of a run with the same input and options, found another's "
                f"({', '.join(changed)}): delete it, or choose another folder"
            )
        for left in partial.rglob(".*.lock"):  # by a killed run, beside a file that it had finished
            left.unlink()
        return
    with write_aside(mark) as file:
        if any(not is_hidden(path) for path in partial.iterdir()):
            raise ValueError(f"{partial}: expected no such folder, found one that this command did not make")
        file.write_text(json.dumps(request, indent=2) + "\n", encoding="utf-8")


_CLOUD_POINTS = 5000


def make_folders(capture: Path, cameras: list[str]) -> None:
    """Make the folders that the other functions write to."""
    for folder in [camera + kind for camera in cameras for kind in ("/rgb", "/mask", "/depth")] + ["cloud", "mesh"]:
        (capture / folder).mkdir(parents=True, exist_ok=True)


def write_cameras(folder: Path, cameras: Sequence[Camera], to_world: Similarity) -> None:
    """Write a camera's projections in the world, one a frame, without its lens, and the map from normalised space."""
    matrices = {}
    for frame, camera in enumerate(cameras):
        matrices[f"world_mat_{frame}"] = camera.projection
        matrices[f"scale_mat_{frame}"] = to_world.matrix
    archive = BytesIO()
    np.savez(archive, **matrices)
    with write_aside(folder / "cameras_sphere.npz") as partial:
        partial.write_bytes(archive.getvalue())


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
    with write_aside(path) as file:
        Image.fromarray(pixels).save(file, "PNG", compress_level=_COMPRESSION)


def write_surface(capture: Path, frame: int, mesh: "trimesh.Trimesh", seed: int) -> None:
    """Write the surface of a frame, in normalised units, as a mesh and as points drawn from it."""
    import trimesh

    points = trimesh.sample.sample_surface(mesh, _CLOUD_POINTS, seed=np.random.default_rng([seed, frame]))[0]
    for kind, surface in {"mesh": mesh, "cloud": trimesh.PointCloud(points)}.items():
        with write_aside(capture / kind / f"{frame:06d}.ply") as file:
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
