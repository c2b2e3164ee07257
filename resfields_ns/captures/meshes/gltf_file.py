"""glTF 2.0 files, `.glb` and `.gltf`: their JSON, and the arrays and images that it tells of.

Names are those of the specification (Khronos, glTF 2.0): an accessor is an array in a view of a buffer.
"""

import base64
import binascii
import json
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from jaxtyping import UInt8

from resfields_ns.captures.meshes.colours import read_picture
from resfields_ns.captures.untrusted import LARGEST_TEXT, blamed, path_beside, read_bytes

_EXTENSIONS = ("KHR_materials_unlit", "KHR_mesh_quantization")  # what a file may require of its reader
_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_EXPECTED = "a glTF file"
_LARGEST_FILE = 2**29  # bytes
_MOST_ZEROS = 10_000_000
_JSON_CHUNK, _BINARY_CHUNK = b"JSON", b"BIN\0"


class GltfFile:
    """A file's content; `json` follows the specification."""

    def __init__(self, path: Path) -> None:
        """Read the JSON and the buffers. Raises ValueError if the file is broken or requires an extension."""
        self.path = path
        chunks = _read_chunks(path) if path.suffix.lower() == ".glb" else {_JSON_CHUNK: read_bytes(path, _EXPECTED)}
        if len(chunks.get(_JSON_CHUNK, b"")) > LARGEST_TEXT:
            raise ValueError(f"{path}: expected at most {LARGEST_TEXT} bytes of JSON, found {len(chunks[_JSON_CHUNK])}")
        with blamed(path, "glTF 2.0", "a file that is not"):
            self.json: dict[str, Any] = json.loads(chunks[_JSON_CHUNK])
            version = self.json["asset"]["version"]
        if not str(version).startswith("2."):
            raise ValueError(f"{path}: expected glTF 2.0, found version {version!r}")
        unknown = sorted(set(self.json.get("extensionsRequired", [])) - set(_EXTENSIONS))
        if unknown:
            known = " or ".join(_EXTENSIONS)
            raise ValueError(f"{path}: expected no required extension but {known}, found {', '.join(unknown)}")
        buffers = self.json.get("buffers", [])
        self._buffers = [self._read_buffer(index, buffer, chunks) for index, buffer in enumerate(buffers)]

    def accessor(self, index: int) -> np.ndarray:
        """An accessor's array: [count], [count, width] or, of matrices, [count, 4, 4]; normalised ones as floats."""
        accessor, name = self.entry("accessors", index), f"{self.path}: accessor {index}"
        count, width = _whole(accessor["count"], name), _lookup(_WIDTHS, accessor["type"], f"{name}: type")
        component = accessor["componentType"]
        if "bufferView" in accessor:
            values = self._elements(accessor, component, count, width, name)
        elif "sparse" in accessor:
            if count > _MOST_ZEROS:
                raise ValueError(f"{name}: expected at most {_MOST_ZEROS} entries without a bufferView, found {count}")
            values = np.zeros((count, width), np.dtype(_lookup(_COMPONENTS, component, f"{name}: componentType")))
        else:
            raise ValueError(f"{name}: expected a bufferView, found none")
        if "sparse" in accessor:
            values = self._with_sparse(values, accessor["sparse"], component, name)
        if accessor.get("normalized", False) and values.dtype.kind != "f":
            values = np.maximum(values / np.iinfo(values.dtype).max, -1.0)
        if accessor["type"] == "MAT4":
            return values.reshape(-1, 4, 4).transpose(0, 2, 1)
        return values[:, 0] if width == 1 else values

    def entry(self, kind: str, index: Any) -> Any:
        """What the list of a kind has at an index that the file tells."""
        return entry(self.json[kind], index, f"{self.path}: {kind}")

    def image(self, index: int) -> UInt8[np.ndarray, "height width 3"]:
        """Colours of an image."""
        image, name = self.entry("images", index), f"{self.path}: image {index}"
        if "bufferView" in image:
            return read_picture(BytesIO(self._view(image["bufferView"], name)), name)
        return read_picture(BytesIO(self._read_uri(image["uri"], name)), name)

    def _elements(self, place: dict[str, Any], component: int, count: int, width: int, name: str) -> np.ndarray:
        """`count` rows of `width` numbers from the view that `place` names."""
        view = self._view(place["bufferView"], name)
        dtype = np.dtype(_lookup(_COMPONENTS, component, f"{name}: componentType"))
        row = width * dtype.itemsize
        offset = _whole(place.get("byteOffset", 0), name)
        stride = _whole(self.entry("bufferViews", place["bufferView"]).get("byteStride", row), name)
        needed = offset + max(count - 1, 0) * stride + row * (count > 0)
        if stride < row or needed > len(view):
            raise ValueError(f"{name}: expected {needed} bytes in rows of {row} or more, found {len(view)} of {stride}")
        return np.ndarray((count, width), dtype, view, offset, (stride, dtype.itemsize))

    def _with_sparse(self, values: np.ndarray, sparse: dict[str, Any], component: int, name: str) -> np.ndarray:
        count = _whole(sparse["count"], name)
        indices = self._elements(sparse["indices"], sparse["indices"]["componentType"], count, 1, name)[:, 0]
        if count and not 0 <= indices.min() <= indices.max() < len(values):
            found = f"{indices.min()} to {indices.max()}"
            raise ValueError(f"{name}: expected sparse indices from 0 to {len(values) - 1}, found {found}")
        values = values.copy()
        values[indices] = self._elements(sparse["values"], component, count, values.shape[1], name)
        return values

    def _view(self, index: int, name: str) -> bytes:
        view = self.entry("bufferViews", index)
        buffer = entry(self._buffers, view["buffer"], f"{name}: buffer")
        start, length = _whole(view.get("byteOffset", 0), name), _whole(view["byteLength"], name)
        if start + length > len(buffer):
            raise ValueError(f"{name}: expected {start + length} bytes in buffer {view['buffer']}, found {len(buffer)}")
        return buffer[start : start + length]

    def _read_buffer(self, index: int, buffer: dict[str, Any], chunks: dict[bytes, bytes]) -> bytes:
        name = f"{self.path}: buffer {index}"
        data = self._read_uri(buffer["uri"], name) if "uri" in buffer else chunks.get(_BINARY_CHUNK, b"")
        length = _whole(buffer["byteLength"], name)
        if len(data) < length:
            raise ValueError(f"{name}: expected {length} bytes, found {len(data)}")
        return data[:length]

    def _read_uri(self, uri: str, name: str) -> bytes:
        if uri.startswith("data:"):
            try:
                return base64.b64decode(uri.partition(",")[2], validate=True)
            except binascii.Error as error:
                raise ValueError(f"{name}: expected base64 data, found data that is not ({error})") from None
        path = path_beside(self.path, unquote(uri), name)
        if not path.is_file():
            raise ValueError(f"{name}: expected the file {path}, found no such file")
        return read_bytes(path, "a buffer or picture", _LARGEST_FILE)


