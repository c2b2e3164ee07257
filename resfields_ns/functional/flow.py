"""Scene flow: where moving points go (paper, 4.4).

Notation: x_i is where a point is at frame i of N. Its forward flow there is x_(i+1) - x_i, its backward flow
x_(i-1) - x_i; the last frame has no forward flow, the first no backward flow.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


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
    return (error * exists).sum() / exists.sum().clamp(min=1)
