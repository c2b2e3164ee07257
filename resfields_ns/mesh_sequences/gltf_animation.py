"""The channels of a glTF animation."""

import math
from typing import Any

import numpy as np

from resfields_ns.mesh_sequences.gltf_channel import GltfChannel
from resfields_ns.mesh_sequences.gltf_file import GltfFile

_SIZES = {"translation": 3, "rotation": 4, "scale": 3, "weights": None}
_INTERPOLATIONS = ("LINEAR", "STEP", "CUBICSPLINE")


def read_channels(file: GltfFile, animation: str | None) -> list[GltfChannel]:
    """Channels of the animation of that name, or of the first one."""
    animations = file.json.get("animations", [])
    if not animations:
        raise ValueError(f"{file.path}: expected an animation, found none")
    names = [str(other.get("name", index)) for index, other in enumerate(animations)]
    if animation is not None and animation not in names:
        raise ValueError(f"--animation: expected one of {', '.join(names)} of {file.path}, found {animation!r}")
    index = 0 if animation is None else names.index(animation)
    return [
        _read_channel(file, animations[index], channel, f"{file.path}: animation {names[index]}")
        for channel in animations[index]["channels"]
        if "node" in channel["target"]
    ]


def _read_channel(file: GltfFile, animation: dict[str, Any], channel: dict[str, Any], name: str) -> GltfChannel:
    sampler, target = animation["samplers"][channel["sampler"]], channel["target"]
    interpolation = sampler.get("interpolation", "LINEAR")
    if target["path"] not in _SIZES or interpolation not in _INTERPOLATIONS:
        raise ValueError(
            f"{name}: expected channels of {', '.join(_SIZES)} by {', '.join(_INTERPOLATIONS)}, "
            f"found {target['path']!r} by {interpolation!r}"
        )
    times = file.accessor(sampler["input"]).astype(np.float64)
    values = file.accessor(sampler["output"]).astype(np.float64)
    if len(times) == 0 or not np.isfinite(times).all() or (np.diff(times) <= 0.0).any():
        raise ValueError(f"{name}: expected key times that grow, found {times[:4].tolist()}")
    tangents = (3,) if interpolation == "CUBICSPLINE" else ()
    if values.size == 0 or values.size % (len(times) * math.prod(tangents)) or not np.isfinite(values).all():
        raise ValueError(f"{name}: expected finite values for {len(times)} keys, found an array of {values.shape}")
    values = values.reshape(len(times), *tangents, -1)
    size = _SIZES[target["path"]]
    if size is not None and values.shape[-1] != size:
        raise ValueError(f"{name}: expected {size} numbers of a {target['path']}, found {values.shape[-1]}")
    rotations = values[:, 1] if tangents else values
    if target["path"] == "rotation" and (np.linalg.norm(rotations, axis=1) == 0.0).any():
        raise ValueError(f"{name}: expected rotations, found one of length 0")
    return GltfChannel(target["node"], target["path"], interpolation, times, values)
