"""What the user asks of a conversion."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from resfields_ns.data.json_file import read_json


@dataclass(frozen=True)
class Request:
    """What to make of recordings.

    Args:
        recordings: camera -> file
        rig: file that says where the cameras stand
        frames: of those that all cameras have, as start:stop:step
        largest_gap_ms: milliseconds that images of one frame may lie apart
        box: lower and upper corner, in metres of the world, of what the capture is about
        crop: cut the images to what they show of the box
        masks: make masks of what lies in the box
    """

    recordings: dict[str, Path]
    rig: Path
    frames: str = "::"
    largest_gap_ms: float = 17.0
    box: Float64[np.ndarray, "2 3"] | None = None
    crop: bool = False
    masks: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.largest_gap_ms < math.inf:
            raise ValueError(f"--largest-gap-ms: expected a number above 0, found {self.largest_gap_ms}")
        if self.box is None and (self.crop or self.masks):
            raise ValueError(f"{'--crop' if self.crop else '--masks'}: expected a --box, found none")
        if self.box is not None and not (np.isfinite(self.box).all() and (self.box[0] < self.box[1]).all()):
            raise ValueError(
                f"--box: expected every lower bound below its upper bound, found {self.box.ravel().tolist()}"
            )

    def as_json(self) -> dict[str, Any]:
        """All that decides what a conversion writes."""
        recordings = {name: {"file": path.name, "bytes": path.stat().st_size} for name, path in self.recordings.items()}
        return {
            "recordings": recordings,
            "rig": read_json(self.rig),
            "frames": self.frames,
            "largest_gap_ms": self.largest_gap_ms,
            "box": None if self.box is None else self.box.tolist(),
            "crop": self.crop,
            "masks": self.masks,
        }
