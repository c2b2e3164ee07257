"""Dynamic scenes from a few cameras: the methods of the paper's Tables 3, 4 and A.7 (settings: A.4, A.5).

All are one model; they differ in how a field knows the moment (condition), whether it warps points into a canonical
space, and what its MLP sees beside them (ambient coordinates). `--pipeline.model.field.residual-layers` without values
gives the plain baseline of each, `--pipeline.model.density nerf` the NeRF density.
"""

from dataclasses import replace

from nerfstudio.plugins.types import MethodSpecification

from resfields_ns.data.dynamic_data import DynamicDataManagerConfig
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from resfields_ns.fields.dynamic_field import DynamicFieldConfig
from resfields_ns.fields.parts import AmbientOptions, ConditionOptions, WarpOptions
from resfields_ns.host.optimization import decaying_adam
from resfields_ns.host.presets import method_specification
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.models.dynamic_model import DynamicModelConfig
from resfields_ns.models.samplers import SamplerConfig
from resfields_ns.pipelines.dynamic_pipeline import DynamicPipelineConfig


def _pipeline(model: DynamicModelConfig, rays: int = 1100, background_margin: float = 1.0) -> DynamicPipelineConfig:
    datamanager = DynamicDataManagerConfig(
        dataparser=OwliiDataParserConfig(), train_num_rays_per_batch=rays, background_margin=background_margin
    )
    return DynamicPipelineConfig(datamanager=datamanager, model=model)


_tnerf = ResFieldsTrainerConfig(
    method_name="tnerf-resfields",
    max_num_iterations=400_000,
    steps_per_eval_all_images=100_000,
    pipeline=_pipeline(DynamicModelConfig()),
    optimizers={
        "field": decaying_adam(5e-4),
        "planes": decaying_adam(1e-2),
        "background": decaying_adam(1e-2),
        "colour_correction": decaying_adam(1e-3, start_share=0.1),
        "camera_poses": decaying_adam(1e-4),
        "camera_times": decaying_adam(1e-3),
    },
    vis="viewer+tensorboard",
)

tnerf_resfields = method_specification(_tnerf, "Dynamic scenes from a few RGB cameras: TNeRF with residual layers.")

_small = DynamicModelConfig(
    sampler=SamplerConfig(kind="occupancy", num_samples=24, num_picture_samples=6),
    initial_beta=0.01,
    eikonal_fraction=0.25,
    window_steps=0,
    hull_start_steps=600,
)

_tnerf_small = replace(
    _tnerf,
    method_name="tnerf-resfields-small",
    max_num_iterations=1_500,
    steps_per_save=500,
    steps_per_eval_image=1_000,
    pipeline=_pipeline(_small, rays=384, background_margin=0.025),
    optimizers={
        "field": decaying_adam(1e-3),
        "planes": decaying_adam(1e-2),
        "background": decaying_adam(1e-2),
        "colour_correction": decaying_adam(3e-3, start_share=0.6),
        "camera_poses": decaying_adam(2e-3),
        "camera_times": decaying_adam(3e-2),
    },
)

tnerf_resfields_small = method_specification(
    _tnerf_small, "tnerf-resfields sized for two CPU cores and minutes; it starts from the masks' visual hull."
)

grid_resfields_small = method_specification(
    replace(
        _tnerf_small,
        method_name="grid-resfields-small",
        pipeline=_pipeline(
            replace(
                _small,
                field=DynamicFieldConfig(
                    condition=ConditionOptions(kind="latent-code", dim=10),
                    ambient=AmbientOptions(kind="moving-grid"),
                    num_frequencies=2,
                    num_layers=2,
                    hidden_dim=64,
                    skip_layers=(),
                    activation="relu",
                    feature_dim=32,
                    residual_layers=(1,),
                ),
                initial_beta=0.03,
                hull_start_steps=200,
                hull_start_rate=1e-2,
            ),
            rays=384,
            background_margin=0.025,
        ),
        optimizers=_tnerf_small.optimizers | {"field": decaying_adam(4e-3)},
    ),
    "Grids of features that change over time before a small MLP: minutes on one CPU core, from the masks' visual hull.",
)

tnerf_resfields_rgbd = method_specification(
    replace(
        _tnerf,
        method_name="tnerf-resfields-rgbd",
        max_num_iterations=600_000,
        pipeline=_pipeline(
            DynamicModelConfig(opacity_loss_weight=0.0, depth_loss_weight=0.1, sparsity_loss_weight=0.1), rays=2200
        ),
    ),
    "tnerf-resfields for a few RGB-D cameras: depth and sparsity losses.",
)


