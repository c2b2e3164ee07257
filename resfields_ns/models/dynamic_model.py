"""Volume rendering of a dynamic field (paper, 4.3 and A.4)."""

import dataclasses
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.models.base_model import Model
from torch import Tensor, nn
from torch.nn.functional import normalize
from tyro.conf import Suppress

from resfields_ns import timeline
from resfields_ns.captures.sequence import Capture
from resfields_ns.data.plates import check_plates, have_plates
from resfields_ns.fields.background_field import BackgroundField
from resfields_ns.fields.colour import ViewBasisColour
from resfields_ns.fields.densities import Density, LaplaceDensity, ReLUDensity
from resfields_ns.fields.dynamic_field import DynamicField, DynamicFieldConfig
from resfields_ns.functional import losses
from resfields_ns.functional.rays import distance_behind_box
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.functional.surface_points import normal_colours
from resfields_ns.functional.volume import without_background
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.host_configs import SequenceModelConfig
from resfields_ns.host.old_runs import renewed_model_options
from resfields_ns.host.ray_bundles import ray_times
from resfields_ns.layers import parameter_groups, set_progress
from resfields_ns.models.background import background_loss, render_background, what_shows
from resfields_ns.models.camera_refinement import CameraRefinement
from resfields_ns.models.colour_correction import ColourCorrection
from resfields_ns.models.level_grid import LEVELS_AT_ONCE, ShownLevels, in_chunks, shown_levels
from resfields_ns.models.ray_losses import IS_DISTANCE, RayLossOptions, colour_loss, has_distances, pass_losses
from resfields_ns.models.rendering import NEGLIGIBLE_WEIGHT, Rays, Rendering, raw_anywhere, render, rendered_normals
from resfields_ns.models.samplers import (
    CarveHull,
    HierarchicalSampler,
    LearnedOccupancySampler,
    OccupancySampler,
    Sampler,
    SamplerConfig,
    UniformSampler,
)
from resfields_ns.models.surface_model import DISTANCE_SLOPE, SurfaceModel
from resfields_ns.options import Obstacle, chosen, dashed, option, unless, when, when_any

HULL_START_RESOLUTION = 64
PICTURE_LEVELS = 64  # cells along the box's longest side
_LEVELS: ContextVar[ShownLevels | None] = ContextVar("levels", default=None)  # of the picture that is rendered
BACKGROUNDS = {"white": 1.0, "black": 0.0}
DENSITIES: dict[str, Callable[["DynamicModelConfig"], Density]] = {
    "volsdf": lambda config: LaplaceDensity(config.initial_beta),
    "nerf": lambda config: ReLUDensity(config.surface_density, config.density_scale),
}
SAMPLERS: dict[str, type[Sampler]] = {
    "uniform": UniformSampler,
    "occupancy": OccupancySampler,
    "learned-occupancy": LearnedOccupancySampler,
    "hierarchical": HierarchicalSampler,
}


def _has_window(config: "DynamicModelConfig") -> str | None:
    return None if config.field.has_window else "no encoding of the field opens from coarse to fine"


def _uses_hull(config: "DynamicModelConfig") -> str | None:
    if SAMPLERS[config.sampler.kind].uses_hull or config.hull_start_steps > 0:
        return None
    return f"sampler.kind is {config.sampler.kind} and hull-start-steps is 0"


def _tells_moments_apart(config: "DynamicModelConfig") -> str | None:
    field = config.field
    sees_condition = chosen(field.warp).sees_condition or chosen(field.ambient).sees_condition
    has_residuals = bool(field.residual_layers) and field.residual != "experts"
    return None if sees_condition or has_residuals else "nothing of the field changes between frames"


