"""Methods that solve an equation on a square."""

from dataclasses import replace
from pathlib import Path

from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig
from nerfstudio.models.base_model import ModelConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig

from resfields_ns.data.wave_data import WaveDataManagerConfig
from resfields_ns.dataparsers.plane_waves import MembraneDataParserConfig
from resfields_ns.models.wave_model import WaveModelConfig
from tests.family import Family, Learning

NUM_FRAMES = 4


def _write(path: Path) -> None:
    """A folder, which nothing is read from."""
    path.mkdir()


def _shrink(pipeline: VanillaPipelineConfig, datamanager: VanillaDataManagerConfig, model: ModelConfig) -> None:
    """Few points of a narrow network. Both methods solve the wave equation here, so that they have the same frames."""
    del pipeline
    assert isinstance(datamanager, WaveDataManagerConfig) and isinstance(model, WaveModelConfig)
    datamanager.samples_per_batch = 64
    datamanager.dataparser = MembraneDataParserConfig(num_frames=NUM_FRAMES, seconds=0.5, pulse_width=0.3)
    model.field = replace(model.field, hidden_dim=16)


def _plain(model: ModelConfig) -> None:
    assert isinstance(model, WaveModelConfig)
    model.field = replace(model.field, residual_layers=())


WAVE_FAMILY = Family(
    write_data=_write,
    shrink=_shrink,
    variants={"residual": lambda model: None, "plain": _plain},
    frames=tuple(range(NUM_FRAMES)),
    metrics=("relative_error", "squared_error", "squared_reference"),
    facts={"equation": "Membrane", "speed": 1.0, "seconds": 0.5, "pulse_width": 0.3},
    learning=Learning("wave-resfields", "relative_error_pooled", change=-0.05, learning_rate=2e-3),
)
