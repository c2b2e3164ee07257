"""Where a mesh sequence stands in the world, whose unit is the metre and whose up axis is +y."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

_ROTATIONS = {
    "y": np.eye(3),
    "z": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]),
}


@dataclass(frozen=True)
class Placement:
    """world = metres_per_unit * (the source's point, turned so that its `up` axis is +y) + offset."""

    up: Literal["y", "z"] = "y"
    metres_per_unit: float = 1.0
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if not 0.0 < self.metres_per_unit < float("inf"):
            raise ValueError(f"--metres-per-unit: expected above 0, found {self.metres_per_unit}")
        if not np.isfinite(self.offset).all():
            raise ValueError(f"--offset: expected finite numbers, found {self.offset}")

    def __call__(self, vertices: Float64[np.ndarray, "vertices 3"]) -> Float64[np.ndarray, "vertices 3"]:
        return self.metres_per_unit * vertices @ _ROTATIONS[self.up].T + np.array(self.offset)
