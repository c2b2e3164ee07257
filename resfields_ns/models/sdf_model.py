"""Sequences of surfaces as the zero level of a field over time and space (paper, 4.2)."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from nerfstudio.data.scene_box import SceneBox
from torch import Tensor

from resfields_ns.data.sdf_data import SupervisedSurfaces
from resfields_ns.fields.conditions import CodeOptions
from resfields_ns.fields.siren_field import (
    SIZES_ACT,
    EncodingOptions,
    MLPField,
    MLPName,
    SirenFieldConfig,
    make_mlp_field,
)
from resfields_ns.fields.value_field import ImplicitSurface
from resfields_ns.functional.intersections import march, sphere_trace
from resfields_ns.functional.rays import intersect_box
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.functional.surface_points import normal_colours, shade
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.layers.residual_options import RESIDUALS
from resfields_ns.models.coordinate_model import CoordinateModel, CoordinateModelConfig, Hits
from resfields_ns.models.surface_model import DISTANCE_SLOPE, SurfaceModel
from resfields_ns.options import as_typed, dashed

TOLERANCE = 5e-4  # distance at which a ray has arrived, in units of the box [-1, 1]^3
MARCHING_STEP = 1.0 / 64.0
_WITH_CODES = {
    "coefficients": ("linear",),
    "coefficient_fraction": (1.0,),
    "smoothness_weight": (0.0,),
    "weight_chunks": (1,),
    "residual_chunks": (1,),
    "residual": tuple(name for name in RESIDUALS if name not in ("hypernetwork", "experts")),
}
"""What options of a field may be where frames are shapes without an order: a row of numbers is all that tells them
apart, and none is shared by neighbours."""


@dataclass
class SDFModelConfig(CoordinateModelConfig):
    """A network whose zero level moves; the defaults are the paper's (A.3)."""

    _target: type = dataclasses.field(default_factory=lambda: SDFModel)
    below: ClassVar = SIZES_ACT
    network: MLPName = "siren"
    """Siren, or ReLU with no, the basic, the positional or the Gaussian encoding of time and point."""
    field: SirenFieldConfig = dataclasses.field(default_factory=lambda: SirenFieldConfig(hidden_dim=256))
    """Sizes of the network."""
    encoding: EncodingOptions = EncodingOptions()
    """Sizes of the encodings."""
    codes: CodeOptions = CodeOptions()
    """Codes of shapes in place of time, or of sequences beside it."""

    @property
    def parameter_groups(self) -> frozenset[str]:
        """Codes have an optimizer of their own."""
        return super().parameter_groups | ({"codes"} if self.codes.dim > 0 else set())

    def check_options(self) -> None:
        """Raise ValueError for residuals that would mix shapes."""
        super().check_options()
        for name, expected in _WITH_CODES.items():
            found = getattr(self.field, name)
            if self.codes.dim > 0 and found not in expected:
                raise ValueError(
                    f"model.field.{dashed(name)}: expected {' or '.join(map(as_typed, expected))} with codes.dim "
                    f"{self.codes.dim}, as shapes have no order, got {as_typed(found)}"
                )


class SDFModel(CoordinateModel, SurfaceModel):
    """Learns numbers that are negative inside, as the data's supervision asks for, and shows their zero level.

    Rays see rgb, accumulation, depth and normals.
    """

    config: SDFModelConfig
    field: MLPField

    def __init__(
        self, config: SDFModelConfig, scene_box: SceneBox, num_train_data: int, metadata: dict, **kwargs: Any
    ) -> None:
        surfaces = sequence_of(metadata, SupervisedSurfaces)
        self.supervision, self.lengths = surfaces.supervision, surfaces.meshes.lengths
        if self.lengths is not None and config.codes.dim == 0:
            raise ValueError(
                f"model.codes.dim: expected above 0 for {len(self.lengths)} sequences in one folder (sdf-codes), got 0"
            )
        self.sides_alone = not self.supervision.is_distance
        super().__init__(config, scene_box, num_train_data, metadata, **kwargs)

    def make_field(self) -> MLPField:
        """Four numbers (t, x, y, z) in, or a code and (x, y, z), or a code and all four; one out."""
        config, surface = self.config, ImplicitSurface()
        condition = config.codes.condition(self.num_frames, self.lengths)
        return make_mlp_field(config.network, config.field, config.encoding, self.num_frames, surface, condition)

    def get_outputs(self, ray_bundle: TimedPoints) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """`values` [N] at points, and their `gradients` [N, 3] by the point where the loss asks for them."""
        if not self.supervision.needs_gradient:
            return {"values": self.field.values(ray_bundle)[:, 0]}
        values, gradients = self.field.value_and_gradient(ray_bundle)
        return {"values": values, "gradients": gradients}

    def get_loss_dict(
        self, outputs: dict[str, Any], batch: dict[str, Any], metrics_dict: dict | None = None
    ) -> dict[str, Tensor]:
        """The terms of the supervision's loss."""
        del metrics_dict
        return self.supervision.losses(outputs["values"], outputs.get("gradients"), batch)

    def find_hits(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        times: Float[Tensor, "rays"],
    ) -> Hits:
        """Where rays meet the surface inside the box: by sphere tracing where numbers are distances, else in steps."""

        def values(points: Float[Tensor, "points 3"], rays: Int[Tensor, "points"]) -> Float[Tensor, "points"]:
            return self.field.values(TimedPoints.from_times(points, times[rays]))[:, 0]

        near, far = intersect_box(origins, directions, self.surface_box)
        if self.supervision.is_distance:
            rays, distances = sphere_trace(values, origins, directions, near, far, TOLERANCE)
        else:
            rays, distances = march(values, origins, directions, near, far, MARCHING_STEP)
        points = origins[rays] + distances[:, None] * directions[rays]
        normals = self.field.normals(TimedPoints.from_times(points, times[rays])).detach()
        return Hits(rays, distances, shade(normals, directions[rays]), {"normals": normals})

    @property
    def surface_box(self) -> Float[Tensor, "2 3"]:
        """The scene box."""
        return self.scene_box.aabb.to(self.device, torch.float32)

    @property
    def surface_slope(self) -> float | None:
        """That of distances, where the numbers are some."""
        return DISTANCE_SLOPE if self.supervision.is_distance else None

    def surface_level(self, points: Float[Tensor, "points 3"], time: float) -> Float[Tensor, "points"]:
        """The field's numbers."""
        return self.field.values(TimedPoints.at(points, time))[:, 0]

    def surface_colours(self, points: Float[Tensor, "points 3"], time: float) -> Float[Tensor, "points 3"]:
        """Colours of the normals, as a surface of numbers has no others."""
        return normal_colours(self.field.normals(TimedPoints.at(points, time)))

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """No metrics, as pictures are for the eye, and pictures of truth and surface."""
        from resfields_ns.models.image_metrics import images_to_show

        return {}, images_to_show(outputs, batch["image"].to(outputs["rgb"]))
