"""Cameras from pictures of a calibration board: adjusted together, and placed in a world of the user's choice."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from resfields_ns.captures.boards.adjustment import Observation, Optics, Scene, adjust, focal_uncertainties
from resfields_ns.captures.boards.board import Board
from resfields_ns.captures.boards.board_moments import Moment, find_moments, observe
from resfields_ns.captures.boards.board_sources import Views
from resfields_ns.captures.boards.first_guess import guess_optics, guess_scene, to_matrix
from resfields_ns.captures.camera import Camera, Lens

_MOST_MOMENTS = 300
_LARGEST_UNCERTAINTY = 0.01  # of the focal length
_MORE_ROUNDS = 2  # with clocks set and without views that do not fit
_LARGEST_ERROR, _LARGEST_SHARE = 3.0, 5.0  # of a view that fits: pixels, and of the median view's error


@dataclass(frozen=True)
class CalibratedCamera:
    """A camera, and how well it explains what it saw.

    Args:
        camera: in the world
        known: whether its optics were given
        clock: seconds to add to its times, None where that was not looked for
        num_views: of the board
        pixels: of all corners, where the centre of the first pixel is at (0.5, 0.5)
        residuals: from where corners were seen, at the moment, to where they should be
    """

    camera: Camera
    known: bool
    clock: float | None
    num_views: int
    pixels: Float64[np.ndarray, "corners 2"]
    residuals: Float64[np.ndarray, "corners 2"]

    @property
    def rms(self) -> float:
        """Root mean square of the residuals' lengths, pixels."""
        return root_mean_square(self.residuals)


def root_mean_square(residuals: Float64[np.ndarray, "corners 2"]) -> float:
    """Of their lengths."""
    return float(np.sqrt((residuals**2).sum(axis=1).mean()))


def calibrate_optics(views: dict[str, Views], board: Board) -> dict[str, CalibratedCamera]:
    """Each camera by its own views alone; it stands in its own axes.

    Raises ValueError if views are too few or too similar.
    """
    cameras = {}
    for name, of in views.items():
        optics = [guess_optics(of, board)]
        adjusted = _Adjusted.of({name: of}, board, optics, {name: 0.0}, find_clocks=False)
        adjusted = _Adjusted.of(adjusted.fitting_views(), board, optics, {name: 0.0}, find_clocks=False)
        adjusted.check_optics()
        cameras |= adjusted.cameras(np.eye(4))
    return cameras


def calibrate_cameras(
    views: dict[str, Views],
    board: Board,
    floor: tuple[str, str] | None = None,
    origin: str | None = None,
    one_clock: bool = False,
) -> dict[str, CalibratedCamera]:
    """All cameras together.

    Args:
        floor: camera and picture in which the board lies on the floor: the world has its origin at the board's middle,
            x to the board's right, y to its top and z up; metres
        origin: else the camera whose axes are the world's, by default the first
        one_clock: whether the cameras' times are known to be of one clock; else their offsets are found, too

    Raises ValueError if views are too few or too similar, cameras have not seen the board together, or `floor` or
    `origin` name what is not there.
    """
    if len(views) < 2:
        raise ValueError(f"expected two or more cameras, found {', '.join(views)}: `intrinsics` calibrates single ones")
    if board.looks_the_same_turned:
        raise ValueError(
            f"--squares: expected an odd and an even number for a checkerboard that several cameras see, found "
            f"{board.columns} and {board.rows}: turned by half a turn the board looks the same"
        )
    if origin is not None and origin not in views:
        raise ValueError(f"--origin: expected one of {', '.join(views)}, found {origin!r}")
    on_floor = None if floor is None else _find_floor(views, *floor)
    find_clocks = not one_clock and all(of.source.times is not None for of in views.values())
    optics = [guess_optics(of, board) for of in views.values()]
    clocks = dict.fromkeys(views, 0.0)
    adjusted = _Adjusted.of(views, board, optics, clocks, find_clocks, on_floor)
    for _ in range(_MORE_ROUNDS):
        clocks = dict(zip(views, adjusted.scene.clocks, strict=True))
        adjusted = _Adjusted.of(adjusted.fitting_views(on_floor), board, optics, clocks, find_clocks, on_floor)
    adjusted.check_optics()
    return adjusted.cameras(adjusted.world(board, on_floor, origin))


def _find_floor(views: dict[str, Views], camera: str, picture: str) -> tuple[str, int]:
    if camera not in views:
        raise ValueError(f"--floor: expected one of the cameras {', '.join(views)}, found {camera!r}")
    names = views[camera].source.names
    if picture not in names or names.index(picture) not in views[camera].sightings:
        found = ", ".join(names[number] for number in list(views[camera].sightings)[:8])
        raise ValueError(
            f"--floor: expected a picture of {camera} in which the board was found ({found}, ...), found {picture!r}"
        )
    return camera, names.index(picture)


