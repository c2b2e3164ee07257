"""Which sightings of a board belong to one moment, and how the board moved.

Pictures of videos and devices belong together by time, others by name. A moment of videos has one picture a camera at
most, all within half a frame; it is the mean of their times. Between pictures of one camera corners move evenly, or
with an even acceleration where the pictures before and after tell.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.boards.adjustment import Motion, Observation
from resfields_ns.captures.boards.board import Board
from resfields_ns.captures.boards.board_detection import FEWEST_CORNERS, Sighting
from resfields_ns.captures.boards.board_sources import Views

_MICROSECONDS = 1e6
_LONGEST_STEP = 0.25  # seconds between two pictures that tell of a motion


@dataclass(frozen=True)
class Moment:
    """One moment: the number of each camera's picture, and when it was (None by name)."""

    pictures: dict[str, int]
    time: float | None


def find_moments(views: dict[str, Views], clocks: dict[str, float]) -> list[Moment]:
    """All moments at which a camera saw the board, in order.

    Args:
        clocks: seconds to add to each camera's times
    """
    if any(of.source.times is None for of in views.values()):
        by_name: dict[str, dict[str, int]] = {}
        for camera, of in views.items():
            for number in of.sightings:
                by_name.setdefault(of.source.names[number], {})[camera] = number
        return [Moment(pictures, None) for pictures in by_name.values()]
    times = {camera: picture_times(of, clocks[camera]) for camera, of in views.items()}
    steps = [float(np.median(np.diff(of))) for of in times.values() if len(of) > 1]
    return _group(
        sorted((times[camera][number], camera, number) for camera, of in views.items() for number in of.sightings),
        0.5 * max(steps, default=0.0),
    )


def picture_times(views: Views, clock: float = 0.0) -> Float64[np.ndarray, "pictures"]:
    """Of all pictures of a camera with times, in seconds."""
    times = views.source.times
    assert times is not None
    return times / _MICROSECONDS + clock


def _group(pictures: list[tuple[float, str, int]], width: float) -> list[Moment]:
    """Group pictures in order of time; a group is at most so wide, and has a camera once."""
    groups: list[list[tuple[float, str, int]]] = []
    for picture in pictures:
        last = groups[-1] if groups else []
        if not last or picture[0] - last[0][0] > width or any(camera == picture[1] for _, camera, _ in last):
            groups.append([picture])
        else:
            last.append(picture)
    return [
        Moment({camera: number for _, camera, number in group}, float(np.mean([time for time, _, _ in group])))
        for group in groups
    ]


def observe(
    views: dict[str, Views], moments: list[Moment], board: Board, clocks: dict[str, float]
) -> list[Observation]:
    """What an adjustment needs of some moments; cameras are numbered in order, boards as the moments."""
    cameras = list(views)
    motions = {
        (camera, moment.pictures[camera]): _motion(views[camera], moment.pictures[camera])
        for moment in moments
        if moment.time is not None
        for camera in moment.pictures
    }
    speeds = {camera: _typical_speed([m for (of, _), m in motions.items() if of == camera and m]) for camera in cameras}
    observations = []
    for index, moment in enumerate(moments):
        for camera, number in moment.pictures.items():
            sighting, motion = views[camera].sightings[number], motions.get((camera, number))
            lag = 0.0 if moment.time is None else float(moment.time - picture_times(views[camera])[number])
            observations.append(
                Observation(
                    camera=cameras.index(camera),
                    board=index,
                    points=board.corners[sighting.corners],
                    pixels=sighting.pixels,
                    motion=Motion(*motion, lag=lag) if motion else None,
                    uncertainty=0.0 if motion else abs(lag - clocks[camera]) * speeds[camera],
                )
            )
    return observations


Rates = tuple[Float64[np.ndarray, "_ 2"], Float64[np.ndarray, "_ 2"]]
"""Velocity and acceleration in the picture."""


def _motion(views: Views, number: int) -> Rates | None:
    """By the camera's pictures before and after; None if the board was seen in neither."""
    times, here = picture_times(views), views.sightings[number]
    slopes, steps = [], []
    for other in (number - 1, number + 1):
        if other in views.sightings and abs(step := times[other] - times[number]) <= _LONGEST_STEP:
            moved = _moved(here, views.sightings[other])
            if moved is not None:
                slopes.append((moved - here.pixels) / step)
                steps.append(abs(step))
    if not slopes:
        return None
    if len(slopes) == 1:
        return slopes[0], np.zeros_like(slopes[0])
    velocity = (slopes[0] * steps[1] + slopes[1] * steps[0]) / sum(steps)
    return velocity, 2.0 * (slopes[1] - slopes[0]) / sum(steps)


def _moved(here: Sighting, there: Sighting) -> Float64[np.ndarray, "corners 2"] | None:
    """Where the corners of one sighting are in another; those not seen there move with the others' plane."""
    _, ours, theirs = np.intersect1d(here.corners, there.corners, return_indices=True)
    if len(ours) < FEWEST_CORNERS:
        return None
    plane, _ = cv2.findHomography(here.pixels[ours], there.pixels[theirs])
    if plane is None:
        return None
    moved = cv2.perspectiveTransform(here.pixels[:, None], plane)[:, 0]
    moved[ours] = there.pixels[theirs]
    return moved


def _typical_speed(motions: list[Rates]) -> float:
    """Pixels a second; 0 if nothing is known."""
    return float(np.median([np.linalg.norm(velocity, axis=1).mean() for velocity, _ in motions])) if motions else 0.0
