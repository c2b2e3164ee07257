"""The options of residual layers, and the layers that they stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from resfields_ns.layers.linear import PlainLinear, ResFieldLinear, TimeLinear
from resfields_ns.layers.mlp import MakeLayers


@dataclass
class ResidualOptions:
    """Which layers of an MLP are residual, and how; the base of configs of fields that have such an MLP.

    A config says in its `__post_init__` how many layers its MLP has: `self.check_residual_layers(num_layers)`.
    """

    residual_layers: tuple[int, ...] = (1, 2, 3)
    """Layers, counted from 0, whose weights carry a time-dependent residual; none is the plain baseline."""
    rank: int = 10
    """Rank of the residuals (R_i)."""
    coefficient_fraction: float = 1.0
    """Coefficient rows per residual layer as a share of the frames (T_i)."""

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"field.rank: expected at least 1, got {self.rank}")
        if not 0.0 < self.coefficient_fraction <= 1.0:
            raise ValueError(f"field.coefficient-fraction: expected (0, 1], got {self.coefficient_fraction}")

    def check_residual_layers(self, num_layers: int) -> None:
        """Raise ValueError if one of the residual layers is none of an MLP's `num_layers`."""
        if outside := [index for index in self.residual_layers if not 0 <= index < num_layers]:
            raise ValueError(f"field.residual-layers: expected 0 to {num_layers - 1}, got {outside[0]}")

    def layer_maker(self, num_frames: int) -> MakeLayers:
        """What an `MLP` over a sequence of `num_frames` frames makes its layers with."""
        return partial(self._make_layers, num_frames)

    def _make_layers(self, num_frames: int, shapes: Sequence[tuple[int, int]]) -> list[TimeLinear]:
        self.check_residual_layers(len(shapes))
        return [
            ResFieldLinear(*shape, num_frames, self.rank, coefficient_fraction=self.coefficient_fraction)
            if index in self.residual_layers
            else PlainLinear(*shape)
            for index, shape in enumerate(shapes)
        ]