_nerf = DynamicModelConfig(
    field=DynamicFieldConfig(
        num_frequencies=10,
        hidden_dim=256,
        skip_layers=(5,),
        activation="relu",
        feature_dim=256,
        colour="view",
    ),
    density="nerf",
    sampler=SamplerConfig(kind="hierarchical", num_samples=64, num_fine_samples=128),
    coarse_network=True,
    colour_loss="l2",
    whole_pictures=True,
    opacity_loss_weight=0.0,
    coarse_loss_weight=1.0,
    surface_density=10.0,
    window_steps=0,
)

nerf_resfields = method_specification(
    replace(_tnerf, method_name="nerf-resfields", max_num_iterations=300_000, pipeline=_pipeline(_nerf, rays=4096)),
    "NeRF (Mildenhall et al. 2020) with residual layers: a coarse and a fine network, the L2 loss of whole pictures.",
)

nerf_resfields_small = method_specification(
    replace(
        _tnerf_small,
        method_name="nerf-resfields-small",
        pipeline=_pipeline(
            replace(
                _nerf,
                field=replace(
                    _nerf.field,
                    num_frequencies=6,
                    num_layers=4,
                    hidden_dim=64,
                    skip_layers=(),
                    feature_dim=64,
                    residual_layers=(1, 2, 3),
                ),
                density_scale=100.0,
                sampler=SamplerConfig(kind="hierarchical", num_samples=24, num_fine_samples=24),
            ),
            rays=384,
        ),
        optimizers=_tnerf_small.optimizers | {"field": decaying_adam(4e-3)},
    ),
    "nerf-resfields sized for two CPU cores and minutes.",
)


def _method(name: str, field: DynamicFieldConfig, description: str) -> MethodSpecification:
    """A method of the paper's size that differs from TNeRF in its field alone."""
    config = replace(_tnerf, method_name=name, pipeline=_pipeline(DynamicModelConfig(field=field)))
    return method_specification(config, description)


dynerf_resfields = _method(
    "dynerf-resfields",
    DynamicFieldConfig(condition=ConditionOptions(kind="latent-code"), ambient=AmbientOptions(kind="moment")),
    "DyNeRF (Li et al. 2022) with residual layers: a latent code per frame.",
)

dnerf_resfields = _method(
    "dnerf-resfields",
    DynamicFieldConfig(warp=WarpOptions(kind="translation"), ambient=AmbientOptions(kind="none")),
    "D-NeRF (Pumarola et al. 2021) with residual layers: a translation warp.",
)

nerfies_resfields = _method(
    "nerfies-resfields",
    DynamicFieldConfig(
        condition=ConditionOptions(kind="latent-code"),
        warp=WarpOptions(kind="se3"),
        ambient=AmbientOptions(kind="none"),
    ),
    "Nerfies (Park et al. 2021a) with residual layers: a latent code per frame and an SE(3) warp.",
)

hypernerf_resfields = _method(
    "hypernerf-resfields",
    DynamicFieldConfig(
        condition=ConditionOptions(kind="latent-code"),
        warp=WarpOptions(kind="se3"),
        ambient=AmbientOptions(kind="slicing"),
    ),
    "HyperNeRF (Park et al. 2021b) with residual layers: an SE(3) warp and ambient coordinates.",
)

ndr_resfields = _method(
    "ndr-resfields",
    DynamicFieldConfig(
        condition=ConditionOptions(kind="latent-code"),
        warp=WarpOptions(kind="bijective"),
        ambient=AmbientOptions(kind="slicing"),
    ),
    "NDR (Cai et al. 2022) with residual layers: a bijective warp and ambient coordinates.",
)

hexplane_resfields = method_specification(
    replace(
        _tnerf,
        method_name="hexplane-resfields",
        pipeline=_pipeline(
            DynamicModelConfig(
                field=DynamicFieldConfig(
                    ambient=AmbientOptions(kind="hexplane"),
                    encoding="none",
                    num_layers=3,
                    skip_layers=(),
                    activation="relu",
                    residual_layers=(1, 2, 3),
                )
            )
        ),
    ),
    "HexPlane (Cao & Johnson 2023) with residual layers in its four-layer head.",
)
