"""Volume rendering of a dynamic field (paper, 4.3 and A.4)."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.models.base_model import Model, ModelConfig
from torch import Tensor, nn

from resfields_ns.captures.sequence import Capture
from resfields_ns.fields.densities import Density, LaplaceDensity, ReLUDensity
from resfields_ns.fields.dynamic_field import DynamicFieldConfig
from resfields_ns.fields.hexplane import HexPlaneConfig
from resfields_ns.functional import losses
from resfields_ns.functional.rays import distance_behind_box
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.functional.volume import composite, compositing_weights
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.ray_bundles import ray_times
from resfields_ns.host.viewer_controls import ResidualControls, TimeControls
from resfields_ns.layers import largest_rank, show_residuals
from resfields_ns.models.samplers import (
    CarveHull,
    HierarchicalSampler,
    OccupancySampler,
    SampledRays,
    Sampler,
    SamplerConfig,
    UniformSampler,
)
from resfields_ns.models.surface_model import SurfaceModel

HULL_START_RESOLUTION = 64
NEGLIGIBLE_WEIGHT = 1e-4  # of a sample in its pixel
BACKGROUNDS = {"white": 1.0, "black": 0.0}
DENSITIES: dict[str, Callable[["DynamicModelConfig"], Density]] = {
    "volsdf": lambda config: LaplaceDensity(config.initial_beta),
    "nerf": lambda config: ReLUDensity(config.surface_density),
}
SAMPLERS: dict[str, type[Sampler]] = {
    "uniform": UniformSampler,
    "occupancy": OccupancySampler,
    "hierarchical": HierarchicalSampler,
}


@dataclass
class DynamicModelConfig(ModelConfig):
    """A dynamic field seen through a density; the defaults are the paper's."""

    _target: type = dataclasses.field(default_factory=lambda: DynamicModel)
    enable_collider: bool = False
    """Off: the sampler intersects rays with the scene box."""
    field: DynamicFieldConfig = dataclasses.field(default_factory=DynamicFieldConfig)
    """The field."""
    density: Literal["volsdf", "nerf"] = "volsdf"
    """What the field's number is: a signed distance (VolSDF, paper Table 3) or a density (NeRF, Table A.7)."""
    sampler: SamplerConfig = dataclasses.field(default_factory=SamplerConfig)
    """Where rays are sampled."""
    background_color: Literal["white", "black"] = "white"
    """What stands behind the scene, in training, evaluation and rendering."""
    initial_beta: float = 0.1
    """Start of the VolSDF density's scale beta, in scene units."""
    surface_density: float = 0.001
    """NeRF density at which a surface is extracted (the released code's)."""
    opacity_loss_weight: float = 0.1
    """Weight of the cross-entropy between rendered opacity and mask."""
    eikonal_loss_weight: float = 0.1
    """Weight of the eikonal loss on signed distances."""
    eikonal_fraction: float = 1.0
    """Share of the samples on which the eikonal loss is taken; they alone pay for a spatial gradient."""
    depth_loss_weight: float = 0.0
    """Weight of the L1 loss on the distance along rays, for captures with depth (paper, A.5: 0.1)."""
    sparsity_loss_weight: float = 0.0
    """Weight of the loss against surfaces in unseen space (paper, A.5: 0.1)."""
    sparsity_start_step: int = 70_000
    """Step from which the sparsity loss is taken."""
    total_variation_weight: float = 0.0
    """Weight of the total variation of feature planes."""
    coarse_loss_weight: float = 0.1
    """Weight of the colour loss on passes before the last, for samplers with several (Barron et al. 2021)."""
    window_steps: int = 50_000
    """Steps in which the encodings open from coarse to fine."""
    hull_start_steps: int = 0
    """Steps in which the field is fitted to the visual hull of the masks before it is rendered."""
    fallback_time: float = 0.0
    """Time in [0, 1] at which rays without a time are seen."""
    eval_num_rays_per_chunk: int = 4096
    """Rays rendered at once."""

    def check(self, capture: Capture) -> None:
        """Raise ValueError for losses that the capture, the density or the field has nothing for."""
        if not capture.has_masks and (self.hull_start_steps > 0 or SAMPLERS[self.sampler.kind].needs_masks):
            raise ValueError("this method starts from masks: expected a mask folder in every camera, found none")
        if not capture.has_depth and self.depth_loss_weight > 0.0:
            raise ValueError("model.depth-loss-weight: expected a depth folder in every camera, found none")
        if self.density == "nerf" and self.sparsity_loss_weight > 0.0:
            raise ValueError("model.sparsity-loss-weight: expected 0 for density nerf, which has no signed distance")
        if self.total_variation_weight > 0.0 and not isinstance(self.field.ambient, HexPlaneConfig):
            raise ValueError("model.total-variation-weight: expected 0 for a field without planes")


