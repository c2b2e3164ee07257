"""The part that residuals made of coefficients over time share."""

from abc import ABC, abstractmethod

from resfields_ns.layers.coefficients import MakeCoefficients
from resfields_ns.layers.residual.residual_linear import ResidualLinear
from resfields_ns.layers.time_table import frame_table


class CoefficientLinear(ResidualLinear, ABC):
    """A linear layer whose residual is made of coefficients v(t) and of parameters that all times share.

    Args:
        in_features: size of an input
        out_features: size of an output
        num_frames: frames of the sequence, at least 1
        rank: R, at least 1
        bias: whether to add b
        make_coefficients: makes v for a number of frames and of coefficients at a time; a row per frame by default
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        num_frames: int,
        rank: int,
        bias: bool = True,
        make_coefficients: MakeCoefficients = frame_table,
    ) -> None:
        super().__init__(in_features, out_features, num_frames, rank, bias)
        self.coefficients = make_coefficients(num_frames, self.num_coefficients)
        self.make_parameters()

    @property
    def num_coefficients(self) -> int:
        """Numbers at a time."""
        return self.rank

    @abstractmethod
    def make_parameters(self) -> None:
        """Make the parameters beside base weight, bias and coefficients."""
