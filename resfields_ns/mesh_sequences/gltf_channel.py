"""One property of one node over the time of a glTF animation."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation, Slerp


@dataclass(frozen=True)
class GltfChannel:
    """Values at key times, and how to go between them (glTF 2.0, appendix C)."""

    node: int
    path: str
    """Property of the node: translation, rotation, scale or weights."""
    interpolation: str
    """LINEAR, STEP or CUBICSPLINE."""
    times: Float[np.ndarray, "keys"]  # noqa: F821
    values: Float[np.ndarray, "keys *tangents size"]
    """With CUBICSPLINE, each key has (incoming tangent, value, outgoing tangent)."""

    def at(self, time: float) -> Float[np.ndarray, "size"]:  # noqa: F821
        """The value at a time; before the first and after the last key it stays as it is there."""
        key = int(np.clip(np.searchsorted(self.times, time, side="right") - 1, 0, max(len(self.times) - 2, 0)))
        if len(self.times) == 1:
            return self._value(0)
        length = self.times[key + 1] - self.times[key]
        s = float(np.clip((time - self.times[key]) / length, 0.0, 1.0))
        if self.interpolation == "STEP":
            return self._value(key + int(s == 1.0))
        if self.interpolation == "CUBICSPLINE":
            return self._spline(key, s, length)
        if self.path == "rotation":
            return Slerp([0.0, 1.0], Rotation.from_quat(self.values[key : key + 2]))(s).as_quat()
        return (1.0 - s) * self.values[key] + s * self.values[key + 1]

    def _value(self, key: int) -> Float[np.ndarray, "size"]:  # noqa: F821
        return self.values[key, 1] if self.interpolation == "CUBICSPLINE" else self.values[key]

    def _spline(self, key: int, s: float, length: float) -> Float[np.ndarray, "size"]:  # noqa: F821
        """The Hermite spline between two keys, at s of the way."""
        (_, start, leaving), (arriving, end, _) = self.values[key], self.values[key + 1]
        return (
            (2 * s**3 - 3 * s**2 + 1) * start
            + (s**3 - 2 * s**2 + s) * length * leaving
            + (3 * s**2 - 2 * s**3) * end
            + (s**3 - s**2) * length * arriving
        )
