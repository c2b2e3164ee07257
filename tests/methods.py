"""Every registered method, a configuration of it small enough for a test, and a run of that."""

import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig
from nerfstudio.models.base_model import ModelConfig
from nerfstudio.plugins.types import MethodSpecification
from nerfstudio.utils import writer

from resfields_ns.host.trainer import ResFieldsTrainer, ResFieldsTrainerConfig
from resfields_ns.models.dynamic_model import DynamicModelConfig
from resfields_ns.models.sceneflow_model import SceneFlowModelConfig
from resfields_ns.models.sdf_model import SDFModelConfig
from resfields_ns.models.sound_model import SoundModelConfig
from resfields_ns.models.video_model import VideoModelConfig
from resfields_ns.models.wave_model import WaveModelConfig
from tests.family import Family
from tests.ray_family import RAY_FAMILY, STILL_FAMILY
from tests.scene_flow_family import SCENE_FLOW_FAMILY
from tests.sdf_family import SDF_FAMILY
from tests.sound_family import SOUND_FAMILY
from tests.video_family import VIDEO_FAMILY
from tests.wave_family import WAVE_FAMILY

METHODS: dict[str, MethodSpecification] = {
    entry.name: entry.load()
    for entry in entry_points(group="nerfstudio.method_configs")
    if entry.value.startswith("resfields_ns.")
}
FAMILIES: dict[type[ModelConfig], Family] = {
    DynamicModelConfig: RAY_FAMILY,
    VideoModelConfig: VIDEO_FAMILY,
    SceneFlowModelConfig: SCENE_FLOW_FAMILY,
    SDFModelConfig: SDF_FAMILY,
    SoundModelConfig: SOUND_FAMILY,
    WaveModelConfig: WAVE_FAMILY,
}
"""The family of a method, by its model."""
FIELDS = {
    name: model.field
    for name, method in METHODS.items()
    if isinstance(model := method.config.pipeline.model, DynamicModelConfig)
}
"""The field of every method that is trained on rays."""


def family_of(method: MethodSpecification) -> Family:
    return FAMILIES[type(method.config.pipeline.model)]


@dataclass(frozen=True)
class Variant:
    """A method with one of the changes that a family knows."""

    method: MethodSpecification
    family: Family
    change: Callable[[ModelConfig], None]

    def config(self, data: Path, output_dir: Path) -> ResFieldsTrainerConfig:
        """A tiny configuration."""
        method = deepcopy(self.method)
        self.change(method.config.pipeline.model)
        return tiny_config(method, data, output_dir)


BEFORE_STILL_SCENES = ("nerf-resfields", "tnerf-resfields-small", "hypernerf-resfields", "grid-resfields-small")
VARIANTS = {
    f"{name}-{variant}": Variant(method, family, change)
    for name, method in METHODS.items()
    for family in (family_of(method), *([STILL_FAMILY] if name in BEFORE_STILL_SCENES else []))
    for variant, change in family.variants.items()
}


def _changed(change: Callable[[DynamicModelConfig], None]) -> MethodSpecification:
    method = deepcopy(METHODS["tnerf-resfields"])
    model = method.config.pipeline.model
    assert isinstance(model, DynamicModelConfig)
    change(model)
    return method


def _with_background(background: Literal["plate", "field"], model: DynamicModelConfig) -> None:
    model.background = background


def _with_learned_occupancy(model: DynamicModelConfig) -> None:
    model.sampler.kind, model.sampler.resolution, model.sampler.renewal_steps = "learned-occupancy", 8, 1
    model.initial_beta = 0.01


CHANGED = {
    **{f"background-{kind}": _changed(partial(_with_background, kind)) for kind in ("plate", "field")},
    "learned-occupancy": _changed(_with_learned_occupancy),
}
"""A method whose background is the scene's own, or that looks only where its own surface is."""


def tiny_config(method: MethodSpecification, data: Path, output_dir: Path) -> ResFieldsTrainerConfig:
    """The method made small, for four steps on the CPU without a viewer."""
    config = deepcopy(method.config)
    pipeline, datamanager = config.pipeline, config.pipeline.datamanager
    assert isinstance(config, ResFieldsTrainerConfig) and isinstance(datamanager, VanillaDataManagerConfig)
    family_of(method).shrink(pipeline, datamanager, pipeline.model)
    config.data = datamanager.data = data
    config.output_dir = output_dir
    config.vis = "tensorboard"
    config.machine.device_type = "cpu"
    config.machine.seed = 0
    config.max_num_iterations = 4
    config.set_timestamp()
    return config


def seed_everything() -> None:
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)


def trained(config: ResFieldsTrainerConfig) -> ResFieldsTrainer:
    """The trainer of a run that is through, with the run's config.yml written."""
    seed_everything()
    config.save_config()
    trainer = config.setup(local_rank=0, world_size=1)
    trainer.setup()
    trainer.train()
    close_event_writers()
    return trainer


def close_event_writers() -> None:
    """Let the host write no more to the logs of trainings that are through: it adds those of a later one to them."""
    for events in writer.EVENT_WRITERS:
        if isinstance(events, writer.TensorboardWriter):
            events.tb_writer.close()
    writer.EVENT_WRITERS.clear()
    writer.EVENT_STORAGE.clear()
