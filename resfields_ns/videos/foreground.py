"""What tells the foreground of a camera's pictures."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8


class Foreground(ABC):
    """Tells the foreground of a camera's pictures."""

    @abstractmethod
    def __call__(self, frame: int, picture: UInt8[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"]:
        """The mask of a frame of the video, given as decoded."""

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """All that decides the masks, beside the video."""
