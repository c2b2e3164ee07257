"""What tells the foreground of a camera's pictures."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, UInt8

Foreground = Callable[[int, UInt8[np.ndarray, "height width 3"]], Bool[np.ndarray, "height width"]]
"""Takes the number of a video's frame, and the frame as decoded, to its mask."""
