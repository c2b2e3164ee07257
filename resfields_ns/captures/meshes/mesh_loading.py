"""PLY and OBJ files through trimesh, once their text and counts are known to be whole; nothing else is opened for them.

trimesh leaves out what a file lacks, takes index 0 for the last vertex, and makes triangles of faces of any size.
"""

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import trimesh
from trimesh.resolvers import Resolver

from resfields_ns.captures.image_files import open_image
from resfields_ns.captures.untrusted import LARGEST_TEXT, blamed, check_count, path_beside, read_bytes

_LARGEST_FILE = 2**29  # bytes
_MOST_CORNERS = 255  # of a face, as PLY files count them in a byte
_MATERIALS, _PICTURES = (".mtl",), (".png", ".jpg", ".jpeg")


def load_mesh(path: Path) -> Any:
    """What trimesh makes of a file; ValueError if it is none, is cut short, or names what does not lie beside it."""
    content = read_bytes(path, "a mesh", _LARGEST_FILE)
    kind = path.suffix.lower().removeprefix(".")
    with blamed(path, "a mesh"):
        _check_ply(content, str(path)) if kind == "ply" else _check_obj(content, str(path))
        beside = _Beside(path)
        try:
            return trimesh.load(BytesIO(content), file_type=kind, resolver=beside, process=False)
        finally:
            if beside.refusal is not None:  # trimesh goes on without
                raise beside.refusal


class _Beside(Resolver):
    """Hands trimesh materials and pictures that lie beside a file or below, and keeps what was refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file_name = path.name
        self.refusal: ValueError | None = None

    def get(self, name: str) -> bytes:
        try:
            path = path_beside(self.path, name.strip(), str(self.path))
            if path.suffix.lower() not in (*_MATERIALS, *_PICTURES):
                raise ValueError(f"{self.path}: expected names of .mtl, .png and .jpg files, found {name[:80]!r}")
            if not path.exists():
                raise FileNotFoundError(path)
            if path.suffix.lower() in _MATERIALS:
                return read_bytes(path, "materials", LARGEST_TEXT)
            content = read_bytes(path, "a texture", _LARGEST_FILE)
            with open_image(BytesIO(content), str(path)):
                return content
        except ValueError as error:
            self.refusal = error
            raise

    def namespaced(self, namespace: str) -> "Resolver":
        raise NotImplementedError

    def keys(self) -> list[str]:
        return []

    def write(self, name: str, data: bytes) -> None:
        raise NotImplementedError


def _check_obj(content: bytes, name: str) -> None:
    """Raise ValueError for a line of a face or a vertex that trimesh would leave out or read as another."""
    if b"\0" in content:
        raise ValueError(f"{name}: expected text, found a byte of 0")
    for number, line in enumerate(content.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").splitlines(), start=1):
        kind, _, rest = line.strip().partition(b" ")
        if kind == b"f":
            _check_face(rest.split(), f"{name}: line {number}")
        elif kind == b"v" and len(rest.split()) < 3:
            raise ValueError(f"{name}: line {number}: expected three coordinates, found {line[:80]!r}")


_CORNER = re.compile(rb"-?0*[1-9]\d*(/(-?0*[1-9]\d*)?){0,2}")


def _check_face(corners: list[bytes], name: str) -> None:
    if not 3 <= len(corners) <= _MOST_CORNERS:
        raise ValueError(f"{name}: expected 3 to {_MOST_CORNERS} corners of a face, found {len(corners)}")
    for corner in corners:
        if corner.startswith(b"#"):
            return
        if _CORNER.fullmatch(corner) is None:
            found = corner[:40].decode(errors="replace")
            raise ValueError(f"{name}: expected corners of a face, counted from 1, found {found!r}")


_SIZES = {"char": 1, "uchar": 1, "short": 2, "ushort": 2, "int": 4, "uint": 4, "float": 4, "double": 8}
_SIZES |= {"int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "float32": 4, "float64": 8}
_LARGEST_HEADER = 2**16  # bytes


def _check_ply(content: bytes, name: str) -> None:
    """Raise ValueError if a file has less content than its header counts."""
    header, end, body = content.partition(b"end_header")
    if not content.startswith(b"ply") or not end or len(header) > _LARGEST_HEADER:
        raise ValueError(f"{name}: expected a PLY file, found one without its header")
    form, elements = _read_ply_header(header.decode(errors="replace"), name)
    body = body.removeprefix(b"\r").removeprefix(b"\n")
    if form == "ascii":
        return _check_ply_lines(body, elements, name)
    available = len(body)
    for element, count, properties in elements:
        size = sum(_SIZES[kinds[0]] for kinds in properties)  # of a list, the number of its entries
        check_count(count, size, available, f"{name}: {element}")
        available -= count * size
    if available and all(len(kinds) == 1 for _, _, properties in elements for kinds in properties):
        raise ValueError(f"{name}: expected what its header counts, found {available} bytes more")
    return None


_Element = tuple[str, int, list[tuple[str, ...]]]
"""Name, count, and the types of its properties: one of a number; of a list, that of its count and of its entries."""


def _read_ply_header(header: str, name: str) -> tuple[str, list[_Element]]:
    form, elements = "", []
    for line in header.splitlines()[1:]:
        words = line.split()
        if words[:1] == ["format"] and len(words) == 3:
            form = words[1]
        elif words[:1] == ["element"] and len(words) == 3 and words[2].isdecimal() and len(words[2]) < 16:
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"] and elements and len(words) in (3, 5):
            kinds = tuple(words[2:4] if words[1] == "list" else words[1:2])
            if any(kind not in _SIZES for kind in kinds) or (len(kinds) == 2 and len(words) != 5):
                raise ValueError(f"{name}: expected properties of PLY's types, found {line[:80]!r}")
            elements[-1][2].append(kinds)
        elif words and words[0] not in ("comment", "obj_info"):
            raise ValueError(f"{name}: expected a line of a PLY header, found {line[:80]!r}")
    if form not in ("ascii", "binary_little_endian", "binary_big_endian") or not elements:
        raise ValueError(f"{name}: expected a PLY header with a format and elements, found format {form!r}")
    return form, elements


def _check_ply_lines(body: bytes, elements: list[_Element], name: str) -> None:
    """Raise ValueError if there are not as many lines as a header counts, each with as many words as it has numbers."""
    lines = [line for line in body.splitlines() if line.strip()]
    if len(lines) != sum(count for _, count, _ in elements):
        raise ValueError(f"{name}: expected {sum(count for _, count, _ in elements)} lines, found {len(lines)}")
    start = 0
    for element, count, properties in elements:
        for line in lines[start : start + count]:
            words, place = line.split(), 0
            for kinds in properties:
                listed = words[place] if len(kinds) == 2 and place < len(words) else b"0"
                if not listed.isdigit() or int(listed[:9]) > _MOST_CORNERS:
                    raise ValueError(
                        f"{name}: {element}: expected lists of up to {_MOST_CORNERS}, found {listed[:20]!r}"
                    )
                place += 1 + int(listed)
            if place != len(words):
                raise ValueError(
                    f"{name}: {element}: expected {place} words in a line, found {len(words)}: {line[:80]!r}"
                )
        start += count
