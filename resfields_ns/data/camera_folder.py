"""One camera of a capture: a folder with `rgb` (or `image`) and, where there are any, `mask` and `depth` images."""

from dataclasses import dataclass
from pathlib import Path

from resfields_ns.data.image_files import check_same_frames, check_size, depth_size, image_size, list_frames
from resfields_ns.data.unfinished_capture import check_finished


@dataclass(frozen=True)
class CameraFrames:
    """The chosen frames of one camera; all images have `size` (width, height) pixels."""

    folder: Path
    size: tuple[int, int]
    images: list[Path]
    masks: list[Path] | None
    depths: list[Path] | None


def camera_names(capture: Path) -> list[str]:
    """Return the names of the capture's camera folders, sorted.

    Raises ValueError if the capture is not a folder, or a converter has not finished it.
    """
    if not capture.is_dir():
        raise ValueError(f"{capture}: expected the folder of a capture, found no such folder")
    check_finished(capture)
    return sorted(folder.name for folder in capture.iterdir() if _image_folder(folder).is_dir())


def common_frame_names(folders: list[Path]) -> list[str]:
    """Return the frame names, sorted, that all cameras must have.

    Raises ValueError, naming the camera's folder and the frame, if a camera lacks a frame that another one has.
    """
    frames_by_folder = {_image_folder(folder): list_frames(_image_folder(folder)) for folder in folders}
    names = sorted({name for frames in frames_by_folder.values() for name in frames})
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
    masks = _optional_files(folder / "mask", frame_names, names)
    for path in masks or []:
        check_size(path, image_size(path), size, "the camera's images")
    depths = _optional_files(folder / "depth", frame_names, names)
    for path in depths or []:
        check_size(path, depth_size(path), size, "the camera's images")
    return CameraFrames(folder=folder, size=size, images=images, masks=masks, depths=depths)


def check_alike(cameras: list[CameraFrames]) -> None:
    """Raise ValueError if the cameras differ in image size, or only some have masks or depth."""
    first = cameras[0]
    for camera in cameras[1:]:
        check_size(camera.folder, camera.size, first.size, f"camera {first.folder.name}")
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


def _image_folder(folder: Path) -> Path:
    """The folder of colour images; NeuS calls it `image`."""
    return folder / "image" if (folder / "image").is_dir() else folder / "rgb"


def _optional_files(folder: Path, expected: list[str], names: list[str]) -> list[Path] | None:
    if not folder.is_dir():
        return None
    files = list_frames(folder)
    check_same_frames(files, folder, expected)
    return [files[name] for name in names]
