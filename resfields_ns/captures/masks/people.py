"""People in pictures, found by MediaPipe's selfie segmentation (Apache 2.0), run by OpenCV.

Only the weights inside MediaPipe's wheel are used: the package itself needs another protobuf than nerfstudio allows.
"""

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

INSTALL = "pip install --no-deps mediapipe==0.10.14"
_WEIGHTS = "modules/selfie_segmentation/selfie_segmentation.tflite"
_INPUT = (256, 256)
_PROBABLE = 0.5
_LOOKS = 3  # the first at the whole picture, the others at what was found
_MARGIN = 0.25  # of the person's longer side, on each side


class PersonSegmenter:
    """Finds people in pictures; ValueError where the weights are not installed."""

    def __init__(self) -> None:
        self._network = cv2.dnn.readNetFromTFLite(str(_find_weights()))

    def __call__(self, picture: UInt8[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"]:
        """The mask of a picture in RGB: of the largest region found, looked at again from nearer."""
        height, width = picture.shape[:2]
        left, top, right, bottom = 0, 0, width, height
        mask = np.zeros((height, width), dtype=bool)
        for _ in range(_LOOKS):
            part = _largest(self._probabilities(picture[top:bottom, left:right]) > _PROBABLE)
            mask[:] = False
            mask[top:bottom, left:right] = part
            if not part.any():
                break
            x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
            side = (1.0 + 2.0 * _MARGIN) * max(w, h)
            left, right = _span(x + w / 2, side, width)
            top, bottom = _span(y + h / 2, side, height)
        return mask

    def _probabilities(self, picture: UInt8[np.ndarray, "height width 3"]) -> Float32[np.ndarray, "height width"]:
        self._network.setInput(cv2.dnn.blobFromImage(picture, 1.0 / 255.0, _INPUT))
        found = np.asarray(self._network.forward()).reshape(_INPUT[::-1])
        return cv2.resize(found, (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_LINEAR)


def _find_weights() -> Path:
    package = find_spec("mediapipe")
    for folder in (package and package.submodule_search_locations) or []:
        if (path := Path(folder) / _WEIGHTS).is_file():
            return path
    raise ValueError(
        f"mediapipe: expected its weights, to find people in pictures, found none: {INSTALL} "
        "(--no-deps, as its other needs would change what nerfstudio pins; they are not used)"
    )


def _largest(mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """The largest connected region; nothing of nothing."""
    count, labels, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return labels == 1 + facts[1:, cv2.CC_STAT_AREA].argmax() if count > 1 else mask


def _span(middle: float, side: float, length: int) -> tuple[int, int]:
    return max(0, round(middle - side / 2)), min(length, round(middle + side / 2))
