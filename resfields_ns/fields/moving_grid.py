"""Features of grids over space whose tables change over time."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.fields.ambient import AmbientConfig, AmbientCoordinates
from resfields_ns.fields.conditions import Condition
from resfields_ns.fields.point_map import Pullback
from resfields_ns.functional.grids import entries_and_places, node_weights, table_sizes, weight_slopes
from resfields_ns.functional.segments import ConditionedPoints
from resfields_ns.options import option

GROWTH = 1.5  # of the resolution from grid to grid, as in the hash grid of videos
START, RESIDUAL_START = 0.1, 0.01  # largest numbers that tables start with


@dataclass
class MovingGridConfig(AmbientConfig):
    """Multiresolution grids (Müller et al. 2022) with a residual over time in place of the paper's matrices."""

    parameter_groups: ClassVar[frozenset[str]] = frozenset({"planes"})

    _target: type = field(default_factory=lambda: MovingGridAmbient)
    resolution: int = option(16, least=1)
    """Cells along each side of the coarsest grid."""
    num_grids: int = option(3, least=1)
    """Grids, each 1.5 times as fine as the one before."""
    features: int = option(4, least=1)
    """Features of a grid."""
    log2_table_size: int = option(14, least=1)
    """Binary logarithm of the most entries that a grid has; nodes of a finer one share them by a hash."""


class MovingGridAmbient(AmbientCoordinates):
    """Features of grids with tables G + sum_r c_r(t) G_r, c the condition: a latent code is the paper's v (Eq. 4).

    Grids span [-1, 1] in scene units; beyond, they keep their border's values. A batch composes the tables of its
    times, so that a lookup costs the same as in a grid that stands still.
    """

    def __init__(self, config: MovingGridConfig, condition: Condition) -> None:
        super().__init__(config.num_grids * config.features)
        self.cells = [int(config.resolution * GROWTH**level) for level in range(config.num_grids)]
        self.most_entries = 2**config.log2_table_size
        num_entries = sum(table_sizes(self.cells, self.most_entries))
        tables = torch.empty(1 + condition.dim, num_entries, config.features).uniform_(-RESIDUAL_START, RESIDUAL_START)
        tables[0] *= START / RESIDUAL_START
        self.tables = nn.Parameter(tables)

    def forward(self, points: ConditionedPoints) -> Float[Tensor, "points ambient"]:
        """The features, those of the coarsest grid first."""
        return _blend(*self._nodes(points))

    def with_pullback(self, points: ConditionedPoints) -> tuple[Float[Tensor, "points ambient"], Pullback]:
        """The features, and the slopes of the weights that they are blended with."""
        nodes, u = self._nodes(points)
        inside = points.positions.abs() <= 1.0
        per_unit = 0.5 * torch.tensor(self.cells, dtype=u.dtype, device=u.device)[:, None, None]

        def pullback(gradient: Tensor) -> Tensor:
            of_nodes = gradient.view(len(gradient), len(self.cells), nodes.shape[-1]).transpose(0, 1)
            along = (nodes * of_nodes[:, None]).sum(dim=-1)
            return ((along[:, None] * weight_slopes(u)).sum(dim=2) * per_unit).sum(dim=0).T * inside

        return _blend(nodes, u), pullback

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The tables, which learn faster than networks do."""
        return {"planes": [self.tables]}

    def _nodes(
        self, points: ConditionedPoints
    ) -> tuple[Float[Tensor, "levels 8 points features"], Float[Tensor, "levels 3 points"]]:
        """Features of the nodes around every point at its time, and its place among them."""
        entries, u = entries_and_places(points.positions, self.cells, self.most_entries)
        composed = F.pad(points.condition, (1, 0), value=1.0) @ self.tables.flatten(start_dim=1)
        _, num_entries, num_features = self.tables.shape
        first = num_entries * torch.arange(len(composed), device=entries.device)
        found = (entries + points.segments.expand(first)).flatten()
        return composed.view(-1, num_features).index_select(0, found).view(*entries.shape, num_features), u


def _blend(
    nodes: Float[Tensor, "levels 8 points features"], u: Float[Tensor, "levels 3 points"]
) -> Float[Tensor, "points ambient"]:
    """sum_c w_c f_c of every level, side by side."""
    return (nodes * node_weights(u)[..., None]).sum(dim=1).transpose(0, 1).flatten(start_dim=1)
