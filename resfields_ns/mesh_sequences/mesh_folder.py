"""Mesh sequences in a folder, one PLY or OBJ file a frame."""

import re
from pathlib import Path

from resfields_ns.mesh_sequences.mesh_file import read_mesh_file
from resfields_ns.mesh_sequences.mesh_frame import MeshFrame
from resfields_ns.mesh_sequences.mesh_sequence import MeshSequence

_SUFFIXES = (".obj", ".ply")


class MeshFolder(MeshSequence):
    """Meshes of one kind, ordered by the numbers in their names; each may have triangles of its own."""

    def __init__(self, folder: Path, texture: Path | None = None) -> None:
        """Find the files; `texture` is one texture for all of them, in place of their own."""
        files = [path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES]
        kinds = sorted({path.suffix.lower() for path in files})
        if len(kinds) != 1:
            raise ValueError(f"{folder}: expected ply or obj files, found {' and '.join(kinds) or 'neither'}")
        self.files = sorted(files, key=_numbers_by_value)
        self.texture = texture

    def __len__(self) -> int:
        return len(self.files)

    def frame(self, index: int) -> MeshFrame:
        return read_mesh_file(self.files[index], self.texture)


def _numbers_by_value(path: Path) -> list[tuple[int, str]]:
    """A key that puts mesh_2 before mesh_10."""
    return [(int(part), part) if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]
