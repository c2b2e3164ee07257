"""Opening a mesh sequence of any kind."""

from pathlib import Path

from resfields_ns.mesh_sequences.anime_file import AnimeFile
from resfields_ns.mesh_sequences.array_file import ArrayFile
from resfields_ns.mesh_sequences.gltf_sequence import GltfSequence
from resfields_ns.mesh_sequences.mesh_folder import MeshFolder
from resfields_ns.mesh_sequences.mesh_sequence import MeshSequence
from resfields_ns.mesh_sequences.pictures import SUFFIXES

_BESIDE = (*SUFFIXES, ".bin")  # textures and buffers


def open_mesh_sequence(
    source: Path, texture: Path | None = None, fps: float | None = None, animation: str | None = None
) -> MeshSequence:
    """Open a folder of PLY or OBJ files, or a .npz, .anime, .glb or .gltf file.

    Raises ValueError if the source is none of these or is broken, or an option has no meaning for it.
    """
    if not source.exists():
        raise ValueError(f"{source}: expected a mesh sequence, found no such file or folder")
    suffix = "" if source.is_dir() else source.suffix.lower()
    if source.is_file() and suffix not in (".npz", ".anime", ".glb", ".gltf"):
        raise ValueError(f"{source}: expected a folder, or a file in .npz, .anime, .glb or .gltf, found {source.name}")
    if texture is not None and suffix not in (".npz", ""):
        raise ValueError(f"--texture: expected with a .npz file or a folder of meshes, found with {source}")
    for option, value in [("--fps", fps), ("--animation", animation)]:
        if value is not None and suffix not in (".glb", ".gltf"):
            raise ValueError(f"{option}: expected with a .glb or .gltf file, found with {source}")
    if suffix == "":
        return MeshFolder(source, texture)
    if suffix == ".npz":
        return ArrayFile(source, texture)
    if suffix == ".anime":
        return AnimeFile(source)
    return GltfSequence(source, fps, animation)


def source_files(source: Path, texture: Path | None = None) -> list[Path]:
    """The files that a sequence can be made of: all of a folder, or a file with the textures and buffers beside it."""
    if source.is_dir():
        files = [path for path in source.rglob("*") if path.is_file()]
    else:
        files = [path for path in source.parent.iterdir() if path == source or path.suffix.lower() in _BESIDE]
    return sorted(files) + ([] if texture is None else [texture])
