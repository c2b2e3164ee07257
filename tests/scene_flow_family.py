"""Methods that learn where tracked vertices go."""

from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Literal

from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig
from nerfstudio.models.base_model import ModelConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig

from resfields_ns.data.sceneflow_data import SceneFlowDataManagerConfig
from resfields_ns.models.sceneflow_model import SceneFlowModelConfig
from tests.family import Family, Learning
from tests.small_sequences import write_anime


def _write(path: Path) -> None:
    write_anime(path.parent).rename(path)


def _shrink(pipeline: VanillaPipelineConfig, datamanager: VanillaDataManagerConfig, model: ModelConfig) -> None:
    """Few samples of a narrow network, and small pictures."""
    del pipeline
    assert isinstance(datamanager, SceneFlowDataManagerConfig) and isinstance(model, SceneFlowModelConfig)
    datamanager.samples_per_batch = 60
    datamanager.dataparser = replace(datamanager.dataparser, image_size=32)
    model.field = replace(model.field, hidden_dim=16)
    model.num_points = 100
    model.point_radius = 0.1


def _variant(motion: Literal["offset", "se3", "dct"], layers: str, model: ModelConfig) -> None:
    assert isinstance(model, SceneFlowModelConfig)
    model.field = replace(model.field, motion=motion)
    if layers == "plain":
        model.field = replace(model.field, residual_layers=())


SCENE_FLOW_FAMILY = Family(
    write_data=_write,
    suffix=".anime",
    shrink=_shrink,
    variants={
        f"{motion}-{layers}": partial(_variant, motion, layers)
        for motion, layers in product(("offset", "se3", "dct"), ("residual", "plain"))
    },
    frames=(0, 1, 2, 3),
    metrics=("forward_l1_x1000", "backward_l1_x1000"),
    facts={"vertices_trained": 34, "vertices_held_out": 8},
    learning=Learning("sceneflow-resfields", "forward_l1_x1000", change=-50.0, learning_rate=2e-3),
    outputs={"true_motion": 3},
)
