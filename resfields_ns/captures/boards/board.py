"""Calibration boards: checkerboards, and ChArUco boards, whose white squares hold markers.

Notation: the board's axes are x right, y down and z into the board, from the outer corner of the square at the upper
left; corners are those where four squares meet, numbered row by row.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float64

from resfields_ns.options import Limits

Pattern = Literal["charuco", "checkerboard"]

_DICTIONARIES = {
    name.removeprefix("DICT_").lower(): value
    for name, value in vars(cv2.aruco).items()
    if name.startswith("DICT_") and isinstance(value, int)
}


@dataclass(frozen=True)
class Board:
    """A board as it was printed.

    Args:
        pattern: its kind
        columns, rows: of squares
        square: side of a square, metres
        marker: side of a marker, metres; of a ChArUco board
        dictionary: of the markers, as OpenCV calls it, with or without DICT_: 5x5_250
    """

    pattern: Pattern
    columns: int
    rows: int
    square: float
    marker: float
    dictionary: str

    def __post_init__(self) -> None:
        for count in (self.columns, self.rows):
            Limits(least=3).check("--squares", count)
        Limits(above=0).check("--square-mm", 1000.0 * self.square)
        if self.pattern == "checkerboard":
            return
        if not 0.0 < self.marker < self.square:
            raise ValueError(
                f"--marker-mm: expected above 0 and below the square's {1000 * self.square:g}, "
                f"found {1000 * self.marker:g}"
            )
        if self._dictionary_name not in _DICTIONARIES:
            raise ValueError(
                f"--dictionary: expected one of OpenCV's ({', '.join(_DICTIONARIES)}), found {self.dictionary!r}"
            )
        available = len(self.marker_dictionary.bytesList)
        if self.columns * self.rows // 2 > available:
            raise ValueError(
                f"--dictionary: expected at least {self.columns * self.rows // 2} markers for "
                f"{self.columns} x {self.rows} squares, found {available} in {self.dictionary}"
            )

    @property
    def _dictionary_name(self) -> str:
        return self.dictionary.lower().removeprefix("dict_")

    @cached_property
    def marker_dictionary(self) -> cv2.aruco.Dictionary:
        """OpenCV's dictionary."""
        return cv2.aruco.getPredefinedDictionary(_DICTIONARIES[self._dictionary_name])

    def charuco(self, legacy: bool = False) -> cv2.aruco.CharucoBoard:
        """OpenCV's board; a legacy one of evenly many rows has a white square at the upper left."""
        board = cv2.aruco.CharucoBoard((self.columns, self.rows), self.square, self.marker, self.marker_dictionary)
        board.setLegacyPattern(legacy)
        return board

    @cached_property
    def corners(self) -> Float64[np.ndarray, "corners 3"]:
        """Where its corners are, metres."""
        x, y = np.meshgrid(np.arange(1, self.columns), np.arange(1, self.rows))
        return self.square * np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=-1)

    @property
    def middle(self) -> Float64[np.ndarray, "3"]:
        """Of the whole board, metres."""
        return 0.5 * self.square * np.array([self.columns, self.rows, 0.0])

    @property
    def looks_the_same_turned(self) -> bool:
        """Whether it cannot be told from itself turned by half a turn, or a quarter."""
        return self.pattern == "checkerboard" and (self.columns + self.rows) % 2 == 0

    def bits(self, resolution: int) -> Bool[np.ndarray, "height width"]:
        """The board as a picture, `resolution` pixels a square, true where it is white."""
        row, column = np.indices((self.rows * resolution, self.columns * resolution)) // resolution
        white = (row + column) % 2 == 1
        if self.pattern == "checkerboard":
            return white
        side = round(resolution * self.marker / self.square)
        margin = (resolution - side) // 2
        cells = [(r, c) for r in range(self.rows) for c in range(self.columns) if (r + c) % 2]
        for marker, (r, c) in enumerate(cells):
            top, left = r * resolution + margin, c * resolution + margin
            image = cv2.aruco.generateImageMarker(self.marker_dictionary, marker, side)
            white[top : top + side, left : left + side] = image > 0
        return white

    def describe(self) -> str:
        """The options of `rf-calibrate` that name it."""
        text = f"--squares {self.columns} {self.rows} --square-mm {1000 * self.square:g}"
        if self.pattern == "checkerboard":
            return f"--pattern checkerboard {text}"
        return f"{text} --marker-mm {1000 * self.marker:g} --dictionary {self._dictionary_name}"
