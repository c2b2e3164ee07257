"""A first guess of cameras and boards, each from a few pictures alone, and whether views are enough for one.

Notation: a pose is a 4x4 matrix here; `camera_from_board` takes points of the board to a camera's axes.
"""

import cv2
import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.boards.adjustment import Optics, Pose
from resfields_ns.captures.boards.board import Board
from resfields_ns.captures.boards.board_detection import Sighting
from resfields_ns.captures.boards.board_moments import Moment
from resfields_ns.captures.boards.board_sources import Views

Matrix = Float64[np.ndarray, "4 4"]

_MOST_VIEWS = 60  # to guess a camera's optics from
_FEWEST_VIEWS = 6  # that differ
_DIFFERENT = 0.02  # of the picture's diagonal, by which the corners of views that differ lie apart on average
_SMALLEST_TILT = 15.0  # degrees between some two views
_FEWEST_COMMON = 3  # moments that tie two cameras
_ADVICE = "show the board at 15 places or more, in all parts of the picture, near and far, tilted by 30 to 45 degrees"


def guess_optics(views: Views, board: Board) -> Optics:
    """How a camera sees, by its own views, those that do not fit left out.

    Raises ValueError if they are too few or too similar.
    """
    known = views.source.camera
    if known is not None:
        return Optics(known.opencv_matrix, known.lens.opencv, known=True)
    sightings = list(views.sightings.values())
    size = views.source.size
    num_different = _count_different(sightings, _DIFFERENT * float(np.hypot(*size)))
    if num_different < _FEWEST_VIEWS:
        raise ValueError(
            f"{views.source.path}: expected at least {_FEWEST_VIEWS} views of the board that differ, found "
            f"{num_different} among {len(sightings)}: {_ADVICE}; or give --intrinsics"
        )
    chosen = [sightings[index] for index in np.linspace(0, len(sightings) - 1, _MOST_VIEWS).round().astype(int)]
    chosen = list({id(sighting): sighting for sighting in chosen}.values())
    optics, errors, normals = _calibrate(chosen, board, size)
    fits = errors <= 3.0 * np.median(errors)
    if not fits.all():
        optics, _, normals = _calibrate([chosen[index] for index in np.flatnonzero(fits)], board, size)
    tilt = float(np.degrees(np.arccos(np.clip(normals @ normals.T, -1.0, 1.0))).max())
    if tilt < _SMALLEST_TILT:
        raise ValueError(
            f"{views.source.path}: expected views of the board tilted against each other by {_SMALLEST_TILT:g} degrees "
            f"or more, found {tilt:.1f} at most: {_ADVICE}; or give --intrinsics"
        )
    return optics


def _calibrate(
    sightings: list[Sighting], board: Board, size: tuple[int, int]
) -> tuple[Optics, Float64[np.ndarray, "views"], Float64[np.ndarray, "views 3"]]:
    """Optics, and of each view its error (pixels) and the board's normal."""
    points = [board.corners[sighting.corners].astype(np.float32) for sighting in sightings]
    pixels = [sighting.pixels.astype(np.float32) for sighting in sightings]
    _, matrix, distortion, rotations, _, _, _, errors = cv2.calibrateCameraExtended(points, pixels, size, None, None)  # pyright: ignore[reportCallIssue, reportArgumentType]
    normals = np.stack([cv2.Rodrigues(rotation)[0][:, 2] for rotation in rotations])
    return Optics(matrix, np.append(distortion.ravel()[:5], np.zeros(3))), errors.ravel(), normals


def _count_different(sightings: list[Sighting], distance: float) -> int:
    """How many views differ from all counted before them."""
    kept: list[Sighting] = []
    for sighting in sightings:
        if all(_distance(sighting, other) > distance for other in kept):
            kept.append(sighting)
        if len(kept) == _FEWEST_VIEWS:
            break
    return len(kept)


def _distance(one: Sighting, other: Sighting) -> float:
    """Mean distance of common corners in pixels; infinite without any."""
    _, ours, theirs = np.intersect1d(one.corners, other.corners, return_indices=True)
    if len(ours) == 0:
        return float("inf")
    return float(np.linalg.norm(one.pixels[ours] - other.pixels[theirs], axis=1).mean())


def guess_scene(
    views: dict[str, Views], moments: list[Moment], optics: dict[str, Optics], board: Board
) -> tuple[list[Pose], list[Pose]]:
    """World to camera, and board to world at each moment, in the axes of the first camera.

    Raises ValueError if a camera has not seen the board together with others, at moments enough.
    """
    seen = {
        (camera, number): _camera_from_board(views[camera].sightings[number], optics[camera], board)
        for moment in moments
        for camera, number in moment.pictures.items()
    }
    cameras = _chain(views, moments, seen)
    boards = []
    for moment in moments:
        guesses = [np.linalg.inv(cameras[camera]) @ seen[camera, number] for camera, number in moment.pictures.items()]
        boards.append(_most_agreed(guesses))
    return [to_pose(cameras[camera]) for camera in views], [to_pose(of) for of in boards]


def _chain(views: dict[str, Views], moments: list[Moment], seen: dict[tuple[str, int], Matrix]) -> dict[str, Matrix]:
    """Each camera from the first one's axes, over the cameras that saw the board together most often."""
    first, *others = views
    cameras = {first: np.eye(4)}
    while others:
        common = {
            (known, new): [moment.pictures for moment in moments if {known, new} <= moment.pictures.keys()]
            for known in cameras
            for new in others
        }
        known, new = max(common, key=lambda pair: len(common[pair]))
        if len(common[known, new]) < _FEWEST_COMMON:
            raise ValueError(
                f"{views[new].source.path}: expected the board in view of {new} and of {' or '.join(cameras)} at "
                f"{_FEWEST_COMMON} moments or more, found {len(common[known, new])}: carry the board through where "
                "cameras that stand side by side both see it"
            )
        guesses = [seen[new, both[new]] @ np.linalg.inv(seen[known, both[known]]) for both in common[known, new]]
        cameras[new] = _most_agreed(guesses) @ cameras[known]
        others.remove(new)
    return cameras


def _camera_from_board(sighting: Sighting, optics: Optics, board: Board) -> Matrix:
    points = board.corners[sighting.corners]
    _, rotation, translation = cv2.solvePnP(points, sighting.pixels, optics.matrix, optics.distortion)
    return to_matrix(np.concatenate([rotation, translation]).ravel())


def _most_agreed(guesses: list[Matrix]) -> Matrix:
    """The guess that is nearest to the others, those far off not minded."""
    stacked = np.stack(guesses)
    turned = np.linalg.norm(
        (stacked[:, None, :3, :3] - stacked[None, :, :3, :3]).reshape(*2 * (len(stacked),), 9), axis=-1
    )
    moved = np.linalg.norm(stacked[:, None, :3, 3] - stacked[None, :, :3, 3], axis=-1)
    distance = turned + moved / (np.median(np.linalg.norm(stacked[:, :3, 3], axis=-1)) + 1e-9)
    return guesses[int(np.median(distance, axis=1).argmin())]


def to_matrix(pose: Pose) -> Matrix:
    """Of a rotation vector and a translation."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = cv2.Rodrigues(pose[:3])[0], pose[3:]
    return matrix


def to_pose(matrix: Matrix) -> Pose:
    """The other way."""
    return np.concatenate([cv2.Rodrigues(matrix[:3, :3])[0].ravel(), matrix[:3, 3]])
