"""Rigid motions and scene flow.

Rigid motions that twists generate, applied to points (Park et al. 2021a).
Notation: a twist (w, v), w its rotation (axis times angle), v its translation; theta = |w|; x a point.
exp(w, v) x = R x + t, where R x = x + A w × x + B w × (w × x) and t = v + B w × v + C w × (w × v), with
A = sin(theta) / theta, B = (1 - cos(theta)) / theta^2, C = (theta - sin(theta)) / theta^3.

Scene flow: where moving points go (paper, 4.4). Notation: x_i is where a point is at frame i of N. Its forward flow
there is x_(i+1) - x_i, its backward flow x_(i-1) - x_i; the last frame has no forward flow, the first no backward flow.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from resfields_ns.functional.shares import mean_of_rows

NUM_TERMS = 10  # of the Taylor series: enough for second derivatives in float64 up to theta = 1


def apply_twist(
    rotation: Float[Tensor, "points 3"], translation: Float[Tensor, "points 3"], points: Float[Tensor, "points 3"]
) -> Float[Tensor, "points 3"]:
    """exp(w, v) x; smooth in everything, also at w = 0."""
    a, b, c = _coefficients(rotation.square().sum(dim=-1, keepdim=True))
    turned_point = torch.linalg.cross(rotation, points)
    turned_translation = torch.linalg.cross(rotation, translation)
    turned_twice = torch.linalg.cross(rotation, b * turned_point + c * turned_translation)
    return points + translation + a * turned_point + b * turned_translation + turned_twice


def _coefficients(squared_angle: Float[Tensor, "points 1"]) -> tuple[Tensor, ...]:
    """A, B, C as functions of theta^2: by their Taylor series below theta = 1, else in closed form."""
    small = squared_angle < 1.0
    near = torch.where(small, squared_angle, 0.0)
    terms = [[(-1.0) ** k / math.factorial(2 * k + j) for j in (1, 2, 3)] for k in range(NUM_TERMS)]
    series = torch.zeros_like(near)
    for term in near.new_tensor(terms).flip(0):
        series = series * near + term
    far = torch.where(small, 1.0, squared_angle)
    theta = far.sqrt()
    sine, cosine = theta.sin(), theta.cos()
    closed = torch.cat((sine / theta, (1.0 - cosine) / far, (theta - sine) / (far * theta)), dim=-1)
    return torch.where(small, series, closed).split(1, dim=-1)


@dataclass(frozen=True)
class Flow:
    """Motion of points to the next frame and to the one before."""

    forward: Float[Tensor, "*points 3"]
    backward: Float[Tensor, "*points 3"]


def flow_between_frames(positions: Float[Tensor, "frames points 3"]) -> Flow:
    """Flow of tracked points at every frame; zeros where a frame has no neighbour."""
    steps, nothing = positions.diff(dim=0), torch.zeros_like(positions[:1])
    return Flow(forward=torch.cat((steps, nothing)), backward=torch.cat((nothing, -steps)))


def l1_error(
    flow: Float[Tensor, "points 3"], target: Float[Tensor, "points 3"], exists: Bool[Tensor, "points"]
) -> Float[Tensor, ""]:
    """Mean L1 norm of the difference over the points that have such a flow; 0 where none has."""
    error = (flow - target).abs().sum(dim=-1)
    return mean_of_rows(error, exists)
