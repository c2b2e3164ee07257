"""Weights that depend on time (paper Eq. 3, 4), and chunks of frames that have weights of their own.

Notation: K segments of equal time, R the rank, W [out, in] the shared weight, v [K, R] the coefficients,
M [R, out, in] the basis (the paper's spanning set). Samples of one segment share one composed matrix,
so no weight is ever gathered per ray. N frames fall into C chunks of sizes as equal as can be; frame i belongs to chunk
floor(i C / N).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from resfields_ns import timeline


def compose_weights(
    weight: Float[Tensor, "out in"],
    coefficients: Float[Tensor, "segments rank"],
    basis: Float[Tensor, "rank out in"],
) -> Float[Tensor, "segments out in"]:
    """W + sum_r v_r M_r for every segment (Eq. 3 and 4)."""
    composed = torch.addmm(weight.reshape(1, -1), coefficients, basis.flatten(start_dim=1))
    return composed.view(-1, *weight.shape)


def span(
    coefficients: Float[Tensor, "segments rank"], basis: Float[Tensor, "rank rows columns"]
) -> Float[Tensor, "segments rows columns"]:
    """sum_r v_r M_r for every segment (Eq. 4)."""
    return (coefficients @ basis.flatten(start_dim=1)).view(-1, *basis.shape[1:])


def truncate_rank(
    coefficients: Float[Tensor, "rows rank"], basis: Float[Tensor, "rank out in"], rank: int
) -> Float[Tensor, "rows rank"]:
    """Coefficients whose residuals v M are the best approximation of the given ones by `rank` matrices.

    Best in the least-squares sense over all rows: the singular value decomposition of v M (Eckart & Young 1936), taken
    on its small side: v M has the left singular vectors of v L, where L L^T = M M^T.
    """
    flat = basis.flatten(start_dim=1).double()
    values, vectors = torch.linalg.eigh(flat @ flat.T)
    root = vectors * values.clamp(min=0.0).sqrt()
    left = torch.linalg.svd(coefficients.double() @ root, full_matrices=False).U[:, :rank]
    return (left @ (left.T @ coefficients.double())).to(coefficients)


def frame_similarity(coefficients: Float[Tensor, "frames width"]) -> Float[Tensor, "frames frames"]:
    """Cosines between the coefficients of every two frames; 0 with coefficients that are all 0."""
    directions = F.normalize(coefficients, dim=-1)
    return directions @ directions.T


@dataclass(frozen=True)
class Chunks:
    """N frames in C chunks."""

    num_frames: int
    num_chunks: int

    def start(self, chunk: int) -> int:
        """First frame of a chunk; of the chunk behind the last, N."""
        return -(-chunk * self.num_frames // self.num_chunks)

    def size(self, chunk: int) -> int:
        """Frames of a chunk."""
        return self.start(chunk + 1) - self.start(chunk)

    def index(self, times: Float[Tensor, "times"]) -> Int[Tensor, "times"]:
        """The chunk of the frame nearest to each time in [0, 1]."""
        frames = timeline.frames_from_times(times, self.num_frames)
        return torch.div(frames * self.num_chunks, self.num_frames, rounding_mode="floor")

    def local_times(self, times: Float[Tensor, "times"], chunk: int) -> Float[Tensor, "times"]:
        """Times between a chunk's first frame, 0, and its last, 1; beyond them, the nearest of these."""
        frames = timeline.frame_positions(times, self.num_frames) - self.start(chunk)
        return (frames / max(self.size(chunk) - 1, 1)).clamp(0.0, 1.0)
