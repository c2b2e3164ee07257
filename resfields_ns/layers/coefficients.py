"""The part that all coefficients over time share."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

INITIAL_STD = 0.01  # of coefficients and of what they multiply (paper, A.1)


class Coefficients(nn.Module, ABC):
    """Rows of numbers from which the numbers at a time in [0, 1] are made.

    Args:
        num_rows: T_i, at least 1
        width: length of a row
        std: rows start at N(0, std^2)
        smoothness_weight: of the rows' roughness in `smoothness_losses`
    """

    def __init__(self, num_rows: int, width: int, std: float, smoothness_weight: float = 0.0) -> None:
        super().__init__()
        self.table = nn.Parameter(std * torch.randn(num_rows, width))
        self.smoothness_weight = smoothness_weight

    @abstractmethod
    def at(
        self, table: Float[Tensor, "rows width"], times: Float[Tensor, "segments"]
    ) -> Float[Tensor, "segments width"]:
        """The numbers at times in [0, 1] that a table of as many rows stands for; linear in the table."""

    def forward(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments width"]:
        """The numbers at times in [0, 1]."""
        return self.at(self.table, times)


MakeCoefficients = Callable[[int, int], Coefficients]  # from the frames of a sequence and the width
