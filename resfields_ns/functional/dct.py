"""Trajectories as sums of cosines, the basis of the discrete cosine transform (Wang et al. 2021a).

Notation: N frames, K basis functions; u is a place among the frames, i at frame i and linear in between. A point's
trajectory is x(u) = x_0 + sum_k c_k phi_k(u) with phi_k(u) = sqrt(2 / N) cos(pi k (2 u + 1) / (2 N)), k = 1..K. The
constant function k = 0 is left out: it takes no part in motion.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def dct_basis(places: Float[Tensor, "*batch"], num_frames: int, num_functions: int) -> Float[Tensor, "*batch basis"]:
    """phi_1..phi_K at places among the frames; orthonormal over the frames while K < N."""
    k = torch.arange(1, num_functions + 1, device=places.device, dtype=places.dtype)
    angles = (math.pi / (2 * num_frames)) * (2.0 * places[..., None] + 1.0) * k
    return math.sqrt(2.0 / num_frames) * angles.cos()
