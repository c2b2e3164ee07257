"""Waves by finite differences, which fields are compared with; `functional.wave_equations.py` has the equations.

Notation: n x n grid points at linspace(-1, 1, n) in rows and columns, h apart; those at the border are held at 0.
"""

import math
from abc import ABC, abstractmethod
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Complex128, Float32, Float64

from resfields_ns.functional.wave_equations import HelmholtzEquation, Membrane, PlaneEquation

SIDE = 129  # grid points along a side at which fields are compared
_COURANT = 0.5  # c dt / h; up to 1 / sqrt(2) the scheme is stable


def grid_points(n: int) -> Float64[np.ndarray, "n n 2"]:
    """(row, column) of the grid points."""
    line = np.linspace(-1.0, 1.0, n)
    return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)


def move_membrane(
    start: Float64[np.ndarray, "n n"], speed: float, seconds: float, num_frames: int
) -> Float64[np.ndarray, "frames n n"]:
    """A membrane that is held at its border and let go at rest, at moments evenly spread over some seconds.

    Leapfrog: central differences of second order in space and time.
    """
    spacing = 2.0 / (len(start) - 1)
    between = seconds / max(num_frames - 1, 1)
    steps = max(1, math.ceil(between * speed / (_COURANT * spacing)))
    factor = (between / steps * speed / spacing) ** 2
    now = start.copy()
    now[[0, -1]] = now[:, [0, -1]] = 0.0
    before = now + 0.5 * factor * _differences(now)  # at rest, as far before the start as behind it
    frames = [now]
    for _ in range(num_frames - 1):
        for _ in range(steps):
            now, before = 2.0 * now - before + factor * _differences(now), now
        frames.append(now)
    return np.stack(frames)


def _differences(u: Float64[np.ndarray, "n n"]) -> Float64[np.ndarray, "n n"]:
    """h^2 (u_xx + u_yy) inside, 0 at the border."""
    found = np.zeros_like(u)
    found[1:-1, 1:-1] = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4.0 * u[1:-1, 1:-1]
    return found


def solve_helmholtz(
    equation: HelmholtzEquation, source: Complex128[np.ndarray, "n n"]
) -> Complex128[np.ndarray, "n n"]:
    """u of (A u_x)_x + (B u_y)_y + e_x e_y k^2 u = -source, by differences of second order and a sparse solver."""
    from scipy.sparse import diags, kron
    from scipy.sparse.linalg import spsolve

    n = len(source)
    line = torch.linspace(-1.0, 1.0, n, dtype=torch.float64)
    middles = 0.5 * (line[1:] + line[:-1])
    at, between = (equation.stretch(x)[0].numpy() for x in (line[1:-1], middles))
    weights = 1.0 / between * ((n - 1) / 2.0) ** 2
    second = diags([weights[1:-1], -(weights[1:] + weights[:-1]), weights[1:-1]], [-1, 0, 1])  # pyright: ignore[reportArgumentType]  # (u_x / e_x)_x
    stretch = diags(at)
    matrix = kron(second, stretch) + kron(stretch, second) + equation.wave_number**2 * kron(stretch, stretch)
    found = np.zeros((n, n), np.complex128)
    found[1:-1, 1:-1] = spsolve(matrix.tocsc(), -source[1:-1, 1:-1].ravel()).reshape(n - 2, n - 2)
    return found


class WaveReference(ABC):
    """A solution at `SIDE` x `SIDE` grid points of every frame, computed on a finer grid at first use.

    Args:
        equation: that is solved
        num_frames: N
    """

    refinement: ClassVar[int]
    """Cells of the finer grid along a cell of the one that is kept."""

    def __init__(self, equation: PlaneEquation, num_frames: int) -> None:
        self.equation = equation
        self.num_frames = num_frames

    @cached_property
    def frames(self) -> Float32[np.ndarray, "frames side side values"]:
        """u of every frame."""
        points = grid_points((SIDE - 1) * self.refinement + 1)
        return self.solve(points)[:, :: self.refinement, :: self.refinement].astype(np.float32)

    @abstractmethod
    def solve(self, points: Float64[np.ndarray, "n n 2"]) -> Float64[np.ndarray, "frames n n values"]:
        """u of every frame at the points of a grid."""

    def __deepcopy__(self, memo: dict) -> "WaveReference":
        """The host copies the metadata of datasets; what is solved never changes, so copies share it."""
        return self


class MembraneReference(WaveReference):
    """Frames at moments evenly spread over the time."""

    refinement = 4

    def __init__(self, equation: Membrane, num_frames: int) -> None:
        super().__init__(equation, num_frames)
        self.membrane = equation

    def solve(self, points: Float64[np.ndarray, "n n 2"]) -> Float64[np.ndarray, "frames n n 1"]:
        """The displacement."""
        membrane = self.membrane
        start = np.exp(-(points**2).sum(axis=-1) / (2.0 * membrane.pulse_width**2))
        return move_membrane(start, membrane.speed, membrane.seconds, self.num_frames)[..., None]


class HelmholtzReference(WaveReference):
    """The one frame."""

    refinement = 2

    def __init__(self, equation: HelmholtzEquation) -> None:
        super().__init__(equation, 1)
        self.helmholtz = equation

    def solve(self, points: Float64[np.ndarray, "n n 2"]) -> Float64[np.ndarray, "1 n n 2"]:
        """Real and imaginary part."""
        equation = self.helmholtz
        pulse = np.exp(-(points**2).sum(axis=-1) / (2.0 * equation.source_width**2))
        found = solve_helmholtz(equation, (equation.wave_number**2 * pulse).astype(np.complex128))
        return np.stack((found.real, found.imag), axis=-1)[None]
