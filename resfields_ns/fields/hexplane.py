"""Six planes of features over space and time."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.fields.ambient import AmbientConfig, AmbientCoordinates
from resfields_ns.fields.conditions import Condition
from resfields_ns.fields.point_map import Pullback
from resfields_ns.functional.planes import bilinear, bilinear_and_slopes, total_variation
from resfields_ns.functional.segments import ConditionedPoints
from resfields_ns.options import option


@dataclass
class HexPlaneConfig(AmbientConfig):
    """HexPlane (Cao & Johnson 2023) at the paper's resolution (A.4).

    The paper leaves out its number of features: 16 a plane are what K-Planes has for videos of many cameras (HexPlane:
    24 for density and 48 for colour).
    """

    needs_time: ClassVar[bool] = True
    parameter_groups: ClassVar[frozenset[str]] = frozenset({"planes"})

    _target: type = field(default_factory=lambda: HexPlaneAmbient)
    resolution: int = option(128, least=2)
    """Nodes along each side of a plane."""
    features: int = option(16, least=1)
    """Features of a plane."""
    total_variation_weight: float = option(0.01, least=0)
    """Weight of the loss on the planes' total variation, against artifacts of the grid (paper, A.4)."""


class HexPlaneAmbient(AmbientCoordinates):
    """[XY * ZT, XZ * YT, YZ * XT], planes multiplied by their complement (Cao & Johnson 2023).

    Planes span [-1, 1] in scene units and in network time; beyond, they keep their border's values. Space starts
    uniform in [0.1, 0.5] and time at one, so that nothing moves at first (K-Planes, Fridovich-Keil et al. 2023).

    Raises:
        ValueError: if the condition is not the time
    """

    def __init__(self, config: HexPlaneConfig, condition: Condition) -> None:
        super().__init__(3 * config.features)
        if not condition.is_time:
            raise ValueError(
                f"field.condition: expected the time for planes over time, got a {type(condition).__name__}"
            )
        self.total_variation_weight = config.total_variation_weight
        shape = (3, config.resolution, config.resolution, config.features)
        self.planes = nn.Parameter(torch.cat((torch.empty(shape).uniform_(0.1, 0.5), torch.ones(shape))))

    def forward(self, points: ConditionedPoints) -> Float[Tensor, "points ambient"]:
        """The three products, one after the other."""
        space, time = bilinear(self.planes, _coordinates(points)).split(3)
        return _features_last(space * time)

    def with_pullback(self, points: ConditionedPoints) -> tuple[Float[Tensor, "points ambient"], Pullback]:
        """The three products, and the product rule."""
        values, slopes = bilinear_and_slopes(self.planes, _coordinates(points))
        space, time = values.split(3)

        def pullback(gradient: Tensor) -> Tensor:
            product_gradient = gradient.unflatten(1, (3, -1)).transpose(0, 1)
            value_gradient = torch.cat((product_gradient * time, product_gradient * space))
            xy, xz, yz, zt, yt, xt = torch.einsum("pnaf,pnf->pna", slopes, value_gradient)
            return torch.stack(
                (xy[:, 0] + xz[:, 0] + xt[:, 0], xy[:, 1] + yz[:, 0] + yt[:, 0], xz[:, 1] + yz[:, 1] + zt[:, 0]), dim=-1
            )

        return _features_last(space * time), pullback

    def losses(self) -> dict[str, Tensor]:
        """The weighted total variation of the six planes, where its weight is above 0."""
        weight = self.total_variation_weight
        return {"total_variation": weight * total_variation(self.planes)} if weight > 0.0 else {}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The planes, which learn faster than networks do."""
        return {"planes": [self.planes]}


def _coordinates(points: ConditionedPoints) -> Float[Tensor, "6 points 2"]:
    """Where the points lie in the planes XY, XZ, YZ, ZT, YT, XT."""
    x, y, z = points.positions.unbind(dim=-1)
    t = points.expanded_condition[:, 0]
    return torch.stack((x, y, x, z, y, z, z, t, y, t, x, t)).view(6, 2, -1).transpose(1, 2)


def _features_last(products: Float[Tensor, "3 points features"]) -> Float[Tensor, "points ambient"]:
    return products.transpose(0, 1).flatten(start_dim=1)
