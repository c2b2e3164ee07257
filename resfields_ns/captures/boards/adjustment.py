"""Joint adjustment (bundle adjustment): how cameras see, and where they and the boards were, by all corners at once.

Notation: a corner X of the board lies at R_b X + t_b in the world, and at R_c (R_b X + t_b) + t_c in a camera's axes;
a pose is a rotation vector and a translation, as OpenCV writes it. The world is the first camera's axes. Pixels are
OpenCV's: the centre of the first one is at (0, 0). A picture taken s seconds before its moment would show a corner at
p + v s + a s^2 / 2 at the moment, as the pictures before and after it tell; s is the lag that the stamps tell, less the
offset of the camera's clock.

SciPy's `least_squares` solves sparse problems by LSMR alone, which does not converge here: boards and cameras hang
together too tightly. The sparse normal equations are solved directly.
"""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from jaxtyping import Float64, Int64
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import splu

Pose = Float64[np.ndarray, "6"]
"""Rotation vector and translation."""

_NUM_INTRINSICS = 9  # fx, fy, cx, cy, k1, k2, p1, p2, k3: in the order of OpenCV's derivatives
_FIRST_BOUND, _SMALLEST_BOUND = 1.0, 0.05  # pixels, from which on a residual counts linearly
_ROBUST_SHARE = 1.345  # of the residuals' deviation: Huber's, 95% efficient where no residual is an outlier
_ROUNDS = 3
_MOST_STEPS = 200
_SMALLEST_GAIN = 1e-7  # of the loss
_DAMPING, _SMALLEST_DAMPING, _LARGEST_DAMPING = 1e-4, 1e-12, 1e8  # of the normal equations' diagonal
_MEDIAN_OF_NOISE = 0.6745  # of its standard deviation
_CLOCK_DEVIATION = 0.1  # seconds that a clock may be off; holds those that a board at rest does not tell


@dataclass(frozen=True)
class Optics:
    """How a camera sees, as OpenCV counts pixels.

    Args:
        matrix: fx 0 cx, 0 fy cy, 0 0 1
        distortion: k1, k2, p1, p2, k3, k4, k5, k6
        known: whether it stays as it is
    """

    matrix: Float64[np.ndarray, "3 3"]
    distortion: Float64[np.ndarray, "8"]
    known: bool = False

    @property
    def parameters(self) -> Float64[np.ndarray, "9"]:
        """What an adjustment may change."""
        return np.concatenate([self.matrix[[0, 1, 0, 1], [0, 1, 2, 2]], self.distortion[:5]])

    def changed(self, parameters: Float64[np.ndarray, "9"]) -> "Optics":
        """With other parameters."""
        fx, fy, cx, cy = parameters[:4]
        matrix = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
        return replace(self, matrix=matrix, distortion=np.concatenate([parameters[4:], self.distortion[5:]]))


@dataclass(frozen=True)
class Motion:
    """How corners move in pictures: v and a, in pixels a second (squared), and the lag in seconds."""

    velocity: Float64[np.ndarray, "corners 2"]
    acceleration: Float64[np.ndarray, "corners 2"]
    lag: float


@dataclass(frozen=True)
class Observation:
    """Corners of one board in one picture.

    Args:
        camera, board: their numbers
        points: the corners on the board, metres
        pixels: where they are seen
        motion: None where the board stood still, or it is not known
        uncertainty: pixels that time may have moved them, beside what a camera's noise does
    """

    camera: int
    board: int
    points: Float64[np.ndarray, "corners 3"]
    pixels: Float64[np.ndarray, "corners 2"]
    motion: Motion | None = None
    uncertainty: float = 0.0

    def pixels_at_moment(self, clock: float) -> Float64[np.ndarray, "corners 2"]:
        """Where they would be seen at the moment, by the offset of the camera's clock (seconds)."""
        if self.motion is None:
            return self.pixels
        s = self.motion.lag - clock
        return self.pixels + s * self.motion.velocity + 0.5 * s**2 * self.motion.acceleration

    def by_clock(self, clock: float) -> Float64[np.ndarray, "corners 2"]:
        """Derivative of `pixels_at_moment`."""
        if self.motion is None:
            return np.zeros_like(self.pixels)
        return -self.motion.velocity - (self.motion.lag - clock) * self.motion.acceleration


