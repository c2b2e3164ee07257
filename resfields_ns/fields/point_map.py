"""Maps of points at a moment: warps into canonical space, ambient coordinates."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.segments import TimeSegments

Pullback = Callable[[Tensor], Tensor]
"""Turns a gradient with respect to a map's values [N, D] into one with respect to its points [N, 3]."""


class PointMap(nn.Module, ABC):
    """Values of points that come in segments of equal time; segment k is told what its moment is by condition[k]."""

    def set_progress(self, progress: float) -> None:  # noqa: B027
        """Follow a coarse-to-fine schedule to a share in [0, 1]; maps without an encoding have none."""

    @abstractmethod
    def forward(
        self,
        points: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> Float[Tensor, "points values"]:
        """The values at the points."""

    def with_pullback(
        self,
        points: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> tuple[Float[Tensor, "points values"], Pullback]:
        """The values, and how gradients come back to the points; differentiable where gradients are recorded.

        Maps with a simple Jacobian write it down; this asks autograd, at the price of a second-order graph.
        """
        training = torch.is_grad_enabled()
        with torch.enable_grad():
            leaf = points if points.requires_grad else points.detach().requires_grad_()
            values = self(leaf, condition, segments)

        def pullback(gradient: Tensor) -> Tensor:
            return torch.autograd.grad(values, leaf, gradient, create_graph=training)[0]

        return (values if training else values.detach()), pullback