def _read_chunks(path: Path) -> dict[bytes, bytes]:
    """The chunks of a `.glb` by their type."""
    data = read_bytes(path, _EXPECTED, _LARGEST_FILE)
    magic, version, length = data[:4], int.from_bytes(data[4:8], "little"), int.from_bytes(data[8:12], "little")
    if magic != b"glTF" or version != 2:
        raise ValueError(f"{path}: expected a .glb file of version 2, found {magic!r} and version {version}")
    if length != len(data):
        raise ValueError(f"{path}: expected {length} bytes, found {len(data)}")
    chunks: dict[bytes, bytes] = {}
    start = 12
    while start < length:
        size = int.from_bytes(data[start : start + 4], "little")
        if start + 8 + size > length:
            raise ValueError(f"{path}: expected a chunk of {size} bytes, found {max(length - start - 8, 0)}")
        chunks.setdefault(data[start + 4 : start + 8], data[start + 8 : start + 8 + size])
        start += 8 + size
    return chunks


def entry(entries: Any, index: Any, name: str) -> Any:
    """What a list has at an index that a file tells; ValueError, which begins with `name`, if there is none."""
    if not isinstance(entries, list) or type(index) is not int or not 0 <= index < len(entries):
        count = len(entries) if isinstance(entries, list) else "no"
        raise ValueError(f"{name}: expected an index of {count} entries, from 0 on, found {repr(index)[:40]}")
    return entries[index]


def _whole(value: Any, name: str) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{name}: expected sizes of 0 or more, found {value!r}")
    return value


def _lookup(table: dict[Any, Any], key: Any, name: str) -> Any:
    if key not in table:
        raise ValueError(f"{name}: expected one of {', '.join(map(str, table))}, found {key!r}")
    return table[key]