@dataclass(frozen=True)
class Scene:
    """All that is adjusted.

    Args:
        optics: of each camera
        cameras: world to camera
        boards: board to world, at each moment
        clocks: seconds to add to each camera's times, so that all run as the first one's
    """

    optics: list[Optics]
    cameras: list[Pose]
    boards: list[Pose]
    clocks: list[float] = field(default_factory=list)

    def residuals(self, of: Observation) -> Float64[np.ndarray, "corners 2"]:
        """Pixels from where corners are seen to where they should be."""
        return self._project(of)[0].reshape(-1, 2) - of.pixels_at_moment(self.clocks[of.camera])

    def derivatives(self, of: Observation) -> dict[str, Float64[np.ndarray, "residuals _"]]:
        """Of the residuals, row by row, by the camera's optics, its pose, the board's pose and the camera's clock."""
        _, jacobian, by = self._project(of)
        by_pose = [jacobian[:, :3] @ by_r + jacobian[:, 3:6] @ by_t for by_r, by_t in zip(by[:4], by[4:], strict=True)]
        return {
            "optics": jacobian[:, 6 : 6 + _NUM_INTRINSICS],
            "camera": np.hstack(by_pose[2:]),
            "board": np.hstack(by_pose[:2]),
            "clock": -of.by_clock(self.clocks[of.camera]).reshape(-1, 1),
        }

    def _project(self, of: Observation) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        """Pixels, OpenCV's derivatives of them, and those of board to camera by both poses."""
        board, camera, optics = self.boards[of.board], self.cameras[of.camera], self.optics[of.camera]
        rotation, translation, *by = cv2.composeRT(board[:3], board[3:], camera[:3], camera[3:])
        pixels, jacobian = cv2.projectPoints(of.points, rotation, translation, optics.matrix, optics.distortion)
        return pixels, jacobian, by


def adjust(scene: Scene, observations: list[Observation], clocks: bool = False) -> Scene:
    """The scene that explains the observations best by Huber's loss, whose bound is found from the residuals.

    Args:
        scene: a first guess
        observations: of all its boards and cameras
        clocks: whether the offsets of the cameras' clocks are adjusted, too
    """
    problem = _Problem(scene, observations, clocks)
    row = problem.pack(scene)
    bound = _FIRST_BOUND
    for _ in range(_ROUNDS):
        row = _minimise(problem, row, bound)
        bound = max(_ROBUST_SHARE * _deviation(problem.residuals(row)), _SMALLEST_BOUND)
    return problem.unpack(row)


def _minimise(problem: "_Problem", row: Float64[np.ndarray, "_"], bound: float) -> Float64[np.ndarray, "_"]:
    """Levenberg's and Marquardt's steps, where a residual beyond the bound counts linearly."""
    residuals = problem.residuals(row)
    loss, damping = _loss(residuals, bound), _DAMPING
    for _ in range(_MOST_STEPS):
        jacobian = problem.jacobian(row)
        weights = bound / np.maximum(np.abs(residuals), bound)
        normal = (jacobian.T @ diags(weights) @ jacobian).tocsc()
        gradient = jacobian.T @ (weights * residuals)
        diagonal = diags(np.maximum(normal.diagonal(), np.finfo(np.float64).eps))
        while damping < _LARGEST_DAMPING:
            tried = row - splu((normal + damping * diagonal).tocsc()).solve(gradient)
            tried_residuals = problem.residuals(tried)
            tried_loss = _loss(tried_residuals, bound)
            if tried_loss <= loss:
                break
            damping *= 10.0
        else:
            break
        gain, damping = loss - tried_loss, max(damping / 10.0, _SMALLEST_DAMPING)
        row, residuals, loss = tried, tried_residuals, tried_loss
        if gain <= _SMALLEST_GAIN * loss:
            break
    return row


def _loss(residuals: Float64[np.ndarray, "residuals"], bound: float) -> float:
    size = np.abs(residuals)
    return float(np.where(size <= bound, 0.5 * size**2, bound * (size - 0.5 * bound)).sum())


def _deviation(residuals: Float64[np.ndarray, "residuals"]) -> float:
    """Standard deviation of residuals, their outliers not minded."""
    return float(np.median(np.abs(residuals))) / _MEDIAN_OF_NOISE


