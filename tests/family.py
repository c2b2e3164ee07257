"""What a family of methods (one task) brings to the tests of every method."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nerfstudio.data.datamanagers.base_datamanager import DataManagerConfig, VanillaDataManagerConfig
from nerfstudio.models.base_model import ModelConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig


@dataclass(frozen=True)
class Learning:
    """What a hundred steps on the tiny sequence must do to a metric of a family's method."""

    method: str
    metric: str
    change: float
    """By at least so much, in the metric's unit, negative where less is better: about half of what three seeds did."""
    learning_rate: float
    enlarge: Callable[[DataManagerConfig, ModelConfig], None] = lambda datamanager, model: None
    """Gives a method, made tiny for other tests, what it needs to learn."""


@dataclass(frozen=True, eq=False)
class Family:
    """Methods that train on the same kind of data with the same kind of model."""

    write_data: Callable[[Path], Any]
    """Makes a tiny sequence, a folder unless `suffix` tells of a file, at a path that does not exist yet."""
    shrink: Callable[[VanillaPipelineConfig, VanillaDataManagerConfig, ModelConfig], None]
    """Makes pipeline, datamanager and model of a method small."""
    variants: Mapping[str, Callable[[ModelConfig], None]]
    """Ways to change a method's model, all of which must work."""
    frames: tuple[int, ...]
    """Frame numbers of the tiny sequence."""
    metrics: tuple[str, ...]
    """Metrics of every method; each is the mean over the frames that have it."""
    facts: Mapping[str, Any]
    """What the facts of an evaluation say for every method."""
    learning: Learning
    suffix: str = ""
    """Of the tiny sequence's file."""
    outputs: Mapping[str, int] = field(default_factory=dict)
    """Channels of what a camera sees beside rgb, accumulation and depth."""
