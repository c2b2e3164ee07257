"""Volume rendering of a dynamic signed distance field (VolSDF density; paper, 4.3 and A.4)."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.models.base_model import Model, ModelConfig
from torch import Tensor, nn

from resfields_ns.fields.laplace_density import LaplaceDensity
from resfields_ns.fields.sdf_field import DynamicSDFFieldConfig
from resfields_ns.functional import losses
from resfields_ns.functional.compositing import composite, compositing_weights
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.models.samplers import CarveHull, SampledRays, SamplerConfig, UniformSamplerConfig
from resfields_ns.viewer.time_controls import TimeControls

HULL_START_RESOLUTION = 64
NEGLIGIBLE_WEIGHT = 1e-4  # of a sample in its pixel
BACKGROUNDS = {"white": 1.0, "black": 0.0}


@dataclass
class DynamicVolSDFConfig(ModelConfig):
    """A dynamic SDF field seen through VolSDF's density; the defaults are the paper's."""

    _target: type = dataclasses.field(default_factory=lambda: DynamicVolSDF)
    enable_collider: bool = False
    """Off: the sampler intersects rays with the scene box."""
    field: DynamicSDFFieldConfig = dataclasses.field(default_factory=DynamicSDFFieldConfig)
    """The field."""
    sampler: SamplerConfig = dataclasses.field(default_factory=UniformSamplerConfig)
    """Where rays are sampled."""
    background_color: Literal["white", "black"] = "white"
    """What stands behind the scene, in training, evaluation and rendering."""
    initial_beta: float = 0.1
    """Start of the density's scale beta, in scene units."""
    opacity_loss_weight: float = 0.1
    """Weight of the cross-entropy between rendered opacity and mask."""
    eikonal_loss_weight: float = 0.1
    """Weight of the eikonal loss."""
    eikonal_fraction: float = 1.0
    """Share of the samples on which the eikonal loss is taken; they alone pay for a spatial gradient."""
    window_steps: int = 50_000
    """Steps in which the encodings open from coarse to fine."""
    hull_start_steps: int = 0
    """Steps in which the field is fitted to the visual hull of the masks before it is rendered."""
    fallback_time: float = 0.0
    """Time in [0, 1] at which rays without a time are seen."""
    eval_num_rays_per_chunk: int = 4096
    """Rays rendered at once."""