def focal_uncertainties(scene: Scene, observations: list[Observation]) -> list[float]:
    """Standard deviation of each camera's fx in an adjusted scene, pixels; 0 where it is known."""
    problem = _Problem(scene, observations, clocks=False)
    row = problem.pack(scene)
    jacobian, noise = problem.jacobian(row), _deviation(problem.residuals(row))
    normal = (jacobian.T @ jacobian).tocsc()
    factors = splu(normal + _SMALLEST_DAMPING * diags(np.maximum(normal.diagonal(), 1.0)))
    result = []
    for camera in range(len(scene.optics)):
        unit = np.zeros(len(row))
        at = problem.focal_at(camera)
        if at is not None:
            unit[at] = 1.0
        result.append(noise * float(np.sqrt(np.maximum(unit @ factors.solve(unit), 0.0))))
    return result


class _Problem:
    """Parameters in one row: of optics that are not known, poses and clocks of all cameras but the first, boards."""

    def __init__(self, scene: Scene, observations: list[Observation], clocks: bool) -> None:
        self._scene, self._observations = scene, observations
        others = range(1, len(scene.cameras))
        unknown = [camera for camera, optics in enumerate(scene.optics) if not optics.known]
        widths = [("optics", unknown, _NUM_INTRINSICS), ("camera", others, 6), ("board", range(len(scene.boards)), 6)]
        widths += [("clock", others, 1)] if clocks else []
        self._slices: dict[tuple[str, int], slice] = {}
        self._size = 0
        for kind, numbers, width in widths:
            for number in numbers:
                self._slices[kind, number] = slice(self._size, self._size + width)
                self._size += width
        self._clocks = [where.start for (kind, _), where in self._slices.items() if kind == "clock"]
        trust = [np.full(of.pixels.size, 1.0 / np.hypot(1.0, of.uncertainty)) for of in observations]
        self._trust = np.concatenate([*trust, np.full(len(self._clocks), 1.0 / _CLOCK_DEVIATION)])
        self._rows, self._columns = self._sparsity()

    def focal_at(self, camera: int) -> int | None:
        """Where fx stands in the row."""
        where = self._slices.get(("optics", camera))
        return None if where is None else where.start

    def pack(self, scene: Scene) -> Float64[np.ndarray, "parameters"]:
        values = {
            "optics": [optics.parameters for optics in scene.optics],
            "camera": scene.cameras,
            "board": scene.boards,
            "clock": scene.clocks,
        }
        return np.concatenate([np.atleast_1d(values[kind][number]) for kind, number in self._slices])

    def unpack(self, row: Float64[np.ndarray, "parameters"]) -> Scene:
        scene = replace(
            self._scene,
            **{name: list(getattr(self._scene, name)) for name in ("optics", "cameras", "boards", "clocks")},
        )
        for (kind, number), where in self._slices.items():
            if kind == "optics":
                scene.optics[number] = scene.optics[number].changed(row[where])
            elif kind == "clock":
                scene.clocks[number] = float(row[where][0])
            else:
                (scene.cameras if kind == "camera" else scene.boards)[number] = row[where]
        return scene

    def residuals(self, row: Float64[np.ndarray, "parameters"]) -> Float64[np.ndarray, "residuals"]:
        scene = self.unpack(row)
        pixels = [scene.residuals(of).ravel() for of in self._observations]
        return self._trust * np.concatenate([*pixels, row[self._clocks]])

    def jacobian(self, row: Float64[np.ndarray, "parameters"]) -> csr_matrix:
        scene = self.unpack(row)
        values = []
        for of in self._observations:
            blocks = scene.derivatives(of)
            values += [blocks[kind].ravel() for kind, _ in self._blocks_of(of)]
        data = np.concatenate([*values, np.ones(len(self._clocks))]) * self._trust[self._rows]
        return csr_matrix((data, (self._rows, self._columns)), shape=(len(self._trust), self._size))

    def _blocks_of(self, of: Observation) -> list[tuple[str, slice]]:
        keys = [("optics", of.camera), ("camera", of.camera), ("board", of.board), ("clock", of.camera)]
        return [(kind, self._slices[kind, number]) for kind, number in keys if (kind, number) in self._slices]

    def _sparsity(self) -> tuple[Int64[np.ndarray, "entries"], Int64[np.ndarray, "entries"]]:
        """Row and column of every entry of the Jacobian that may not be zero."""
        grids, first = [], 0
        for of in self._observations:
            rows = slice(first, first + of.pixels.size)
            grids += [np.mgrid[rows, columns].reshape(2, -1) for _, columns in self._blocks_of(of)]
            first += of.pixels.size
        grids.append(np.stack([np.arange(first, first + len(self._clocks)), np.array(self._clocks, np.int64)]))
        rows, columns = np.concatenate(grids, axis=1)
        return rows, columns
