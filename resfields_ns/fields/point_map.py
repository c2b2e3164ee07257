"""Maps of points at a moment: warps into canonical space, ambient coordinates."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from nerfstudio.configs.base_config import InstantiateConfig
from torch import Tensor

from resfields_ns.functional.segments import ConditionedPoints
from resfields_ns.layers.part import Part
from resfields_ns.options import Options

Pullback = Callable[[Tensor], Tensor]
"""Turns a gradient with respect to a map's values [N, D] into one with respect to its points [N, 3]."""


@dataclass
class PointMapConfig(Options, InstantiateConfig):
    """Which map, and its sizes; `setup(condition=...)` builds it for that condition."""

    sees_condition: ClassVar[bool] = True
    """Whether the values depend on the moment."""
    parameter_groups: ClassVar[frozenset[str]] = frozenset()
    """Names of the groups of parameters that an optimizer of their own trains."""

    @property
    def has_window(self) -> bool:
        """Whether an encoding opens from coarse to fine."""
        return getattr(self, "num_frequencies", 0) > 0


class PointMap(Part, ABC):
    """Values of points that know their moments."""

    @abstractmethod
    def forward(self, points: ConditionedPoints) -> Float[Tensor, "points values"]:
        """The values at the points."""

    def with_pullback(self, points: ConditionedPoints) -> tuple[Float[Tensor, "points values"], Pullback]:
        """The values, and how gradients come back to the points; differentiable where gradients are recorded.

        Maps with a simple Jacobian write it down; this asks autograd, at the price of a second-order graph.
        """
        training = torch.is_grad_enabled()
        with torch.enable_grad():
            observed = points.positions
            leaf = observed if observed.requires_grad else observed.detach().requires_grad_()
            values = self(points.moved(leaf))

        def pullback(gradient: Tensor) -> Tensor:
            return torch.autograd.grad(values, leaf, gradient, create_graph=training)[0]

        return (values if training else values.detach()), pullback
