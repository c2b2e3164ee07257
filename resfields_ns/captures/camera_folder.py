"""Folders of one camera of a capture, and NeuS's files beside them.

One camera of a capture: a folder with `rgb` (or `image`) and, where there are any, `mask` and `depth` images, and
`plate.png`, what a camera that stands still sees behind the scene.
"""

import ast
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.array_files import Header, open_archive, read_member
from resfields_ns.captures.camera import (
    Camera,
    CropWindow,
    Similarity,
    check_same_similarity,
    decompose_projection,
)
from resfields_ns.captures.capture_writer import PLATE_FILE, check_finished
from resfields_ns.captures.image_files import (
    check_same_frames,
    check_size,
    depth_size,
    holds_floats,
    image_size,
    list_depths,
    list_frames,
    mask_size,
)
from resfields_ns.captures.sequence import MILLIMETRE, CapturedImage
from resfields_ns.captures.untrusted import LARGEST_COORDINATE, check_file, read_bytes
from resfields_ns.files import list_folder, natural_order

_CAMERA_FILE = "cameras_sphere.npz"
_LARGEST_FILE = 1000  # bytes
_EXPECTED = "a list of six numbers [x0, y0, z0, x1, y1, z1]"


@dataclass(frozen=True)
class CameraFrames:
    """The chosen frames of one camera; all images have `size` (width, height) pixels."""

    folder: Path
    size: tuple[int, int]
    images: list[Path]
    masks: list[Path] | None
    depths: list[Path] | None
    plate: Path | None

    def captured(self, cameras: Sequence[Camera], window: CropWindow | None = None) -> list[CapturedImage]:
        """The images as part of a capture, frame by frame, each by its own of the cameras."""
        return [
            CapturedImage(
                file=image,
                camera_name=self.folder.name,
                camera=cameras[frame],
                frame_position=float(frame),
                mask=None if self.masks is None else self.masks[frame],
                depth=None if self.depths is None else self.depths[frame],
                plate=self.plate,
                window=window,
            )
            for frame, image in enumerate(self.images)
        ]


def read_aabb(path: Path) -> list[list[float]]:
    """Return the box's corners [[x0, y0, z0], [x1, y1, z1]]; the file holds data only, nothing in it is run.

    Raises ValueError if the file is not one list of six finite numbers, or a lower bound is not below its upper one.
    """
    text = read_bytes(path, _EXPECTED, _LARGEST_FILE).decode("utf-8", errors="replace").strip()
    numbers = _parse_numbers(text)
    if numbers is None:
        raise ValueError(f"{path}: expected {_EXPECTED}, found {text[:80]!r}")
    lower, upper = numbers[:3], numbers[3:]
    if not all(low < high for low, high in zip(lower, upper, strict=True)):
        raise ValueError(f"{path}: expected every lower bound below its upper bound, found {numbers}")
    return [lower, upper]


def _parse_numbers(text: str) -> list[float] | None:
    try:
        values = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    if not isinstance(values, list | tuple) or len(values) != 6:
        return None
    if not all(type(value) in (int, float) and abs(value) <= LARGEST_COORDINATE for value in values):
        return None
    return [float(value) for value in values]


def read_normalisation(folder: Path, frame: int) -> Similarity:
    """The map from normalised space to the world that a camera's `cameras_sphere.npz` has for a frame index."""
    path = folder / _CAMERA_FILE
    return Similarity(_read_matrices(path, [frame])[1][0]).check(f"{path}: scale_mat_{frame}")


def read_cameras(of: CameraFrames, frames: list[int], to_world: Similarity) -> list[Camera]:
    """A camera at each frame, in normalised space, for images of the folder's size.

    Raises ValueError if a matrix is missing or no camera's, or the normalisation is not `to_world`.
    """
    path = of.folder / _CAMERA_FILE
    cameras = []
    for frame, world, scale in zip(frames, *_read_matrices(path, frames), strict=True):
        check_same_similarity(Similarity(scale), to_world, f"{path}: scale_mat_{frame}")
        cameras.append(decompose_projection((world @ scale)[:3], of.size, f"{path}: world_mat_{frame}"))
    return cameras


def _read_matrices(
    path: Path, frames: list[int]
) -> tuple[Float64[np.ndarray, "frames 4 4"], Float64[np.ndarray, "frames 4 4"]]:
    """(world matrices, scale matrices) of the given frame indices.

    A world matrix maps world points to pixels, a scale matrix maps normalised to world points.
    Raises ValueError if the file or a key is missing, or a matrix is not a 4x4 array of finite numbers.
    """
    check_file(path, "the camera's matrices")
    with open_archive(path) as archive:
        world = [_read_matrix(archive, f"world_mat_{frame}", path) for frame in frames]
        scale = [_read_matrix(archive, f"scale_mat_{frame}", path) for frame in frames]
    return np.stack(world), np.stack(scale)