class DynamicVolSDF(Model):
    """Renders rgb, accumulation, depth and normals of a dynamic SDF field.

    `metadata` of the dataset gives `num_frames`.
    """

    config: DynamicVolSDFConfig

    def __init__(
        self, config: DynamicVolSDFConfig, scene_box: SceneBox, num_train_data: int, metadata: dict, **kwargs
    ) -> None:
        self.num_frames: int = metadata["num_frames"]
        if metadata["mask_filenames"] is None and (config.hull_start_steps > 0 or config.sampler.needs_masks):
            raise ValueError("this method starts from masks: expected a mask folder in every camera, found none")
        super().__init__(config, scene_box, num_train_data, metadata=metadata, **kwargs)
        self.time_controls = TimeControls(self.num_frames)

    def populate_modules(self) -> None:
        """Build field, density and sampler."""
        super().populate_modules()
        self.field = self.config.field.setup(num_frames=self.num_frames)
        self.density = LaplaceDensity(self.config.initial_beta)
        box = self.scene_box.aabb.to(torch.float32)
        self.sampler = self.config.sampler.setup(box=box, num_frames=self.num_frames)

    def get_param_groups(self) -> dict[str, list[nn.Parameter]]:
        """The field's parameters, and the density's scale."""
        return {"field": list(self.field.parameters()), "density": list(self.density.parameters())}

    def get_training_callbacks(
        self, training_callback_attributes: TrainingCallbackAttributes
    ) -> list[TrainingCallback]:
        """Open the encodings' window step by step."""
        del training_callback_attributes
        before = [TrainingCallbackLocation.BEFORE_TRAIN_ITERATION]
        return [TrainingCallback(before, self.set_step, update_every_num_iters=1)]

    def set_step(self, step: int) -> None:
        """Set what depends on the training step."""
        window_steps = self.config.window_steps
        self.field.set_window_progress(min(step / window_steps, 1.0) if window_steps > 0 else 1.0)

    def start_from_masks(self, carve_hull: CarveHull) -> None:
        """Tell the sampler which space the masks leave empty, and fit the field to their visual hull."""
        self.sampler.fill(carve_hull)
        if self.config.hull_start_steps > 0:
            from resfields_ns.models.hull_start import fit_to_hull

            hull = carve_hull(HULL_START_RESOLUTION, False)
            fit_to_hull(self.field, hull, self.sampler.box, self.config.hull_start_steps)

    def get_outputs(self, ray_bundle: RayBundle) -> dict[str, Tensor]:  # pyright: ignore
        """Render R rays: rgb [R, 3], accumulation [R, 1], depth along the ray [R, 1].

        Training adds `sdf_gradient` [points, 3], evaluation `normals` [R, 3]. Rays that come in runs of equal time are
        the fastest. Rays without a time are seen at `fallback_time`.
        """
        origins, directions = ray_bundle.origins, ray_bundle.directions
        times = self._times(ray_bundle)
        samples: SampledRays = self.sampler(origins, directions, times)
        rays = samples.rays
        points = origins[rays, None] + directions[rays, None] * samples.distances[..., None]
        segments, flat = TimeSegments.from_times(times[rays]), points.flatten(end_dim=1)
        if self.training:
            sdf, feature, sdf_gradient = self._training_geometry(points, segments)
        else:
            sdf, feature = self.field.sdf_and_feature(flat, segments.repeat(points.shape[1]))

        weights = compositing_weights(self.density(sdf.view(points.shape[:2])), samples.deltas)
        view = directions[rays, None].expand_as(points).flatten(end_dim=1)
        colours = self.field.colour(feature, view).view(points.shape)
        accumulation = _scatter(weights.sum(dim=-1, keepdim=True), rays, len(origins))
        depth = _scatter(composite(weights, samples.distances[..., None]), rays, len(origins))
        background = BACKGROUNDS[self.config.background_color]
        outputs = {
            "rgb": _scatter(composite(weights, colours), rays, len(origins)) + background * (1.0 - accumulation),
            "accumulation": accumulation,
            "depth": depth + self._background_depth(origins) * (1.0 - accumulation),
        }
        if self.training:
            outputs["sdf_gradient"] = sdf_gradient
        else:
            normals = self._visible_normals(points, times[rays], weights)
            outputs["normals"] = _scatter(composite(weights, normals), rays, len(origins))
        return outputs

    def _training_geometry(
        self, points: Float[Tensor, "rays samples 3"], segments: TimeSegments
    ) -> tuple[Float[Tensor, "points"], Float[Tensor, "points feature"], Float[Tensor, "some 3"]]:
        """Signed distances and features of all points; spatial gradients where the eikonal loss is taken."""
        num_samples = points.shape[1]
        flat, sample_segments = points.flatten(end_dim=1), segments.repeat(num_samples)
        if self.config.eikonal_fraction == 1.0:
            sdf, gradient, feature = self.field.sdf_gradient_and_feature(flat, sample_segments)
            return sdf, feature, gradient
        chosen = torch.randperm(num_samples)[: max(1, int(num_samples * self.config.eikonal_fraction))]
        some = points[:, chosen].flatten(end_dim=1)
        _, gradient, _ = self.field.sdf_gradient_and_feature(some, segments.repeat(len(chosen)))
        return *self.field.sdf_and_feature(flat, sample_segments), gradient

    def _visible_normals(
        self,
        points: Float[Tensor, "rays samples 3"],
        times: Float[Tensor, "rays"],
        weights: Float[Tensor, "rays samples"],
    ) -> Float[Tensor, "rays samples 3"]:
        """Unit normals of the samples that show in a picture, zero for the others."""
        visible = weights > NEGLIGIBLE_WEIGHT
        segments = TimeSegments.from_times(times[:, None].expand_as(visible)[visible])
        gradient = self.field.sdf_gradient_and_feature(points[visible], segments)[1]
        normals = torch.zeros_like(points)
        normals[visible] = F.normalize(gradient, dim=-1)
        return normals

    def _times(self, ray_bundle: RayBundle) -> Float[Tensor, "rays"]:
        if ray_bundle.times is None:
            return torch.full_like(ray_bundle.origins[:, 0], self.config.fallback_time)
        return ray_bundle.times[:, 0]

    def _background_depth(self, origins: Float[Tensor, "rays 3"]) -> Float[Tensor, "rays 1"]:
        """A distance behind the whole scene box."""
        box = self.sampler.box
        return (origins - box.mean(dim=0)).norm(dim=-1, keepdim=True) + (box[1] - box[0]).norm() / 2

    def get_loss_dict(
        self, outputs: dict[str, Tensor], batch: dict[str, Any], metrics_dict: dict | None = None
    ) -> dict[str, Tensor]:
        """Paper Eq. 5; without masks the colour loss covers all rays and the opacity loss is left out."""
        del metrics_dict
        target = batch["image"].to(self.device)
        everywhere = torch.ones_like(target[:, 0])
        foreground = batch["mask"].to(target) if "mask" in batch else everywhere
        loss_dict = {"colour": losses.masked_l1(outputs["rgb"], target, foreground)}
        if "mask" in batch:
            opacity = losses.opacity_cross_entropy(outputs["accumulation"][:, 0], foreground)
            loss_dict["opacity"] = self.config.opacity_loss_weight * opacity
        if self.training:
            loss_dict["eikonal"] = self.config.eikonal_loss_weight * losses.eikonal(outputs["sdf_gradient"])
        return loss_dict

    def get_metrics_dict(self, outputs: dict[str, Tensor], batch: dict[str, Any]) -> dict[str, Tensor]:
        """What to watch while training: the width of the soft surface."""
        del outputs, batch
        return {"beta": self.density.beta.detach()}

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
