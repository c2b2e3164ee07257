"""Methods that are trained on rays of cameras."""

from dataclasses import replace
from functools import partial
from typing import Literal

from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig
from nerfstudio.models.base_model import ModelConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig

from resfields_ns.captures.demo_capture import write_demo_capture
from resfields_ns.models.dynamic_model import DynamicModelConfig
from resfields_ns.pipelines.dynamic_pipeline import DynamicPipelineConfig
from tests.family import Family, Learning

NUM_FRAMES = 4


def _shrink(pipeline: VanillaPipelineConfig, datamanager: VanillaDataManagerConfig, model: ModelConfig) -> None:
    """Few rays and samples, soon through with every phase of training."""
    assert isinstance(pipeline, DynamicPipelineConfig) and isinstance(model, DynamicModelConfig)
    pipeline.chamfer_resolution, pipeline.surface_points = 24, 5_000
    datamanager.train_num_rays_per_batch = 64
    model.sampler.num_samples = 8
    model.field.hidden_dim = min(model.field.hidden_dim, 128)
    if model.sampler.kind == "hierarchical":
        model.sampler.num_fine_samples = 8
    model.hull_start_steps = min(model.hull_start_steps, 5)
    if model.background == "field":
        model.background_start_steps = 2
    if model.sparsity_loss_weight > 0.0 and model.density == "volsdf":
        model.sparsity_start_step = 2


def without_clouds(pipeline: VanillaPipelineConfig) -> None:
    """For a capture that has none: what nothing is measured by stays as it is."""
    assert isinstance(pipeline, DynamicPipelineConfig)
    pipeline.chamfer_resolution = DynamicPipelineConfig.chamfer_resolution
    pipeline.surface_points = DynamicPipelineConfig.surface_points


def _variant(density: Literal["volsdf", "nerf"], layers: str, model: ModelConfig) -> None:
    assert isinstance(model, DynamicModelConfig)
    model.density = density
    if layers == "plain":
        model.field = replace(model.field, residual_layers=())


RAY_FAMILY = Family(
    write_data=partial(write_demo_capture, seed=0, num_frames=NUM_FRAMES, size=32),
    shrink=_shrink,
    variants={
        "volsdf-residual": partial(_variant, "volsdf", "residual"),
        "nerf-plain": partial(_variant, "nerf", "plain"),
    },
    frames=tuple(range(NUM_FRAMES)),
    metrics=("psnr", "psnr_foreground", "mask_iou", "ssim", "chamfer_l1_x1000"),
    facts={"background": "white", "chamfer_resolution": 24},
    learning=Learning("tnerf-resfields", "chamfer_l1_x1000", change=-150.0, learning_rate=2e-3),
    outputs={"normals": 3},
)

STILL_FAMILY = replace(
    RAY_FAMILY,
    write_data=partial(write_demo_capture, seed=0, num_frames=1, size=32),
    variants={"still": lambda model: None},
    frames=(0,),
)
"""The same methods before a scene that stands still."""