@dataclass(frozen=True)
class _Rendering:
    """One pass over the rays, those that were not sampled included."""

    rays: Int[Tensor, "hits"]
    points: Float[Tensor, "hits samples 3"]
    segments: TimeSegments
    weights: Float[Tensor, "hits samples"]
    raw: Float[Tensor, "points"]
    gradient: Float[Tensor, "some 3"] | None
    rgb: Float[Tensor, "rays 3"]
    accumulation: Float[Tensor, "rays 1"]
    distance: Float[Tensor, "rays 1"]


class DynamicModel(Model, SurfaceModel):
    """Renders rgb, accumulation, depth and normals of a dynamic field."""

    config: DynamicModelConfig

    def __init__(
        self, config: DynamicModelConfig, scene_box: SceneBox, num_train_data: int, metadata: dict, **kwargs
    ) -> None:
        capture = sequence_of(metadata, Capture)
        config.check(capture)
        self.num_frames = capture.num_frames
        super().__init__(config, scene_box, num_train_data, metadata=metadata, **kwargs)
        self.step = 0
        self.time_controls = TimeControls(self.num_frames)
        self.residual_controls = ResidualControls(largest_rank(self.field), partial(show_residuals, self.field))

    def populate_modules(self) -> None:
        """Build field, density and sampler."""
        super().populate_modules()
        self.field = self.config.field.setup(num_frames=self.num_frames)
        self.density = DENSITIES[self.config.density](self.config)
        if not self.density.is_distance:
            self.field.turn_inside_out()
        box = self.scene_box.aabb.to(torch.float32)
        self.sampler = SAMPLERS[self.config.sampler.kind](self.config.sampler, box, self.num_frames)

    def get_param_groups(self) -> dict[str, list[nn.Parameter]]:
        """The parameters of field and density; feature planes, which learn faster, are a group of their own."""
        parameters = dict([*self.field.named_parameters(), *self.density.named_parameters()])
        planes = parameters.pop("ambient.planes", None)
        groups = {"field": list(parameters.values())}
        return groups if planes is None else {**groups, "planes": [planes]}

    def get_training_callbacks(
        self, training_callback_attributes: TrainingCallbackAttributes
    ) -> list[TrainingCallback]:
        """Tell the model the step that it is at."""
        del training_callback_attributes
        before = [TrainingCallbackLocation.BEFORE_TRAIN_ITERATION]
        return [TrainingCallback(before, self.set_step, update_every_num_iters=1)]

    def set_step(self, step: int) -> None:
        """Set what depends on the training step: the encodings' window and the losses taken."""
        self.step = step
        window_steps = self.config.window_steps
        self.field.set_window_progress(min(step / window_steps, 1.0) if window_steps > 0 else 1.0)

    def start_from_masks(self, carve_hull: CarveHull) -> None:
        """Tell the sampler which space the masks leave empty, and fit the field to their visual hull."""
        self.sampler.fill(carve_hull)
        if self.config.hull_start_steps > 0:
            from resfields_ns.models.hull_start import fit_to_hull

            hull = carve_hull(HULL_START_RESOLUTION, False)
            fit_to_hull(self.field, self.density, hull, self.sampler.box, self.config.hull_start_steps)

    def get_outputs(self, ray_bundle: RayBundle) -> dict[str, Any]:
        """Render R rays: rgb [R, 3], accumulation [R, 1], depth along the ray [R, 1].

        Training adds what the losses ask for, evaluation `normals` [R, 3]. Rays that come in runs of equal time are
        the fastest. Rays without a time are seen at `fallback_time`.
        """
        times = ray_times(ray_bundle, self.config.fallback_time)
        samples = self.sampler(ray_bundle.origins, ray_bundle.directions, times)
        coarse: list[_Rendering] = []
        for _ in range(self.sampler.num_refinements):
            coarse.append(self._render(ray_bundle, times, samples, with_gradient=False))
            samples = self.sampler.refine(samples, coarse[-1].weights.detach())
        final = self._render(ray_bundle, times, samples, with_gradient=self.training and self._takes_eikonal_loss)
        behind = distance_behind_box(ray_bundle.origins, self.sampler.box)
        outputs: dict[str, Any] = {
            "rgb": final.rgb,
            "accumulation": final.accumulation,
            "depth": final.distance + behind * (1.0 - final.accumulation),
        }
        if not self.training:
            return {**outputs, "normals": self._normals(final, len(times))}
        outputs |= {"distance": final.distance, "coarse_rgb": [rendering.rgb for rendering in coarse]}
        if final.gradient is not None:
            outputs["gradient"] = final.gradient
        if self._takes_sparsity_loss:
            outputs |= {"raw": final.raw, "raw_anywhere": self._raw_anywhere(final)}
        return outputs

    @property
    def _takes_eikonal_loss(self) -> bool:
        return self.density.is_distance and self.config.eikonal_loss_weight > 0.0

    @property
    def _takes_sparsity_loss(self) -> bool:
        return self.config.sparsity_loss_weight > 0.0 and self.step >= self.config.sparsity_start_step

    def _render(
        self, ray_bundle: RayBundle, times: Float[Tensor, "rays"], samples: SampledRays, with_gradient: bool
    ) -> _Rendering:
        rays, num_rays = samples.rays, len(times)
        directions = ray_bundle.directions[rays, None]
        points = ray_bundle.origins[rays, None] + directions * samples.distances[..., None]
        segments = TimeSegments.from_times(times[rays])
        gradient, raw, feature = self._geometry(points, segments, with_gradient)
        weights = compositing_weights(self.density(raw.view(points.shape[:2])), samples.deltas)
        view = directions.expand_as(points).flatten(end_dim=1)
        colours = self.field.colour(feature, view).view(points.shape)
        accumulation = _scatter(weights.sum(dim=-1, keepdim=True), rays, num_rays)
        background = BACKGROUNDS[self.config.background_color]
        return _Rendering(
            rays=rays,
            points=points,
            segments=segments,
            weights=weights,
            raw=raw,
            gradient=gradient,
            rgb=_scatter(composite(weights, colours), rays, num_rays) + background * (1.0 - accumulation),
            accumulation=accumulation,
            distance=_scatter(composite(weights, samples.distances[..., None]), rays, num_rays),
        )

    def _geometry(
        self, points: Float[Tensor, "hits samples 3"], segments: TimeSegments, with_gradient: bool
    ) -> tuple[Float[Tensor, "some 3"] | None, Float[Tensor, "points"], Float[Tensor, "points feature"]]:
        """Spatial gradients where the eikonal loss is taken; numbers and features of all points."""
        num_samples = points.shape[1]
        flat, sample_segments = points.flatten(end_dim=1), segments.repeat(num_samples)
        if not with_gradient:
            return None, *self.field.raw_and_feature(flat, sample_segments)
        if self.config.eikonal_fraction == 1.0:
            raw, gradient, feature = self.field.raw_gradient_and_feature(flat, sample_segments)
            return gradient, raw, feature
        chosen = torch.randperm(num_samples)[: max(1, int(num_samples * self.config.eikonal_fraction))]
        some = points[:, chosen].flatten(end_dim=1)
        _, gradient, _ = self.field.raw_gradient_and_feature(some, segments.repeat(len(chosen)))
        return gradient, *self.field.raw_and_feature(flat, sample_segments)

    def _raw_anywhere(self, rendering: _Rendering) -> Float[Tensor, "points"]:
        """The field's number at random points of the scene box, half as many as samples, at the rays' times."""
        num_rays, num_samples, _ = rendering.points.shape
        count = max(1, num_samples // 2)
        box = self.sampler.box
        points = box[0] + (box[1] - box[0]) * torch.rand(num_rays * count, 3, device=box.device)
        return self.field.raw_and_feature(points, rendering.segments.repeat(count))[0]

    def _normals(self, rendering: _Rendering, num_rays: int) -> Float[Tensor, "rays 3"]:
        """Unit normals of the samples that show in a picture, composited."""
        visible = rendering.weights > NEGLIGIBLE_WEIGHT
        times = rendering.segments.expand(rendering.segments.times)
        segments = TimeSegments.from_times(times[:, None].expand_as(visible)[visible])
        _, gradient, _ = self.field.raw_gradient_and_feature(rendering.points[visible], segments)
        normals = torch.zeros_like(rendering.points)
        normals[visible] = self.density.outward * F.normalize(gradient, dim=-1)
        return _scatter(composite(rendering.weights, normals), rendering.rays, num_rays)

    @property
    def surface_box(self) -> Float[Tensor, "2 3"]:
        """The scene box."""
        return self.sampler.box

    def surface_level(self, points: Float[Tensor, "points 3"], time: float) -> Float[Tensor, "points"]:
        """The density's level at points that the sampler calls occupied, infinite elsewhere."""
        times = torch.tensor([time], device=points.device)
        occupied = self.sampler.occupied(points[None], times)[0]
        values = torch.full_like(points[:, 0], torch.inf)
        inside = points[occupied]
        raw, _ = self.field.raw_and_feature(inside, TimeSegments.single(times, len(inside)))
        values[occupied] = self.density.level(raw)
        return values

    def surface_colours(self, points: Float[Tensor, "points 3"], time: float) -> Float[Tensor, "points 3"]:
        """RGB in [0, 1] of points, each seen along its normal."""
        segments = TimeSegments.single(torch.tensor([time], device=points.device), len(points))
        _, gradient, feature = self.field.raw_gradient_and_feature(points, segments)
        return self.field.colour(feature, -self.density.outward * F.normalize(gradient, dim=-1))

    def get_loss_dict(
        self, outputs: dict[str, Any], batch: dict[str, Any], metrics_dict: dict | None = None
    ) -> dict[str, Tensor]:
        """Paper Eq. 5 and A.1; without masks the colour loss covers all rays and the opacity loss is left out."""
        del metrics_dict
        config = self.config
        target = batch["image"].to(self.device)
        everywhere = torch.ones_like(target[:, 0])
        foreground = batch["mask"].to(target) if "mask" in batch else everywhere
        terms = {"colour": losses.masked_l1(outputs["rgb"], target, foreground)}
        if "mask" in batch and config.opacity_loss_weight > 0.0:
            opacity = losses.opacity_cross_entropy(outputs["accumulation"][:, 0], foreground)
            terms["opacity"] = config.opacity_loss_weight * opacity
        if not self.training:
            return terms
        for rgb in outputs["coarse_rgb"]:
            terms["coarse_colour"] = config.coarse_loss_weight * losses.masked_l1(rgb, target, foreground)
        if config.depth_loss_weight > 0.0:
            depth = batch["depth"].to(target)
            valid = (depth > 0.0) & (foreground > 0.0)
            terms["depth"] = config.depth_loss_weight * losses.depth_l1(outputs["distance"][:, 0], depth, valid)
        if "gradient" in outputs:
            terms["eikonal"] = config.eikonal_loss_weight * losses.eikonal(outputs["gradient"])
        if "raw_anywhere" in outputs:
            terms["sparsity"] = config.sparsity_loss_weight * losses.sparsity(outputs["raw"], outputs["raw_anywhere"])
        if config.total_variation_weight > 0.0:
            terms["total_variation"] = config.total_variation_weight * self.field.ambient.total_variation()
        return terms

    def get_metrics_dict(self, outputs: dict[str, Any], batch: dict[str, Any]) -> dict[str, Tensor]:
        """What to watch while training: the parameters of the density."""
        del outputs, batch
        return self.density.metrics()

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Metrics of one image against the masked ground truth on the background, and pictures of the two."""
        from resfields_ns.models.image_metrics import image_metrics, images_to_show

        target = self.ground_truth(batch).to(outputs["rgb"])
        mask = batch["mask"][..., 0].to(target.device) if "mask" in batch else None
        return image_metrics(outputs["rgb"], target, mask), images_to_show(outputs, target)

    def ground_truth(self, batch: dict[str, Any]) -> Float[Tensor, "h w 3"]:
        """The image, with the model's background where a mask says that nothing of the scene is."""
        if "mask" not in batch:
            return batch["image"]
        mask = batch["mask"].to(batch["image"])
        return batch["image"] * mask + BACKGROUNDS[self.config.background_color] * (1.0 - mask)


def _scatter(values: Float[Tensor, "hits channels"], rays: Int[Tensor, "hits"], num_rays: int) -> Tensor:
    """Rows of the rays that were sampled among zeros for the others."""
    return values.new_zeros(num_rays, values.shape[1]).index_copy(0, rays, values)
