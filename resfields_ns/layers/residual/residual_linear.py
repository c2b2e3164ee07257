"""The part that all layers with a residual over time share."""

from abc import ABC

from resfields_ns.layers.linear import TimeLinear


class ResidualLinear(TimeLinear, ABC):
    """A linear layer with a residual over a sequence.

    Args:
        in_features: size of an input
        out_features: size of an output
        num_frames: frames of the sequence, at least 1
        rank: R, at least 1
        bias: whether to add b
    """

    def __init__(self, in_features: int, out_features: int, num_frames: int, rank: int, bias: bool) -> None:
        super().__init__(in_features, out_features, bias=bias)
        if rank < 1:
            raise ValueError(f"rank: expected at least 1, got {rank}")
        if num_frames < 1:
            raise ValueError(f"num_frames: expected at least 1, got {num_frames}")
        self.rank = rank
