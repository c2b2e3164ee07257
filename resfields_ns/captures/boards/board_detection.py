"""Finding a board in a picture, however it was printed and from whichever side it is seen.

A board may be printed inverted (white on black), in OpenCV's legacy pattern, and be seen from behind through what it is
printed on, or with both sides printed alike. All are looked for, first what was found last.

OpenCV up to 4.12 places corners of ChArUco boards half a pixel too far right and down (its pull request 28380): the
shift is measured on the board's own picture. Of its two ways to find checkerboards, the older finds more boards near
the picture's edge, the newer (SB) blurred and inverted ones; SB is off by up to 0.3 pixel where pictures are sharp, so
that `cornerSubPix` has the last word.
"""

from collections import Counter
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64, Int64, UInt8

from resfields_ns.captures.boards.board import Board

FEWEST_CORNERS = 6
_SQUARE = 40  # pixels a square, of the picture that tells the detector's shift
_SURE = 5  # sightings of one print, after which no other is looked for
_CHECKERBOARD_FLAGS = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE | cv2.CALIB_CB_FAST_CHECK
_WINDOW, _LARGEST_WINDOW = 0.3, 11  # around a checkerboard's corner: of the nearest two corners' distance, and pixels
_STEPS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-3)

Print = tuple[bool, bool]
"""Whether inverted, and whether legacy."""


@dataclass(frozen=True)
class Sighting:
    """Corners of a board in a picture.

    Args:
        corners: their numbers, ascending
        pixels: where they are, as OpenCV counts: the centre of the first pixel is at (0, 0)
        printed: how the board was
    """

    corners: Int64[np.ndarray, "corners"]
    pixels: Float64[np.ndarray, "corners 2"]
    printed: Print = (False, False)


class BoardDetector:
    """Finds one board in pictures, and learns how it is printed."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._prints: Counter[Print] = Counter()
        legacy = (False, True) if board.rows % 2 == 0 else (False,)  # else they are alike
        self._looks = [(i, old, m) for i in (False, True) for old in legacy for m in (False, True)]
        self._charuco = {}
        if board.pattern == "charuco":
            self._charuco = {old: cv2.aruco.CharucoDetector(board.charuco(old)) for old in legacy}
            self._shift = self._measure_shift()

    @property
    def printed(self) -> Print:
        """How the board is printed, as most sightings tell."""
        return max(self._prints, key=lambda key: self._prints[key], default=(False, False))

    def __call__(self, picture: UInt8[np.ndarray, "height width"]) -> Sighting | None:
        """The board in a gray picture; None without `FEWEST_CORNERS` corners in several rows and columns."""
        if self._board.pattern == "checkerboard":
            return self._checkerboard(picture)
        for look in self._looks:
            found = self._charuco_corners(picture, *look)
            if found is not None:
                self._remember(look)
                return found
        return None

    def _remember(self, look: tuple[bool, bool, bool]) -> None:
        self._looks.remove(look)
        self._looks.insert(0, look)
        self._prints[look[:2]] += 1
        if self._prints[self.printed] >= _SURE:
            self._looks = [look for look in self._looks if look[:2] == self.printed]

    def _charuco_corners(
        self, picture: UInt8[np.ndarray, "height width"], inverted: bool, legacy: bool, mirrored: bool
    ) -> Sighting | None:
        picture = 255 - picture if inverted else picture
        picture = np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture
        pixels, numbers, _, _ = self._charuco[legacy].detectBoard(picture)
        if numbers is None or len(numbers) < FEWEST_CORNERS:
            return None
        corners = numbers.ravel().astype(np.int64)
        if any(len(np.unique(along)) < 2 for along in np.divmod(corners, self._board.columns - 1)):
            return None
        pixels = pixels.reshape(-1, 2).astype(np.float64) - self._shift
        if mirrored:
            pixels[:, 0] = picture.shape[1] - 1 - pixels[:, 0]
        order = np.argsort(corners)
        return Sighting(corners[order], pixels[order], (inverted, legacy))

    def _measure_shift(self) -> float:
        """Pixels by which this version of OpenCV places corners too far right and down."""
        picture = np.pad(255 * self._board.bits(_SQUARE).astype(np.uint8), _SQUARE, constant_values=255)
        pixels, numbers, _, _ = self._charuco[False].detectBoard(picture)
        expected = (
            self._board.corners[numbers.ravel().astype(np.int64)][:, :2] / self._board.square * _SQUARE + _SQUARE - 0.5
        )
        return round(2.0 * float(np.median(pixels.reshape(-1, 2) - expected))) / 2.0

    def _checkerboard(self, picture: UInt8[np.ndarray, "height width"]) -> Sighting | None:
        """The whole board; it is taken to be seen from its front, for it looks the same from behind."""
        columns, rows = self._board.columns - 1, self._board.rows - 1
        found, pixels = cv2.findChessboardCorners(picture, (columns, rows), flags=_CHECKERBOARD_FLAGS)
        if not found:
            found, pixels = cv2.findChessboardCornersSB(picture, (columns, rows), flags=cv2.CALIB_CB_NORMALIZE_IMAGE)
        if not found:
            return None
        steps = [np.linalg.norm(np.diff(pixels.reshape(rows, columns, 2), axis=axis), axis=-1).min() for axis in (0, 1)]
        window = (int(np.clip(_WINDOW * min(steps), 1, _LARGEST_WINDOW)),) * 2
        pixels = cv2.cornerSubPix(picture, pixels, window, (-1, -1), _STEPS)
        grid = pixels.reshape(rows, columns, 2).astype(np.float64)
        right, down = grid[0, -1] - grid[0, 0], grid[-1, 0] - grid[0, 0]
        if right[0] * down[1] - right[1] * down[0] < 0.0:
            grid = grid[:, ::-1]
        alternates = _alternates(picture, grid)
        if alternates == 0:  # not the board: corners beyond its edge were made up
            return None
        grid = grid if alternates > 0 else grid[::-1, ::-1]
        return Sighting(np.arange(rows * columns), np.ascontiguousarray(grid).reshape(-1, 2))


def _alternates(picture: UInt8[np.ndarray, "height width"], grid: Float64[np.ndarray, "rows columns 2"]) -> int:
    """1 if the squares between corners are dark and bright in turn, dark first; -1 if bright first; 0 if neither."""
    centres = (grid[:-1, :-1] + grid[1:, :-1] + grid[:-1, 1:] + grid[1:, 1:]) / 4.0
    column, row = np.moveaxis(np.round(centres).astype(np.int64), -1, 0)
    values = picture[row.clip(0, picture.shape[0] - 1), column.clip(0, picture.shape[1] - 1)].astype(np.float64)
    signs = np.where(np.indices(values.shape).sum(axis=0) % 2 == 0, 1.0, -1.0)
    steps = [np.diff(values, axis=axis) * np.delete(signs, -1, axis=axis) for axis in (0, 1)]
    steps = np.concatenate([step.ravel() for step in steps])
    return 1 if (steps > 0.0).all() else -1 if (steps < 0.0).all() else 0
