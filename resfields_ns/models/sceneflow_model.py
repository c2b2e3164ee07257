"""Scene flow as points that move, coloured by their motion (paper, 4.4)."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.captures.sequence import TrackedSurfaces
from resfields_ns.fields.sceneflow_field import SceneFlowField, SceneFlowFieldConfig
from resfields_ns.functional.intersections import nearest_balls
from resfields_ns.functional.motion import Flow, flow_between_frames, l1_error
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.functional.surface_points import points_of_triangles, spread_over_surface
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.models.coordinate_model import CoordinateModel, CoordinateModelConfig, Hits
from resfields_ns.options import option
from resfields_ns.timeline import frame_positions, neighbouring_frames, times_from_frames

BRIGHT_SHARE = 0.95  # of the motions are no longer than the one that is brightest


@dataclass
class SceneFlowModelConfig(CoordinateModelConfig):
    """Flow of a moving mesh, and the points of its surface that show it."""

    _target: type = dataclasses.field(default_factory=lambda: SceneFlowModel)
    field: SceneFlowFieldConfig = dataclasses.field(default_factory=SceneFlowFieldConfig)
    """The field."""
    num_points: int = option(2000, least=1)
    """Points of the surface that are shown."""
    point_radius: float = option(0.015, above=0)
    """Their radius, in normalised units."""
    eval_num_rays_per_chunk: int = option(32_768, least=1)
    """Rays seen at once."""


class SceneFlowModel(CoordinateModel):
    """Predicts where points go; cameras see points of the surface, at the frames where the mesh has them.

    Between frames the points move along their predicted flow. Their colour is (1 + motion / m) / 2, red along x, green
    along y, blue along z, where m is the length that 95% of the mesh's motions stay below: grey stands still. The
    output `true_motion` has the colours of the mesh's own motion.
    """

    config: SceneFlowModelConfig
    field: SceneFlowField
    surface: Tensor
    motions: Tensor

    def make_field(self) -> nn.Module:
        """The field."""
        return self.config.field.setup(num_frames=self.num_frames)

    def populate_modules(self) -> None:
        """Build the field, and spread points over the surface of the first frame."""
        super().populate_modules()
        surfaces = sequence_of(self.kwargs["metadata"], TrackedSurfaces)
        positions, faces = surfaces.positions, surfaces.faces
        spread = spread_over_surface(positions[0], faces, self.config.num_points, seed=0)
        surface = points_of_triangles(positions, faces, *spread)
        motions = _motion(flow_between_frames(surface))
        self.register_buffer("surface", surface, persistent=False)
        self.register_buffer("motions", motions, persistent=False)
        self.bright_motion = max(float(motions.norm(dim=-1).quantile(BRIGHT_SHARE)), 1e-9)

    def get_outputs(self, ray_bundle: TimedPoints) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """`forward` and `backward` flow [N, 3] of points at times."""
        flow = self.field.flow(ray_bundle)
        return {"forward": flow.forward, "backward": flow.backward}

    def get_loss_dict(
        self, outputs: dict[str, Any], batch: dict[str, Any], metrics_dict: dict | None = None
    ) -> dict[str, Tensor]:
        """L1 errors of both flows (paper, 4.4), over the points that have them."""
        del metrics_dict
        return {name: l1_error(outputs[name], batch[name], batch[f"has_{name}"]) for name in ("forward", "backward")}

    def get_metrics_dict(self, outputs: dict[str, Any], batch: dict[str, Any]) -> dict[str, Tensor]:
        """The losses in the paper's unit."""
        losses = self.get_loss_dict(outputs, batch)
        return {f"{name}_l1_x1000": 1000.0 * loss for name, loss in losses.items()}

    def find_hits(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        times: Float[Tensor, "rays"],
    ) -> Hits:
        """The balls around points that rays meet first."""
        distances = torch.full_like(times, torch.inf)
        colours, true_colours = torch.zeros_like(origins), torch.zeros_like(origins)
        for time in times.unique():
            rays = (times == time).nonzero()[:, 0]
            points, motion, true_motion = self.moving_points(time)
            balls, distances[rays] = nearest_balls(origins[rays], directions[rays], points, self.config.point_radius)
            colours[rays], true_colours[rays] = self._colours(motion)[balls], self._colours(true_motion)[balls]
        hit = distances.isfinite().nonzero()[:, 0]
        return Hits(hit, distances[hit], colours[hit], {"true_motion": true_colours[hit]})

    def moving_points(
        self, time: Float[Tensor, ""]
    ) -> tuple[Float[Tensor, "points 3"], Float[Tensor, "points 3"], Float[Tensor, "points 3"]]:
        """Points of the surface at a time in [0, 1], their predicted motion to the next frame, and their true one.

        At the last frame it is the motion from the frame before.
        """
        frame = neighbouring_frames(time, self.num_frames)[0]
        flow = self.field.flow(TimedPoints.at(self.surface[frame], times_from_frames(frame, self.num_frames)))
        motion = flow.forward if frame < self.num_frames - 1 else -flow.backward
        share = (frame_positions(time, self.num_frames) - frame).clamp(0.0, 1.0)
        return self.surface[frame] + share * motion, motion, self.motions[frame]

    def coloured_points(self, time: Float[Tensor, ""]) -> tuple[Float[Tensor, "points 3"], Float[Tensor, "points 3"]]:
        """Points of the surface at a time in [0, 1], and their colours in [0, 1]."""
        points, motion, _ = self.moving_points(time)
        return points, self._colours(motion)

    def _colours(self, motion: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
        return (0.5 + 0.5 * motion / self.bright_motion).clamp(0.0, 1.0)

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """No metrics; a picture of the mesh, of the predicted and of the true motion."""
        white = 1.0 - outputs["accumulation"]
        pictures = [batch["image"].to(outputs["rgb"]), outputs["rgb"], outputs["true_motion"] + white]
        return {}, {"img": torch.cat(pictures, dim=1)}


def _motion(flow: Flow) -> Float[Tensor, "frames points 3"]:
    """Forward flow, and at the last frame the flow that led there."""
    return torch.cat((flow.forward[:-1], -flow.backward[-1:]))
