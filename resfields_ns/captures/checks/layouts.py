"""Which of this project's dataparsers reads a folder."""

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig

_ENTRY_POINTS = "nerfstudio.dataparser_configs"
_OURS = "resfields_ns."

_SIGNS = {
    "dnerf-capture": "transforms*.json",
    "kinect-rgbd": "*/camera.json",
    "n3v": "poses_bounds.npy",
    "nerfies": "dataset.json",
    "owlii": "*/cameras_sphere.npz",
}
"""Name of each dataparser of captures -> a pattern of files that only these have."""


def dataparser_names() -> list[str]:
    """Names of this project's dataparsers of captures; others read what has no cameras, as videos and meshes."""
    return sorted(_SIGNS.keys() & _entry_points().keys())


def recognise_dataparser(capture: Path) -> str:
    """The name of the dataparser whose files lie in the folder.

    Raises ValueError if there is no such folder, or no dataparser or several recognise it.
    """
    if not capture.is_dir():
        raise ValueError(f"{capture}: expected the folder of a capture, found no such folder")
    found = [name for name in dataparser_names() if any(capture.glob(_SIGNS[name]))]
    if len(found) != 1:
        signs = ", ".join(f"{_SIGNS[name]} ({name})" for name in dataparser_names())
        raise ValueError(
            f"{capture}: expected files of one known layout, {signs}, found {' and '.join(found) or 'none of them'}; "
            f"--dataparser chooses one of {', '.join(dataparser_names())}"
        )
    return found[0]


def check_dataparser(name: str) -> str:
    """Return the name; ValueError if this project has no dataparser of captures of that name."""
    if name not in dataparser_names():
        raise ValueError(f"--dataparser: expected one of {', '.join(dataparser_names())}, found {name!r}")
    return name


def dataparser_config(name: str) -> DataParserConfig:
    """The default config of a dataparser of this project."""
    return _entry_points()[name].load().config


def _entry_points() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=_ENTRY_POINTS) if entry.value.startswith(_OURS)}
