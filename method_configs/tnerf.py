"""TNeRF (Li et al. 2022) with residual layers and VolSDF density (paper, 4.3 and A.4)."""

from dataclasses import replace

import torch
from nerfstudio.configs.base_config import MachineConfig, ViewerConfig
from nerfstudio.plugins.types import MethodSpecification

from resfields_ns.data.capture_datamanager import CaptureDataManagerConfig
from resfields_ns.dataparsers.owlii import OwliiDataParserConfig
from resfields_ns.engine.optimizers import FusedAdamConfig
from resfields_ns.engine.schedulers import CosineDecayConfig
from resfields_ns.engine.trainer import ResFieldsTrainerConfig
from resfields_ns.models.samplers import OccupancySamplerConfig
from resfields_ns.models.volsdf import DynamicVolSDFConfig
from resfields_ns.pipelines.dynamic_pipeline import DynamicPipelineConfig

_tnerf = ResFieldsTrainerConfig(
    method_name="tnerf-resfields",
    max_num_iterations=400_000,
    steps_per_save=2_000,
    steps_per_eval_batch=1_000,
    steps_per_eval_image=5_000,
    steps_per_eval_all_images=100_000,
    pipeline=DynamicPipelineConfig(
        datamanager=CaptureDataManagerConfig(dataparser=OwliiDataParserConfig()), model=DynamicVolSDFConfig()
    ),
    optimizers={
        "field": {"optimizer": FusedAdamConfig(lr=5e-4), "scheduler": CosineDecayConfig()},
        "density": {"optimizer": FusedAdamConfig(lr=5e-4), "scheduler": CosineDecayConfig()},
    },
    machine=MachineConfig(device_type="cuda" if torch.cuda.is_available() else "cpu"),
    viewer=ViewerConfig(websocket_host="127.0.0.1", quit_on_train_completion=True),
    vis="viewer+tensorboard",
)

tnerf_resfields = MethodSpecification(
    config=_tnerf, description="Dynamic scenes from a few RGB cameras: TNeRF with residual layers, VolSDF density."
)

tnerf_resfields_small = MethodSpecification(
    config=replace(
        _tnerf,
        method_name="tnerf-resfields-small",
        max_num_iterations=1_500,
        steps_per_save=500,
        steps_per_eval_image=1_000,
        pipeline=DynamicPipelineConfig(
            datamanager=CaptureDataManagerConfig(
                dataparser=OwliiDataParserConfig(), train_num_rays_per_batch=384, background_margin=0.025
            ),
            model=DynamicVolSDFConfig(
                sampler=OccupancySamplerConfig(num_samples=24),
                initial_beta=0.01,
                eikonal_fraction=0.25,
                window_steps=0,
                hull_start_steps=600,
            ),
        ),
        optimizers={
            "field": {"optimizer": FusedAdamConfig(lr=1e-3), "scheduler": CosineDecayConfig()},
            "density": {"optimizer": FusedAdamConfig(lr=1e-3), "scheduler": CosineDecayConfig()},
        },
    ),
    description="tnerf-resfields sized for two CPU cores and minutes; it starts from the masks' visual hull.",
)
