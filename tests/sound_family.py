"""Methods that are trained on sounds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from nerfstudio.data.datamanagers.base_datamanager import DataManagerConfig, VanillaDataManagerConfig
from nerfstudio.models.base_model import ModelConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig

from resfields_ns.data.sound_data import SoundDataManagerConfig
from resfields_ns.dataparsers.sound_windows import SoundWindowsDataParserConfig
from resfields_ns.models.sound_model import SoundModelConfig
from tests.family import Family, Learning

RATE, WINDOW, LENGTH = 4000, 100, 370  # samples a second, of a window, and of the recording: the last has 70
NUM_FRAMES = 4


def chirp(length: int = LENGTH, channels: int = 2) -> np.ndarray:
    """A tone that rises, another one on each channel: float32 [samples, channels]."""
    seconds = np.arange(length)[:, None] / RATE
    return (0.5 * np.sin(2.0 * np.pi * (100.0 + 80.0 * np.arange(channels) + 900.0 * seconds) * seconds)).astype(
        np.float32
    )


def write_chirp(path: Path) -> None:
    """Write a stereo wav of 16 bits."""
    soundfile.write(path, chirp(), RATE, subtype="PCM_16")


def _shrink(pipeline: VanillaPipelineConfig, datamanager: VanillaDataManagerConfig, model: ModelConfig) -> None:
    """Few samples of a narrow network, some held out."""
    del pipeline
    assert isinstance(datamanager, SoundDataManagerConfig) and isinstance(model, SoundModelConfig)
    assert isinstance(datamanager.dataparser, SoundWindowsDataParserConfig)
    datamanager.samples_per_batch = 60
    datamanager.frames_per_batch = 3
    datamanager.dataparser = replace(datamanager.dataparser, window=WINDOW / RATE, held_out_samples=0.1)
    model.field = replace(model.field, hidden_dim=16)
    model.start_frequency = 200.0


def _plain(model: ModelConfig) -> None:
    assert isinstance(model, SoundModelConfig)
    model.field = replace(model.field, residual_layers=())


def _enlarge(datamanager: DataManagerConfig, model: ModelConfig) -> None:
    assert isinstance(datamanager, SoundDataManagerConfig) and isinstance(model, SoundModelConfig)
    datamanager.samples_per_batch = 400
    model.field = replace(model.field, hidden_dim=32)


SOUND_FAMILY = Family(
    write_data=write_chirp,
    suffix=".wav",
    shrink=_shrink,
    variants={"residual": lambda model: None, "plain": _plain},
    frames=tuple(range(NUM_FRAMES)),
    metrics=("snr_train", "snr_test", "signal_train", "error_test"),
    facts={"samples_per_second": RATE, "channels": 2, "window_samples": WINDOW, "held_out_samples": 0.1},
    learning=Learning("audio-resfields-small", "snr_test_pooled", change=5.0, learning_rate=2e-3, enlarge=_enlarge),
)
