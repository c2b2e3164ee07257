"""The warp of NDR (Cai et al. 2022): three steps, each with its inverse.

Notation: h the coordinate of a point along the block's axis, u its two others, c the block's code;
a(u, c) a shift, theta(h, c) an angle, t(h, c) an offset, all by small MLPs; R a rotation of the plane.
h' = h - a(u, c) and u' = R(-theta(h', c)) (u - t(h', c)), so u = R(theta(h', c)) u' + t(h', c) and h = h' + a(u, c).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from resfields_ns.fields.conditions import Condition
from resfields_ns.fields.warps import InvertibleWarp, WarpConfig
from resfields_ns.functional.segments import ConditionedPoints
from resfields_ns.layers.encodings import WindowedPositionalEncoding
from resfields_ns.options import option


class BijectiveBlock(nn.Module):
    """Shifts one coordinate, then moves the two others rigidly; knows its inverse (Cai et al. 2022).

    Args:
        axis: 0, 1 or 2, the coordinate that is shifted
        condition_dim: size of the condition
        num_frequencies: frequencies of the encoding of coordinates
        hidden_dim: width of the MLPs
    """

    def __init__(self, axis: int, condition_dim: int, num_frequencies: int, hidden_dim: int) -> None:
        super().__init__()
        self.axis = axis
        self.pair_encoding = WindowedPositionalEncoding(2, num_frequencies)
        self.height_encoding = WindowedPositionalEncoding(1, num_frequencies)
        self.code = nn.Linear(condition_dim, condition_dim)
        nn.init.zeros_(self.code.weight)
        nn.init.zeros_(self.code.bias)
        self.shift = _mlp(2, self.pair_encoding.out_dim + condition_dim, hidden_dim, 1)
        self.motion = _mlp(1, self.height_encoding.out_dim + condition_dim, hidden_dim, 3)

    def forward(self, points: ConditionedPoints) -> Float[Tensor, "points 3"]:
        """(h', u') of (h, u)."""
        code = self._code(points)
        height, pair = self._split(points.positions)
        height = height - self._shift(pair, code)
        angle, offset = self._motion(height, code)
        return self._join(height, _rotate(pair - offset, -angle))

    def inverse(self, points: ConditionedPoints) -> Float[Tensor, "points 3"]:
        """(h, u) of (h', u')."""
        code = self._code(points)
        height, pair = self._split(points.positions)
        angle, offset = self._motion(height, code)
        pair = _rotate(pair, angle) + offset
        return self._join(height + self._shift(pair, code), pair)

    def _code(self, points: ConditionedPoints) -> Float[Tensor, "points condition"]:
        return points.segments.expand(points.condition + self.code(points.condition))

    def _shift(self, pair: Float[Tensor, "points 2"], code: Tensor) -> Float[Tensor, "points"]:
        return self.shift(torch.cat((self.pair_encoding(pair), code), dim=-1))[:, 0]

    def _motion(
        self, height: Float[Tensor, "points"], code: Tensor
    ) -> tuple[Float[Tensor, "points"], Float[Tensor, "points 2"]]:
        motion = self.motion(torch.cat((self.height_encoding(height[:, None]), code), dim=-1))
        return motion[:, 0], motion[:, 1:]

    def _split(self, points: Float[Tensor, "points 3"]) -> tuple[Float[Tensor, "points"], Float[Tensor, "points 2"]]:
        coordinates = list(points.unbind(dim=-1))
        height = coordinates.pop(self.axis)
        return height, torch.stack(coordinates, dim=-1)

    def _join(self, height: Float[Tensor, "points"], pair: Float[Tensor, "points 2"]) -> Float[Tensor, "points 3"]:
        coordinates = list(pair.unbind(dim=-1))
        coordinates.insert(self.axis, height)
        return torch.stack(coordinates, dim=-1)


def _mlp(num_coordinates: int, in_dim: int, hidden_dim: int, out_dim: int) -> nn.Sequential:
    """One hidden layer that starts with the raw coordinates in front alone, then numbers that start as zeros."""
    hidden, last = nn.Linear(in_dim, hidden_dim), nn.Linear(hidden_dim, out_dim)
    nn.init.normal_(hidden.weight[:, :num_coordinates], 0.0, math.sqrt(2.0 / hidden_dim))
    for zeros in (hidden.weight[:, num_coordinates:], hidden.bias, last.weight, last.bias):
        nn.init.zeros_(zeros)
    return nn.Sequential(weight_norm(hidden), nn.Softplus(beta=100.0), last)


def _rotate(pair: Float[Tensor, "points 2"], angle: Float[Tensor, "points"]) -> Float[Tensor, "points 2"]:
    x, y = pair.unbind(dim=-1)
    sine, cosine = angle.sin(), angle.cos()
    return torch.stack((cosine * x - sine * y, sine * x + cosine * y), dim=-1)


@dataclass
class BijectiveWarpConfig(WarpConfig):
    """A bijection of space (Cai et al. 2022)."""

    _target: type = field(default_factory=lambda: BijectiveWarp)
    hidden_dim: int = option(128, least=1)
    """Width."""
    num_frequencies: int = option(6, least=0)
    """Frequencies of the encoding of coordinates."""


class BijectiveWarp(InvertibleWarp):
    """Three bijective blocks, along z, y and x."""

    def __init__(self, config: BijectiveWarpConfig, condition: Condition) -> None:
        super().__init__()
        blocks = nn.ModuleList(
            BijectiveBlock(axis, condition.dim, config.num_frequencies, config.hidden_dim) for axis in (2, 1, 0)
        )
        self.blocks = cast(Sequence[BijectiveBlock], blocks)

    def forward(self, points: ConditionedPoints) -> Float[Tensor, "points 3"]:
        """The canonical points."""
        for block in self.blocks:
            points = points.moved(block(points))
        return points.positions

    def inverse(self, points_canonical: ConditionedPoints) -> Float[Tensor, "points 3"]:
        """The observed points."""
        points = points_canonical
        for block in reversed(self.blocks):
            points = points.moved(block.inverse(points))
        return points.positions
