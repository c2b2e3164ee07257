"""The formats of calibrations, and which of them a file or a folder has."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from resfields_ns.captures.videos.anipose_file import knows_anipose_file, read_anipose_file
from resfields_ns.captures.videos.calibration import Calibration, Sizes, read_llff_rows
from resfields_ns.captures.videos.colmap_model import knows_colmap_model, read_colmap_model
from resfields_ns.captures.videos.easymocap_files import knows_easymocap_files, read_easymocap_files
from resfields_ns.captures.videos.opencv_files import knows_opencv_files, read_opencv_files
from resfields_ns.captures.videos.qualisys_file import knows_qualisys_file, read_qualisys_file
from resfields_ns.captures.videos.transforms_calibration import knows_transforms_file, read_transforms_calibration
from resfields_ns.files import list_folder


@dataclass(frozen=True)
class CalibrationFormat:
    """A format.

    Args:
        words: what it is
        knows: whether a file or folder is such a calibration of videos, given by their names
        read: reads the cameras of videos, whose sizes are given
    """

    words: str
    knows: Callable[[Path, list[str]], bool]
    read: Callable[[Path, Sizes], Calibration]


FOLDERS = (
    CalibrationFormat(
        "a folder with a YAML or JSON file of OpenCV for each camera", knows_opencv_files, read_opencv_files
    ),
    CalibrationFormat(
        "with cameras.bin or cameras.txt of COLMAP", lambda path, _: knows_colmap_model(path), read_colmap_model
    ),
    CalibrationFormat(
        "with intri.yml and extri.yml of EasyMocap", lambda path, _: knows_easymocap_files(path), read_easymocap_files
    ),
)
FILES = (
    CalibrationFormat(
        "a .qca.txt of Qualisys Track Manager", lambda path, _: knows_qualisys_file(path), read_qualisys_file
    ),
    CalibrationFormat(
        "a .toml of anipose, FreeMoCap, Pose2Sim or caliscope",
        lambda path, _: knows_anipose_file(path),
        read_anipose_file,
    ),
    CalibrationFormat(
        "a transforms.json of nerfstudio", lambda path, _: knows_transforms_file(path), read_transforms_calibration
    ),
    CalibrationFormat("a poses_bounds.npy of LLFF", lambda path, _: path.suffix == ".npy", read_llff_rows),
)


def read_any_format(path: Path, sizes: Sizes) -> Calibration:
    """Read the cameras of videos from a calibration, or a folder with one, in any of the formats."""
    if path.is_dir():
        files = [file for file in list_folder(path) if file.is_file()]
        found = _known([path], FOLDERS, sizes) or _known(files, FILES, sizes)
    else:
        found = _known([path], FILES, sizes) if path.is_file() else []
    if len(found) != 1:
        there = " and ".join(f"{file.name} ({form.words})" for file, form in found) or (
            "none of them" if path.exists() else "nothing there"
        )
        formats = ", ".join(form.words for form in FOLDERS + FILES)
        raise ValueError(f"{path}: expected one calibration ({formats}), found {there}")
    ((file, form),) = found
    return form.read(file, sizes)


def _known(
    paths: list[Path], formats: tuple[CalibrationFormat, ...], sizes: Sizes
) -> list[tuple[Path, CalibrationFormat]]:
    return [(path, form) for path in paths for form in formats if form.knows(path, list(sizes))]