def _read_matrix(archive: zipfile.ZipFile, key: str, path: Path) -> Float64[np.ndarray, "4 4"]:
    """Read one array after checking the shape and type that its header declares."""
    if f"{key}.npy" not in archive.namelist():
        raise ValueError(f"{path}: expected the key {key!r}, found {_keys_summary(archive)}")
    matrix = read_member(archive, path, key, _check_matrix).astype(np.float64)
    if not np.isfinite(matrix).all():
        raise ValueError(f"{path}: {key}: expected finite numbers, found {matrix[~np.isfinite(matrix)][0]}")
    return matrix


def _check_matrix(header: Header, name: str) -> None:
    shape, dtype = header
    if shape != (4, 4) or dtype.kind not in "fiu":
        raise ValueError(f"{name}: expected a 4x4 array of numbers, found shape {shape} of {dtype}")


def _keys_summary(archive: zipfile.ZipFile) -> str:
    keys = sorted(Path(name).stem for name in archive.namelist())
    return f"{len(keys)} keys: {', '.join(keys[:4])}{', ...' if len(keys) > 4 else ''}"


def camera_names(capture: Path) -> list[str]:
    """Return the names of the capture's camera folders, in natural order.

    Raises ValueError if the capture is not a folder, or a converter has not finished it.
    """
    if not capture.is_dir():
        raise ValueError(f"{capture}: expected the folder of a capture, found no such folder")
    check_finished(capture)
    return [folder.name for folder in list_folder(capture) if _image_folder(folder).is_dir()]


def common_frame_names(folders: list[Path]) -> list[str]:
    """Return the frame names, in natural order, that all cameras must have.

    Raises ValueError, naming the camera's folder and the frame, if a camera lacks a frame that another one has.
    """
    frames_by_folder = {_image_folder(folder): list_frames(_image_folder(folder)) for folder in folders}
    names = sorted({name for frames in frames_by_folder.values() for name in frames}, key=natural_order)
    for folder, frames in frames_by_folder.items():
        check_same_frames(frames, folder, names)
    return names


def read_camera_frames(folder: Path, frame_names: list[str], frames: list[int]) -> CameraFrames:
    """Find the files of the chosen frame indices and check their sizes and depths of colour, from headers alone.

    Raises ValueError if a mask or depth image is missing, or an image is not what the others are.
    """
    names = [frame_names[frame] for frame in frames]
    images_by_name = list_frames(_image_folder(folder))
    images = [images_by_name[name] for name in names]
    size = image_size(images[0])
    for path in images:
        check_size(path, image_size(path), size, f"the camera's first image {images[0].name}")
    masks = _optional_files(folder / "mask", list_frames, frame_names, names)
    for path in masks or []:
        check_size(path, mask_size(path), size, "the camera's images")
    depths = _optional_files(folder / "depth", list_depths, frame_names, names)
    for path in depths or []:
        check_size(path, depth_size(path), size, "the camera's images")
    plate = folder / PLATE_FILE
    if not plate.is_file():
        plate = None
    else:
        check_size(plate, image_size(plate), size, "the camera's images")
    return CameraFrames(folder=folder, size=size, images=images, masks=masks, depths=depths, plate=plate)


def check_alike(cameras: list[CameraFrames]) -> None:
    """Raise ValueError if only some cameras have masks or depth, or depths are floats in some and counts in others."""
    first = cameras[0]
    for camera in cameras[1:]:
        for kind, files, first_files in [
            ("mask", camera.masks, first.masks),
            ("depth", camera.depths, first.depths),
        ]:
            if (files is None) != (first_files is None):
                with_files, without = (camera, first) if first_files is None else (first, camera)
                raise ValueError(
                    f"{without.folder / kind}: expected {kind} images as camera {with_files.folder.name} has, "
                    "found no such folder"
                )
    of_floats = {holds_floats(path): path for camera in cameras for path in camera.depths or []}
    if len(of_floats) > 1:
        raise ValueError(
            f"{of_floats[True]}: expected depth in counts of 16 bits as {of_floats[False]} has, found floats"
        )


def metres_per_count(depth_unit: float | None, camera: CameraFrames) -> float:
    """What depth images count in: `depth_unit` where the user tells, else millimetres, or metres of floats."""
    if depth_unit is not None:
        return depth_unit
    return 1.0 if camera.depths and holds_floats(camera.depths[0]) else MILLIMETRE


def _image_folder(folder: Path) -> Path:
    """The folder of colour images; NeuS calls it `image`."""
    return folder / "image" if (folder / "image").is_dir() else folder / "rgb"


def _optional_files(
    folder: Path, list_files: Callable[[Path], dict[str, Path]], expected: list[str], names: list[str]
) -> list[Path] | None:
    if not folder.is_dir():
        return None
    files = list_files(folder)
    check_same_frames(files, folder, expected)
    return [files[name] for name in names]
