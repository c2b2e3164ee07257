"""Values with their first and second derivatives along directions, carried through layers forwards.

Notation: P points, D directions s_d; a quantity x [P, n] has x' = dx/ds_d and x'' = d^2 x / ds_d^2 for every direction.
Behind a matrix W that does not depend on s, (W x)' = W x' and (W x)'' = W x''. Where it does, as time moves the
weights of residual layers, (W x)' = W x' + W' x and (W x)'' = W x'' + 2 W' x' + W'' x. Behind a sine,
(sin x)' = cos(x) x' and (sin x)'' = cos(x) x'' - sin(x) x'^2. All are ordinary operations: training on second
derivatives needs a first-order graph.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from resfields_ns.functional.segment_linear import segment_linear
from resfields_ns.functional.segments import TimeSegments


@dataclass(frozen=True)
class Jet:
    """A quantity at points: rows are x, then x' along every direction, then x'' along every direction."""

    rows: Float[Tensor, "points rows n"]

    @classmethod
    def along(cls, x: Float[Tensor, "points n"], directions: Float[Tensor, "directions n"]) -> "Jet":
        """x itself, which changes along straight lines: x' are the directions, x'' is 0."""
        first = directions.expand(len(x), *directions.shape)
        return cls(torch.cat((x[:, None], first, torch.zeros_like(first)), dim=1))

    @property
    def num_directions(self) -> int:
        """D."""
        return self.rows.shape[1] // 2

    @property
    def values(self) -> Float[Tensor, "points n"]:
        """x."""
        return self.rows[:, 0]

    def first(self, direction: int) -> Float[Tensor, "points n"]:
        """x' along a direction."""
        return self.rows[:, 1 + direction]

    def second(self, direction: int) -> Float[Tensor, "points n"]:
        """x'' along a direction."""
        return self.rows[:, 1 + self.num_directions + direction]

    def transformed(
        self,
        matrices: tuple[Float[Tensor, "matrices out n"], ...],
        bias: Float[Tensor, "out"],
        segments: TimeSegments,
    ) -> "Jet":
        """W x + b, W of each segment; with W' and W'' by the first direction, or W alone."""
        rows = _multiplied(self.rows, matrices[0], segments)
        added = torch.zeros_like(rows[:, :1]) + bias
        parts = [added, torch.zeros_like(rows[:, 1:])]
        if len(matrices) == 3:
            count = self.num_directions
            by_rate = _multiplied(self.rows[:, :2], matrices[1], segments)  # W' x and W' x'
            by_second = _multiplied(self.rows[:, :1], matrices[2], segments)  # W'' x
            zeros = torch.zeros_like(rows[:, : count - 1])
            parts = [added, by_rate[:, :1], zeros, 2.0 * by_rate[:, 1:] + by_second, zeros]
        return Jet(rows + torch.cat(parts, dim=1))

    def through_sine(self) -> "Jet":
        """sin x."""
        count = self.num_directions
        x, first, second = self.rows.split((1, count, count), dim=1)
        sine, cosine = torch.sin(x), torch.cos(x)
        return Jet(torch.cat((sine, cosine * first, cosine * second - sine * first.square()), dim=1))


def _multiplied(
    rows: Float[Tensor, "points rows n"], matrices: Float[Tensor, "matrices out n"], segments: TimeSegments
) -> Float[Tensor, "points rows out"]:
    count = rows.shape[1]
    flat = segment_linear(rows.flatten(end_dim=1), matrices, segments.repeat(count).sizes, None)
    return flat.view(len(rows), count, -1)
