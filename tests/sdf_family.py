"""Methods that learn sequences of surfaces."""

from dataclasses import replace
from pathlib import Path

from nerfstudio.data.datamanagers.base_datamanager import DataManagerConfig, VanillaDataManagerConfig
from nerfstudio.models.base_model import ModelConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig

from resfields_ns.data.sdf_data import SDFDataManagerConfig
from resfields_ns.dataparsers.mesh_sequence import SequenceParserConfig
from resfields_ns.models.sdf_model import SDFModelConfig
from resfields_ns.pipelines.sdf_pipeline import SDFPipelineConfig
from tests.family import Family, Learning
from tests.small_sequences import write_anime


def _write(path: Path) -> None:
    write_anime(path.parent).rename(path)


def _shrink(pipeline: VanillaPipelineConfig, datamanager: VanillaDataManagerConfig, model: ModelConfig) -> None:
    """Few samples of a narrow network, and small pictures."""
    assert isinstance(pipeline, SDFPipelineConfig) and isinstance(datamanager, SDFDataManagerConfig)
    assert isinstance(datamanager.dataparser, SequenceParserConfig) and isinstance(model, SDFModelConfig)
    pipeline.mesh_resolution = 16
    pipeline.surface_points = 500
    datamanager.samples_per_batch = 64
    datamanager.pool_samples = 400
    datamanager.dataparser = replace(datamanager.dataparser, image_size=16)
    model.field = replace(model.field, hidden_dim=64)  # starts with a surface


def _enlarge(datamanager: DataManagerConfig, model: ModelConfig) -> None:
    """Normals at points are learnt in a hundred steps; of distances, in so few, only that they are small on average."""
    del model
    assert isinstance(datamanager, SDFDataManagerConfig)
    datamanager.supervision = "oriented-points"
    datamanager.train_num_rays_per_batch = 1000
    datamanager.pool_samples = 8000


def _plain(model: ModelConfig) -> None:
    assert isinstance(model, SDFModelConfig)
    model.field = replace(model.field, residual_layers=())


def _positional(model: ModelConfig) -> None:
    assert isinstance(model, SDFModelConfig)
    model.network = "relu-positional"


SDF_FAMILY = Family(
    write_data=_write,
    suffix=".anime",
    shrink=_shrink,
    variants={"residual": lambda model: None, "plain": _plain, "relu-positional": _positional},
    frames=(0, 1, 2, 3),
    metrics=("chamfer_l1_x1000", "normal_distance_x100", "f_score"),
    facts={"supervision": "signed-distances", "mesh_resolution": 16},
    learning=Learning("sdf-resfields", "normal_distance_x100", change=-25.0, learning_rate=3e-4, enlarge=_enlarge),
    outputs={"normals": 3},
)
