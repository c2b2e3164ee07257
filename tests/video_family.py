"""Methods that are trained on videos."""

from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig
from nerfstudio.models.base_model import ModelConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig

from resfields_ns.data.video_data import VideoDataManagerConfig
from resfields_ns.dataparsers.video_frames import VideoFramesDataParserConfig
from resfields_ns.fields.hash_grid_field import HashGridFieldConfig
from resfields_ns.models.video_model import VideoModelConfig
from tests.family import Family, Learning
from tests.small_captures import write_video

NUM_FRAMES, HEIGHT, WIDTH = 5, 12, 16


def waves(num_frames: int = NUM_FRAMES, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    """Pictures of smooth coloured waves that move."""
    y, x = np.mgrid[:height, :width]
    phases = np.array([0.0, 1.0, 2.0])
    return [
        np.round(127.0 + 100.0 * np.sin(x[..., None] / 5 + phases + frame / 3) * np.cos(y[..., None] / 7)).astype(
            np.uint8
        )
        for frame in range(num_frames)
    ]


def _shrink(pipeline: VanillaPipelineConfig, datamanager: VanillaDataManagerConfig, model: ModelConfig) -> None:
    """Few samples of a narrow network, with both kinds of hold-out."""
    del pipeline
    assert isinstance(datamanager, VideoDataManagerConfig) and isinstance(model, VideoModelConfig)
    assert isinstance(datamanager.dataparser, VideoFramesDataParserConfig)
    datamanager.samples_per_batch = 60
    datamanager.frames_per_batch = 3
    datamanager.dataparser = replace(datamanager.dataparser, image_scale=1.0, held_out_frames=0.25)
    if model.network != "hash-grid":
        model.field = replace(model.field, hidden_dim=16)
    else:
        model.hash_grid = HashGridFieldConfig(num_levels=3, log2_hashmap_size=8)


def _variant(network: Literal["siren", "gaussian", "hash-grid"], residual: bool, model: ModelConfig) -> None:
    assert isinstance(model, VideoModelConfig)
    model.network = network
    if network == "siren" and not residual:
        model.field = replace(model.field, residual_layers=())


VIDEO_FAMILY = Family(
    write_data=partial(write_video, pictures=waves()),
    suffix=".mp4",
    shrink=_shrink,
    variants={
        "siren-residual": partial(_variant, "siren", True),
        "siren-plain": partial(_variant, "siren", False),
        "gaussian-residual": partial(_variant, "gaussian", True),
        "hash-grid": partial(_variant, "hash-grid", False),
    },
    frames=tuple(range(NUM_FRAMES)),
    metrics=("psnr_train", "psnr_test"),
    facts={"size": [HEIGHT, WIDTH], "held_out_pixels": 19 / (HEIGHT * WIDTH)},
    learning=Learning("video-resfields-small", "psnr_test", change=5.0, learning_rate=2e-3),
)
