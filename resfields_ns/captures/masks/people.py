"""People in pictures, found by MediaPipe's pose network (BlazePose, Apache 2.0), run by OpenCV.

The network looks at a square of a picture, and tells whether a person is there, which pixels are the person's, and
which turned square it should have been shown: one about the middle of the hips, upright as the person is. So it is
shown parts of the picture first, then what it asks for.

Only the weights inside MediaPipe's wheel are used: the package itself needs another protobuf than nerfstudio allows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

INSTALL = "pip install --no-deps mediapipe==0.10.14"
_WEIGHTS = "modules/pose_landmark/pose_landmark_full.tflite"
_SIDE = 256  # pixels of what the network is shown
_LANDMARKS, _IS_PERSON, _LOGITS = "Identity", "Identity_1", "Identity_2"  # its outputs
_HIPS, _RIM = 33, 34  # landmarks: the middle of the hips, and a point above it on the circle around the person
_MARGIN = 1.25  # of the square around that circle, as MediaPipe has it
_PROBABLE = 0.5
_LOOKS = 3  # at what was asked for
_SHARES = (1.0, 0.6, 0.36)  # of the picture's shorter side: squares to look for people in


@dataclass(frozen=True)
class Square:
    """A turned square of a picture: `angle` radians clockwise, lengths in pixels."""

    centre: Float64[np.ndarray, "2"]
    side: float
    angle: float = 0.0

    @property
    def to_network(self) -> Float64[np.ndarray, "2 3"]:
        """Takes points of the picture to those of what the network is shown, as OpenCV counts pixels."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        turn = _SIDE / self.side * np.array([[cosine, sine], [-sine, cosine]])
        return np.column_stack([turn, (_SIDE - 1) / 2 - turn @ self.centre])


@dataclass(frozen=True)
class Look:
    """What the network says of a square.

    Args:
        presence: probability that a person is there
        probabilities: of each pixel, to be the person's
        asked: what it should be shown next
    """

    presence: float
    probabilities: Float32[np.ndarray, "side side"]
    asked: Square


class PersonSegmenter:
    """Finds people in pictures; ValueError where the weights are not installed."""

    def __init__(self) -> None:
        self._network = cv2.dnn.readNetFromTFLite(str(_find_weights()))

    def __call__(self, picture: UInt8[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"]:
        """The mask of a picture in RGB: of its largest person, looked for in ever smaller parts until one is found."""
        height, width = picture.shape[:2]
        for share in _SHARES:
            found = [self._follow(picture, square) for square in _squares(width, height, share)]
            if masks := [_largest(mask) for mask in found if mask is not None]:
                return max(masks, key=np.count_nonzero)
        return np.zeros((height, width), dtype=bool)

    def _follow(
        self, picture: UInt8[np.ndarray, "height width 3"], square: Square
    ) -> Bool[np.ndarray, "height width"] | None:
        """The mask of a person in the square; None where none is, or none stays."""
        look = self.look(picture, square)
        for _ in range(_LOOKS):
            if look.presence < _PROBABLE:
                return None
            square = look.asked
            look = self.look(picture, square)
        if look.presence < _PROBABLE:
            return None
        back = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
        return cv2.warpAffine(look.probabilities, square.to_network, picture.shape[1::-1], flags=back) > _PROBABLE

    def look(self, picture: UInt8[np.ndarray, "height width 3"], square: Square) -> Look:
        """Show the network a square of a picture in RGB; black is around the picture."""
        matrix = square.to_network
        part = cv2.warpAffine(picture, matrix, (_SIDE, _SIDE), flags=cv2.INTER_LINEAR)
        self._network.setInput(cv2.dnn.blobFromImage(part, 1.0 / 255.0))
        landmarks, presence, logits = (np.asarray(o) for o in self._network.forward([_LANDMARKS, _IS_PERSON, _LOGITS]))
        points = landmarks.reshape(-1, 5)[[_HIPS, _RIM], :2].astype(np.float64)
        hips, rim = cv2.transform(points[None], cv2.invertAffineTransform(matrix))[0]
        right, down = rim - hips
        side = max(1.0, 2.0 * _MARGIN * float(np.hypot(right, down)))
        asked = Square(hips, side, float(np.arctan2(right, -down)))
        probabilities = 1.0 / (1.0 + np.exp(-logits.reshape(_SIDE, _SIDE).clip(-50.0, 50.0)))
        return Look(float(presence.item()), probabilities, asked)


def _squares(width: int, height: int, share: float) -> Iterator[Square]:
    """Upright squares over the whole picture, which overlap by half or more."""
    side = share * min(width, height)
    across, down = (_middles(length, side) for length in (width, height))
    for x in across:
        for y in down:
            yield Square(np.array([x, y]), side)


def _middles(length: int, side: float) -> Float64[np.ndarray, "squares"]:
    count = 1 + int(np.ceil((length - side) / (side / 2) - 1e-6))
    return np.linspace(side / 2, length - side / 2, count) - 0.5


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