@dataclass(frozen=True)
class _Adjusted:
    """A scene, and what it was adjusted to."""

    views: dict[str, Views]
    moments: list[Moment]
    observations: list[Observation]
    scene: Scene
    find_clocks: bool

    @classmethod
    def of(
        cls,
        views: dict[str, Views],
        board: Board,
        optics: list[Optics],
        clocks: dict[str, float],
        find_clocks: bool,
        on_floor: tuple[str, int] | None = None,
    ) -> "_Adjusted":
        moments = _choose(find_moments(views, clocks), on_floor)
        cameras, boards = guess_scene(views, moments, dict(zip(views, optics, strict=True)), board)
        guess = Scene(optics, cameras, boards, list(clocks.values()))
        observations = observe(views, moments, board, clocks)
        scene = adjust(guess, observations, clocks=find_clocks)
        return cls(views, moments, observations, scene, find_clocks)

    def fitting_views(self, on_floor: tuple[str, int] | None = None) -> dict[str, Views]:
        """Without sightings far off what all others say: boards that were not there, or taken for another part."""
        errors = [root_mean_square(self.scene.residuals(of)) for of in self.observations]
        largest = max(_LARGEST_ERROR, _LARGEST_SHARE * float(np.median(errors)))
        views = {name: dict(of.sightings) for name, of in self.views.items()}
        for of, error in zip(self.observations, errors, strict=True):
            camera = list(views)[of.camera]
            number = self.moments[of.board].pictures[camera]
            if error > largest and (camera, number) != on_floor:
                del views[camera][number]
        return {name: replace(of, sightings=views[name]) for name, of in self.views.items()}

    def check_optics(self) -> None:
        """Raise ValueError for a camera whose views do not tell its focal length."""
        uncertainties = focal_uncertainties(self.scene, self.observations)
        for of, optics, uncertainty in zip(self.views.values(), self.scene.optics, uncertainties, strict=True):
            share = uncertainty / optics.matrix[0, 0]
            if share > _LARGEST_UNCERTAINTY:
                raise ValueError(
                    f"{of.source.path}: expected views that tell the focal length to {_LARGEST_UNCERTAINTY:.0%}, found "
                    f"{share:.2%}: show the board larger, to the corners of the picture, and tilted by 30 to 45 "
                    "degrees; or give --intrinsics"
                )

    def world(self, board: Board, on_floor: tuple[str, int] | None, origin: str | None) -> Float64[np.ndarray, "4 4"]:
        """The first camera's axes to the world."""
        if on_floor is None:
            return to_matrix(self.scene.cameras[0 if origin is None else list(self.views).index(origin)])
        index = next(i for i, moment in enumerate(self.moments) if _shows(moment, on_floor))
        upright = np.diag([1.0, -1.0, -1.0, 1.0])
        upright[:3, 3] = -upright[:3, :3] @ board.middle
        return upright @ np.linalg.inv(to_matrix(self.scene.boards[index]))

    def cameras(self, world: Float64[np.ndarray, "4 4"]) -> dict[str, CalibratedCamera]:
        """All that was found, in the world."""
        result = {}
        for index, (name, of) in enumerate(self.views.items()):
            seen = [observation for observation in self.observations if observation.camera == index]
            pose = world @ np.linalg.inv(to_matrix(self.scene.cameras[index]))
            result[name] = CalibratedCamera(
                camera=_camera(self.scene.optics[index], of.source.size, pose),
                known=self.scene.optics[index].known,
                clock=self.scene.clocks[index] if self.find_clocks else None,
                num_views=len(seen),
                pixels=np.concatenate([observation.pixels for observation in seen]) + 0.5,
                residuals=np.concatenate([self.scene.residuals(observation) for observation in seen]),
            )
        return result


def _choose(moments: list[Moment], on_floor: tuple[str, int] | None) -> list[Moment]:
    """At most so many seen by several cameras, at most as many seen by one, each evenly spread; and the floor."""
    shared = [moment for moment in moments if len(moment.pictures) > 1]
    single = [moment for moment in moments if len(moment.pictures) == 1]
    chosen = [*_spread(shared), *_spread(single)]
    return chosen + [moment for moment in moments if on_floor and _shows(moment, on_floor) and moment not in chosen]


def _spread(moments: list[Moment]) -> list[Moment]:
    """At most so many, evenly spread."""
    if len(moments) <= _MOST_MOMENTS:
        return moments
    return [moments[index] for index in np.linspace(0, len(moments) - 1, _MOST_MOMENTS).round().astype(int)]


def _shows(moment: Moment, on_floor: tuple[str, int]) -> bool:
    return moment.pictures.get(on_floor[0]) == on_floor[1]


def _camera(optics: Optics, size: tuple[int, int], pose: Float64[np.ndarray, "4 4"]) -> Camera:
    fx, fy, cx, cy = optics.parameters[:4].tolist()
    lens = Lens.from_opencv(optics.distortion.tolist())
    return Camera(*size, fx=fx, fy=fy, cx=cx + 0.5, cy=cy + 0.5, lens=lens, pose=pose[:3])
