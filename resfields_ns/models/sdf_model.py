"""Sequences of surfaces as the zero level of a field over time and space (paper, 4.2)."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from nerfstudio.data.scene_box import SceneBox
from torch import Tensor

from resfields_ns.data.sdf_data import SupervisedSurfaces
from resfields_ns.fields.siren_field import SirenField, SirenFieldConfig
from resfields_ns.functional.intersections import march, sphere_trace
from resfields_ns.functional.rays import intersect_box
from resfields_ns.functional.segments import Coordinates, TimeSegments
from resfields_ns.functional.surface_points import normal_colours, shade
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.models.coordinate_model import CoordinateModel, CoordinateModelConfig, Hits
from resfields_ns.models.surface_model import SurfaceModel

TOLERANCE = 5e-4  # distance at which a ray has arrived, in units of the box [-1, 1]^3
MARCHING_STEP = 1.0 / 64.0


@dataclass
class SDFModelConfig(CoordinateModelConfig):
    """A Siren whose zero level moves; the defaults are the paper's (A.3)."""

    _target: type = dataclasses.field(default_factory=lambda: SDFModel)
    field: SirenFieldConfig = dataclasses.field(default_factory=lambda: SirenFieldConfig(hidden_dim=256))
    """The field."""


class SDFModel(CoordinateModel, SurfaceModel):
    """Learns numbers that are negative inside, as the data's supervision asks for, and shows their zero level.

    Rays see rgb, accumulation, depth and normals.
    """

    config: SDFModelConfig
    field: SirenField

    def __init__(
        self, config: SDFModelConfig, scene_box: SceneBox, num_train_data: int, metadata: dict, **kwargs: Any
    ) -> None:
        self.supervision = sequence_of(metadata, SupervisedSurfaces).supervision
        super().__init__(config, scene_box, num_train_data, metadata, **kwargs)

    def make_field(self) -> SirenField:
        """Four numbers (t, x, y, z) in, one out."""
        return self.config.field.setup(num_frames=self.num_frames, num_coordinates=3, out_dim=1)

    def get_outputs(self, ray_bundle: Coordinates) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """`values` [N] at coordinates, and their `gradients` [N, 3] by the point where the loss asks for them."""
        if not self.supervision.needs_gradient:
            return {"values": self._values(ray_bundle.points, ray_bundle.segments)}
        values, gradients = self._values_and_gradients(ray_bundle.points, ray_bundle.segments)
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
            return self._values(points, TimeSegments.from_times(times[rays]))

        near, far = intersect_box(origins, directions, self.surface_box)
        if self.supervision.is_distance:
            rays, distances = sphere_trace(values, origins, directions, near, far, TOLERANCE)
        else:
            rays, distances = march(values, origins, directions, near, far, MARCHING_STEP)
        points = origins[rays] + distances[:, None] * directions[rays]
        normals = self._normals(points, TimeSegments.from_times(times[rays]))
        return Hits(rays, distances, shade(normals, directions[rays]), {"normals": normals})

    @property
    def surface_box(self) -> Float[Tensor, "2 3"]:
        """The scene box."""
        return self.scene_box.aabb.to(self.device, torch.float32)

    def surface_level(self, points: Float[Tensor, "points 3"], time: float) -> Float[Tensor, "points"]:
        """The field's numbers."""
        return self._values(points, self._single(points, time))

    def surface_colours(self, points: Float[Tensor, "points 3"], time: float) -> Float[Tensor, "points 3"]:
        """Colours of the normals, as a surface of numbers has no others."""
        return normal_colours(self._normals(points, self._single(points, time)))

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """No metrics, as pictures are for the eye, and pictures of truth and surface."""
        from resfields_ns.models.image_metrics import images_to_show

        return {}, images_to_show(outputs, batch["image"].to(outputs["rgb"]))

    def _values(self, points: Float[Tensor, "points 3"], segments: TimeSegments) -> Float[Tensor, "points"]:
        return self.field(points, segments)[:, 0]

    def _values_and_gradients(
        self, points: Float[Tensor, "points 3"], segments: TimeSegments
    ) -> tuple[Float[Tensor, "points"], Float[Tensor, "points 3"]]:
        """Both can be trained on: while training, the gradient keeps a graph of its own."""
        with torch.enable_grad():
            points = points.detach().requires_grad_()
            values = self._values(points, segments)
            (gradients,) = torch.autograd.grad(values.sum(), points, create_graph=self.training)
        return values, gradients

    def _normals(self, points: Float[Tensor, "points 3"], segments: TimeSegments) -> Float[Tensor, "points 3"]:
        return F.normalize(self._values_and_gradients(points, segments)[1].detach(), dim=-1)

    def _single(self, points: Float[Tensor, "points 3"], time: float) -> TimeSegments:
        return TimeSegments.single(torch.tensor([time], device=points.device), len(points))