@dataclass
class DynamicModelConfig(RayLossOptions, SequenceModelConfig):
    """A dynamic field seen through a density; the defaults are the paper's."""

    below: ClassVar[Mapping[str, Obstacle]] = {"sampler.num_picture_samples": has_distances}
    takes_bfloat16: ClassVar[bool] = True

    _target: type = dataclasses.field(default_factory=lambda: DynamicModel)
    field: DynamicFieldConfig = dataclasses.field(default_factory=DynamicFieldConfig)
    """The field."""
    density: Literal["volsdf", "nerf"] = "volsdf"
    """What the field's number is: a signed distance (VolSDF, paper Table 3) or a density (NeRF, Table A.7)."""
    sampler: SamplerConfig = dataclasses.field(default_factory=SamplerConfig)
    """Where rays are sampled."""
    coarse_network: bool = option(False, acts=when("sampler.kind", "hierarchical"))
    """Let a second network of the field's sizes, which learns from the coarse pass alone, say where the fine pass looks
    (Mildenhall et al. 2020), in place of one network for both."""
    background: Literal["color", "plate", "field"] = "color"
    """What is behind the scene in training images: nothing that counts, as masks tell, a clean plate of each camera
    that stands still, or a field of all that is outside the scene's box. The last two train without masks."""
    background_color: Literal["white", "black"] = option("white", acts=unless("background", "field"))
    """What stands behind the scene in evaluation and rendering, and without a background of its own in training."""
    colour_correction: Literal["none", "gain", "affine"] = option("none", acts=when("background", "color"))
    """Learned for each training camera but the first, which stays as it is: a gain and an offset per channel, or a 3x3
    matrix with an offset. Pictures show the scene as the first camera sees it."""
    refine_poses: bool = False
    """Learn how each training camera but the first is moved and turned against its calibration."""
    refine_times: bool = option(False, acts=_tells_moments_apart, data="second frame")
    """Learn by how much the clock of each training camera but the first is behind. A training step then looks at so
    many images as it else does at frames."""
    initial_beta: float = option(0.1, above=0, acts=IS_DISTANCE)
    """Start of the VolSDF density's scale beta, in scene units."""
    surface_density: float = option(0.001, above=0, acts=when("density", "nerf"))
    """NeRF density at which a surface is extracted (the released code's)."""
    density_scale: float = option(1.0, above=0, acts=when("density", "nerf"))
    """NeRF density of the field's number 1: a large one, as 100, makes surfaces opaque within a short training."""
    window_steps: int = option(
        50_000, least=0, acts=_has_window, outlasts="the encodings do not open to their finest waves"
    )
    """Steps in which the encodings open from coarse to fine."""
    background_start_steps: int = option(500, least=0, acts=when("background", "field"))
    """Steps in which the background alone is fitted, to plates or else to all pixels, before the scene is learned."""
    hull_start_steps: int = option(0, least=0)
    """Steps in which the field is fitted to the visual hull of the masks, or of what differs from the background,
    before it is rendered."""
    hull_start_rate: float = option(2e-3, above=0, acts=when_any("hull_start_steps"))
    """Learning rate of these steps; it falls to a tenth."""
    hull_least_views: int = option(2, least=0, most=255, acts=_uses_hull)
    """Cameras that must see a place for the hull to hold it, in frames that have so many: what one alone sees are
    columns behind its subject."""

    compile: bool = False
    """Compile a training step (torch.compile), which takes minutes before the first one: for long trainings."""

    joined: Suppress[tuple[int, ...]] = option((), least=2)
    """Frames of each of the runs that a run was joined from, one after the other; of any other run nothing."""

    def setup(self, **kwargs: Any) -> Any:
        """Build the model, of a joined run that which holds those of its chunks."""
        if not self.joined:
            return super().setup(**kwargs)
        from resfields_ns.models.joined_model import JoinedModel

        return JoinedModel(self, **kwargs)

    @property
    def parameter_groups(self) -> frozenset[str]:
        """The field, and what learns at a rate of its own: parts of it, the background, corrections of cameras."""
        parts = chosen(self.field.warp), chosen(self.field.ambient)
        others = {
            "background": self.background == "field",
            "colour_correction": self.colour_correction != "none",
            "camera_poses": self.refine_poses,
            "camera_times": self.refine_times,
        }
        learned = {group for group, is_learned in others.items() if is_learned}
        return super().parameter_groups.union(learned, *(part.parameter_groups for part in parts))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over the options of a run's config.yml."""
        self.__dict__.update(renewed_model_options(state))

    def check_options(self) -> None:
        """Raise ValueError for samplers that the other options leave without what they need."""
        super().check_options()
        if self.sampler.kind == "learned-occupancy" and (reason := has_distances(self)):
            raise ValueError(f"model.sampler.kind: learned-occupancy needs signed distances, but {reason}")

    def uses_plates(self, capture: Capture) -> bool:
        """Whether plates of the cameras tell what is behind the scene, and stand in for masks."""
        return self.background == "plate" or (self.background == "field" and have_plates(capture))

    def check(self, capture: Capture) -> None:
        """Raise ValueError for losses and samplers that the capture has nothing for."""
        needs_masks = SAMPLERS[self.sampler.kind].needs_masks
        if self.background == "plate":
            check_plates(capture)
        elif self.background == "field" and needs_masks and not self.uses_plates(capture):
            raise ValueError(
                "model.sampler.kind: expected hierarchical, learned-occupancy or uniform, as cameras move and "
                f"model.background field leaves masks, got {self.sampler.kind}"
            )
        elif self.background == "color" and not capture.has_masks and (self.hull_start_steps > 0 or needs_masks):
            raise ValueError(
                "this method starts from masks: expected a mask folder in every camera, found none; without masks: "
                "--pipeline.model.background plate, for cameras that stand still, or field, before moving ones with "
                "--pipeline.model.sampler.kind uniform"
            )
        if not capture.has_depth and self.depth_loss_weight > 0.0:
            raise ValueError("model.depth-loss-weight: expected a depth folder in every camera, found none")
        for name, off in {"colour_correction": "none", "refine_poses": False, "refine_times": False}.items():
            if (value := getattr(self, name)) != off and len(capture.camera_names) == 1:
                raise ValueError(
                    f"model.{dashed(name)}: expected {off} for a single training camera ({capture.camera_names[0]}), "
                    f"as the first stays as it is, got {value}"
                )


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
        self.sparsity_began = config.sparsity_start_step == 0

    def populate_modules(self) -> None:
        """Build field, sampler and, where there are some, corrections of cameras."""
        super().populate_modules()
        density = DENSITIES[self.config.density](self.config)
        self.field: DynamicField = self.config.field.setup(num_frames=self.num_frames, density=density)
        box = self.scene_box.aabb.to(torch.float32)
        self.sampler = SAMPLERS[self.config.sampler.kind](self.config.sampler, box, self.num_frames)
        self.coarse_field: DynamicField | None = None
        if self.config.coarse_network and self.sampler.num_refinements > 0:
            density = DENSITIES[self.config.density](self.config)
            self.coarse_field = self.field.config.setup(num_frames=self.num_frames, density=density)
        self.background_field = BackgroundField() if self.config.background == "field" else None
        capture = sequence_of(self.kwargs["metadata"], Capture)
        self.colour_correction: ColourCorrection | None = None
        if self.config.colour_correction != "none":
            cameras = [image.camera_name for image in capture.images]
            self.colour_correction = ColourCorrection(self.config.colour_correction, cameras)
        self.camera_refinement: CameraRefinement | None = None
        if self.config.refine_poses or self.config.refine_times:
            self.camera_refinement = CameraRefinement(capture, self.config.refine_poses, self.config.refine_times)

    @property
    def _fields(self) -> nn.ModuleList:
        """The field, and that of the coarse pass where it has one of its own."""
        return nn.ModuleList([self.field] if self.coarse_field is None else [self.field, self.coarse_field])

    def get_param_groups(self) -> dict[str, list[nn.Parameter]]:
        """The parameters of the field, and of what learns at a rate of its own."""
        groups = parameter_groups(self._fields, rest="field")
        if self.background_field is not None:
            groups["background"] = list(self.background_field.parameters())
        if self.colour_correction is not None:
            groups["colour_correction"] = list(self.colour_correction.parameters())
        if self.camera_refinement is not None:
            groups |= self.camera_refinement.parameter_groups()
        return groups

    def get_training_callbacks(
        self, training_callback_attributes: TrainingCallbackAttributes
    ) -> list[TrainingCallback]:
        """Tell the model the step that it is at, and the sampler, now and then, where the surface of a frame is."""
        del training_callback_attributes
        before = [TrainingCallbackLocation.BEFORE_TRAIN_ITERATION]
        callbacks = [TrainingCallback(before, self.set_step, update_every_num_iters=1)]
        if isinstance(self.sampler, LearnedOccupancySampler):
            every = self.config.sampler.renewal_steps
            callbacks.append(TrainingCallback(before, self._renew_occupancy, update_every_num_iters=every))
        return callbacks

    @torch.no_grad()
    def _renew_occupancy(self, step: int) -> None:
        assert isinstance(self.sampler, LearnedOccupancySampler)
        frame = step // self.config.sampler.renewal_steps % self.num_frames
        time = timeline.times_from_frames(torch.tensor(frame), self.num_frames).item()
        level = in_chunks(partial(self.surface_level, time=time), LEVELS_AT_ONCE)
        self.sampler.renew(frame, level, self._reach)

    @property
    def _reach(self) -> float:
        """Distance from the surface up to which something of it shows, where numbers are distances."""
        assert isinstance(self.field.density, LaplaceDensity)
        return self.field.density.reach(NEGLIGIBLE_WEIGHT).item()

    def set_step(self, step: int) -> None:
        """Set what depends on the training step: the encodings' window and the losses taken."""
        self.sparsity_began = step >= self.config.sparsity_start_step
        window_steps = self.config.window_steps
        set_progress(self._fields, min(step / window_steps, 1.0) if window_steps > 0 else 1.0)

    def start_from_hull(self, carve_hull: CarveHull) -> None:
        """Tell the sampler which space masks, or views, leave empty, and fit the field to the visual hull of masks."""
        self.sampler.fill(carve_hull)
        if self.config.hull_start_steps > 0:
            from resfields_ns.models.hull_start import fit_to_hull

            hull = carve_hull(HULL_START_RESOLUTION, False)
            config = self.config
            for field in self._fields:
                assert isinstance(field, DynamicField)
                fit_to_hull(field, hull, self.sampler.box, config.hull_start_steps, config.hull_start_rate)

    def get_outputs(self, ray_bundle: RayBundle) -> dict[str, Any]:
        """Render R rays: rgb [R, 3], accumulation [R, 1], depth along the ray [R, 1].

        The losses read `rendering`. Evaluation adds, `with_normals`, `normals` [R, 3] and `normals_vis` [R, 3], their
        directions as colours in [0, 1], which the host's exporters read. Rays that come in runs of equal time are the
        fastest. Rays without a time are seen at `fallback_time`.
        """
        rays = Rays(ray_bundle.origins, ray_bundle.directions, ray_times(ray_bundle, self.config.fallback_time))
        if self.training and self.camera_refinement is not None:
            assert ray_bundle.camera_indices is not None
            rays = self.camera_refinement(rays, ray_bundle.camera_indices[:, 0])
        rendering = self._render(rays)
        behind = distance_behind_box(rays.origins, self.sampler.box)
        outputs: dict[str, Any] = {
            "rgb": rendering.rgb,
            "accumulation": rendering.accumulation,
            "depth": rendering.distance + behind * (1.0 - rendering.accumulation),
        }
        if isinstance(rendering.background, Tensor):
            outputs["background"] = rendering.background
        if not self.training and self.with_normals:
            outputs["normals"] = rendered_normals(self.field, rendering)
            outputs["normals_vis"] = normal_colours(normalize(outputs["normals"], dim=-1))
        return {**outputs, "rendering": rendering}

    @torch.no_grad()
    def get_outputs_for_camera_ray_bundle(self, camera_ray_bundle: RayBundle) -> dict[str, Tensor]:
        """Render a picture: `get_outputs` of its rays, [h, w, ...].

        With `num_picture_samples`, a grid of levels tells first where the surface is, in pictures of one time.
        """
        token = _LEVELS.set(self._levels(camera_ray_bundle))
        try:
            return super().get_outputs_for_camera_ray_bundle(camera_ray_bundle)
        finally:
            _LEVELS.reset(token)

    def _levels(self, bundle: RayBundle) -> ShownLevels | None:
        """Of a picture of one time that asks for more of them than the grid does."""
        config = self.config.sampler
        if self.training or config.num_picture_samples == 0 or not self._takes_eikonal_loss:
            return None
        if len(bundle) * config.num_samples < PICTURE_LEVELS**3 // 4:
            return None
        times = ray_times(bundle.flatten(), self.config.fallback_time)
        time = float(times.min())
        if time != float(times.max()):
            return None
        return shown_levels(self, time, PICTURE_LEVELS, self._reach)

    def get_rgba_image(self, outputs: dict[str, Tensor], output_name: str = "rgb") -> Float[Tensor, "*batch 4"]:
        """An output that was rendered over the background, without it: RGBA in [0, 1]."""
        background = outputs.get("background", self._grey)
        return without_background(outputs[output_name], outputs["accumulation"], background)

    def training_losses(self, rays: Rays, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The losses of rays and of what the images hold at them."""
        if self.camera_refinement is not None:
            rays = self.camera_refinement(rays, batch["indices"][:, 0])
        return self._losses(self._render(rays), batch)

    @property
    def takes_sparsity_loss(self) -> bool:
        """At this step."""
        return self.training and self.config.sparsity_loss_weight > 0.0 and self.sparsity_began

    def _render(self, rays: Rays) -> Rendering:
        background, levels = self._background(rays), _LEVELS.get()
        given = background.detach() if isinstance(background, Tensor) else background
        rendering = render(self.field, self.sampler, rays, given, self._gradient_share, levels, self.coarse_field)
        rendering = dataclasses.replace(rendering, background=background)
        if not self.takes_sparsity_loss:
            return rendering
        anywhere = raw_anywhere(self.field, rendering, self.sampler.box)
        return dataclasses.replace(rendering, raw_anywhere=anywhere)

    def _background(self, rays: Rays) -> Float[Tensor, "rays 3"] | float:
        """Colour or grey that rays see behind the scene."""
        if self.background_field is None:
            return self._grey
        return render_background(self.background_field, rays.origins, rays.directions, self.sampler.box)

    @property
    def _grey(self) -> float:
        return BACKGROUNDS[self.config.background_color]

    @property
    def background_name(self) -> str:
        """What evaluation and rendering show behind the scene."""
        return "field" if self.config.background == "field" else self.config.background_color

    @property
    def _gradient_share(self) -> float | None:
        """Of the samples, for the eikonal loss."""
        return self.config.eikonal_fraction if self.training and self._takes_eikonal_loss else None

    @property
    def _takes_eikonal_loss(self) -> bool:
        return has_distances(self.config) is None

    @property
    def surface_box(self) -> Float[Tensor, "2 3"]:
        """The scene box."""
        return self.sampler.box

    @property
    def surface_slope(self) -> float | None:
        """That of distances, where the eikonal loss makes numbers some."""
        return DISTANCE_SLOPE if self._takes_eikonal_loss else None

    def surface_level(self, points: Float[Tensor, "points 3"], time: float) -> Float[Tensor, "points"]:
        """The density's level."""
        return self.field.density.level(self.field.raw_and_feature(TimedPoints.at(points, time))[0])

    def occupied(self, points: Float[Tensor, "points 3"], time: float) -> Bool[Tensor, "points"]:
        """What the sampler calls occupied."""
        return self.sampler.occupied(points[None], torch.tensor([time], device=points.device))[0]

    def surface_colours(self, points: Float[Tensor, "points 3"], time: float) -> Float[Tensor, "points 3"]:
        """RGB in [0, 1] of points, each seen along its normal."""
        _, gradient, feature = self.field.raw_gradient_and_feature(TimedPoints.at(points, time))
        return self.field.colour(feature, -self.field.unit_normals(gradient))

    @property
    def view_basis(self) -> Callable[[Float[Tensor, "views 3"]], Float[Tensor, "views functions"]] | None:
        """That of a colour head that has one."""
        return self.field.colour.basis if isinstance(self.field.colour, ViewBasisColour) else None

    def view_coefficients(
        self, points: Float[Tensor, "points 3"], time: float
    ) -> Float[Tensor, "points functions_and_one 3"]:
        """See `SurfaceModel`."""
        assert isinstance(self.field.colour, ViewBasisColour)
        return self.field.colour.expand(self.field.raw_and_feature(TimedPoints.at(points, time))[1])

    def get_loss_dict(
        self, outputs: dict[str, Any], batch: dict[str, Any], metrics_dict: dict | None = None
    ) -> dict[str, Tensor]:
        """Paper Eq. 5 and A.1; without masks the colour loss covers all rays and the opacity loss is left out."""
        del metrics_dict
        return self._losses(outputs["rendering"], batch)

    def _losses(self, rendering: Rendering, batch: dict[str, Any]) -> dict[str, Tensor]:
        with torch.autocast(self.device.type, enabled=False):
            terms = {}
            if self.background_field is not None:
                assert isinstance(rendering.background, Tensor)
                uncovered = 1.0 - rendering.accumulation.detach()[:, 0].clamp(max=1.0)
                terms["background"] = background_loss(rendering.background, batch, uncovered)
                if "behind" not in batch:
                    batch = batch | what_shows(rendering.background.detach(), batch["image"].to(self.device))
            if "behind" in batch:
                rendering = rendering.before(batch["behind"].to(self.device), batch["known"].to(self.device))
            return terms | self._full_precision_losses(rendering, batch)

    def _full_precision_losses(self, rendering: Rendering, batch: dict[str, Any]) -> dict[str, Tensor]:
        config, grey = self.config, self._grey
        batch = {name: values.to(self.device) for name, values in batch.items()}
        terms = pass_losses(config, rendering, self._as_seen(rendering.rgb, batch), batch, grey)
        for coarse in rendering.coarse if self.training else ():
            rgb = self._as_seen(coarse.rgb, batch)
            if self.coarse_field is None:
                of_pass = {"colour": colour_loss(config, rgb, batch, grey)}
            else:
                of_pass = pass_losses(config, coarse, rgb, batch, grey)
            terms |= {f"coarse_{name}": config.coarse_loss_weight * term for name, term in of_pass.items()}
        if rendering.raw_anywhere is not None:
            sparsity = losses.sparsity(rendering.raw, rendering.raw_anywhere)
            terms["sparsity"] = config.sparsity_loss_weight * sparsity
        return terms

    def _as_seen(self, rgb: Float[Tensor, "rays 3"], batch: dict[str, Any]) -> Float[Tensor, "rays 3"]:
        """Rendered colours as the training cameras of a batch show them; as they are for cameras of an evaluation."""
        if self.colour_correction is None or not self.training:
            return rgb
        return self.colour_correction(rgb, batch["indices"][:, 0])

    def get_metrics_dict(self, outputs: dict[str, Any], batch: dict[str, Any]) -> dict[str, Tensor]:
        """What to watch while training: the parameters of the density, and how cameras were corrected."""
        del outputs, batch
        cameras = {} if self.camera_refinement is None else self.camera_refinement.metrics()
        return self.field.density.metrics() | cameras

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Metrics of one image against the masked ground truth on the background, and pictures of the two.

        Where cameras' colours are corrected, also metrics once the image's own pixels have corrected the rendering.
        """
        from resfields_ns.models import image_metrics as of_images

        target = self.ground_truth(batch).to(outputs["rgb"])
        mask = batch["mask"][..., 0].to(target.device) if "mask" in batch else None
        metrics = of_images.image_metrics(outputs["rgb"], target, mask)
        metrics |= of_images.mask_metrics(outputs["accumulation"], mask)
        if self.colour_correction is not None:
            kind = self.colour_correction.kind
            metrics |= of_images.colour_corrected_metrics(kind, outputs["rgb"], target, mask)
        return metrics, of_images.images_to_show(outputs, target)

    def ground_truth(self, batch: dict[str, Any]) -> Float[Tensor, "h w 3"]:
        """The image, with the model's background where a mask says that there is nothing, unless it is learned."""
        if "mask" not in batch or self.config.background == "field":
            return batch["image"]
        mask = batch["mask"].to(batch["image"])
        return batch["image"] * mask + self._grey * (1.0 - mask)
