"""The parts of a dynamic field as choices on the command line.

A part is a class beside its config, in a file of its own or among its kin; here its kind gets a name and its options a
place. Options that are None are what the part has by default.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from resfields_ns.fields.ambient import (
    AmbientConfig,
    AmbientCoordinates,
    MomentAmbientConfig,
    NoAmbientConfig,
    SlicingNetworkConfig,
)
from resfields_ns.fields.bijective_warp import BijectiveWarpConfig
from resfields_ns.fields.conditions import (
    ConditionConfig,
    LatentCodeConditionConfig,
    ReleasedTimeConditionConfig,
    TimeConditionConfig,
)
from resfields_ns.fields.hexplane import HexPlaneConfig
from resfields_ns.fields.moving_grid import MovingGridConfig
from resfields_ns.fields.warps import IdentityWarpConfig, SE3WarpConfig, TranslationWarpConfig, Warp, WarpConfig
from resfields_ns.options import PartOptions


@dataclass
class ConditionOptions(PartOptions, ConditionConfig):
    """What tells warp and ambient coordinates the moment."""

    PARTS: ClassVar[Mapping[str, type[ConditionConfig]]] = {
        "time": TimeConditionConfig,
        "latent-code": LatentCodeConditionConfig,
        "released-time": ReleasedTimeConditionConfig,
    }

    _target: type = field(default_factory=lambda: object)
    kind: Literal["time", "latent-code", "released-time"] = "time"
    """The time, a latent code per frame, or the time as the released code counts it, for what was trained there."""
    dim: int | None = None
    """latent-code: size of one."""


@dataclass
class WarpOptions(PartOptions, WarpConfig):
    """From observed to canonical points."""

    PARTS: ClassVar[Mapping[str, type[WarpConfig]]] = {
        "none": IdentityWarpConfig,
        "translation": TranslationWarpConfig,
        "se3": SE3WarpConfig,
        "bijective": BijectiveWarpConfig,
    }

    _target: type = field(default_factory=lambda: Warp)
    kind: Literal["none", "translation", "se3", "bijective"] = "none"
    """Points stay where they are, or are moved by an offset (D-NeRF), a rigid motion (Nerfies), a bijection (NDR)."""
    num_layers: int | None = None
    """translation, se3: layers of the trunk."""
    hidden_dim: int | None = None
    """translation, se3, bijective: width."""
    skip_layer: int | None = None
    """translation, se3: layer that also sees the trunk's input."""
    num_frequencies: int | None = None
    """translation, se3, bijective: frequencies of the encoding of points."""


@dataclass
class AmbientOptions(PartOptions, AmbientConfig):
    """What the MLP sees beside the canonical point."""

    PARTS: ClassVar[Mapping[str, type[AmbientConfig]]] = {
        "none": NoAmbientConfig,
        "moment": MomentAmbientConfig,
        "slicing": SlicingNetworkConfig,
        "hexplane": HexPlaneConfig,
        "moving-grid": MovingGridConfig,
    }

    _target: type = field(default_factory=lambda: AmbientCoordinates)
    kind: Literal["none", "moment", "slicing", "hexplane", "moving-grid"] = "none"
    """Nothing, the encoded condition, coordinates of a slicing network (HyperNeRF), or features of planes or of grids
    that change with the condition."""
    num_frequencies: int | None = None
    """moment: frequencies of the encoding of the condition, 6 for a time, 0 for a code. slicing: of that of points."""
    num_coordinates: int | None = None
    """slicing: ambient coordinates."""
    num_layers: int | None = None
    """slicing: hidden layers."""
    hidden_dim: int | None = None
    """slicing: width."""
    skip_layer: int | None = None
    """slicing: layer that also sees the encoded point."""
    num_ambient_frequencies: int | None = None
    """slicing: frequencies of the encoding of the ambient coordinates."""
    resolution: int | None = None
    """hexplane: nodes along each side of a plane. moving-grid: cells along each side of the coarsest grid."""
    features: int | None = None
    """hexplane, moving-grid: features of a plane, of a grid."""
    total_variation_weight: float | None = None
    """hexplane: weight of the loss on the planes' total variation, against artifacts of the grid."""
    num_grids: int | None = None
    """moving-grid: grids, each 1.5 times as fine as the one before."""
    log2_table_size: int | None = None
    """moving-grid: binary logarithm of the most entries that a grid has."""

    def needed_data(self, name: str) -> str | None:
        """What tells moments apart needs two."""
        return "second frame" if self.part.is_of_moment else super().needed_data(name)
