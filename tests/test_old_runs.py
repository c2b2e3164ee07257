"""Runs of earlier versions: their configs name classes where they were, their checkpoints parameters as they were."""

import re
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from resfields_ns.host.old_runs import MOVED
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.models.dynamic_model import DynamicModel, DynamicModelConfig
from resfields_ns.models.samplers import SamplerConfig
from tests.family import Family
from tests.methods import METHODS, tiny_config
from tests.ray_family import RAY_FAMILY

_OLD_CONFIG = """
!!python/object:resfields_ns.models.ray_model.DynamicRayModelConfig
_target: !!python/name:resfields_ns.models.ray_model.DynamicRayModel ''
density: nerf
sampler: !!python/object:resfields_ns.models.samplers.SamplerConfig
  kind: uniform
  num_samples: 7
"""


def test_a_config_of_before_becomes_one_of_now() -> None:
    config = yaml.load(_OLD_CONFIG, Loader=yaml.Loader)
    assert type(config) is DynamicModelConfig and config._target is DynamicModel
    assert config.density == "nerf" and config.sampler == SamplerConfig(kind="uniform", num_samples=7)


@pytest.mark.parametrize("old", MOVED)
def test_moved_classes_are_there_and_not_where_they_were(old: str) -> None:
    module, _, name = f"resfields_ns.{MOVED[old]}".rpartition(".")
    now = import_module(module)
    assert hasattr(now, name) or hasattr(now, f"{name}Config")
    with pytest.raises((ImportError, AttributeError)):
        old_module, _, old_name = f"resfields_ns.{old}".rpartition(".")
        getattr(import_module(old_module), f"{old_name}Config")


@pytest.mark.parametrize("weight", [0.0, 0.05])
def test_an_old_weight_of_total_variation_is_that_of_the_planes(weight: float) -> None:
    text = yaml.dump(METHODS["hexplane-resfields"].config.pipeline.model)
    before = re.sub(r" +total_variation_weight: .*\n", "", text) + f"total_variation_weight: {weight}\n"
    config = yaml.load(before, Loader=yaml.Loader)
    assert config.field.ambient.total_variation_weight == weight and not hasattr(config, "total_variation_weight")


def _chunked_config(data: Path, output_dir: Path) -> ResFieldsTrainerConfig:
    """A run in residual chunks alone."""
    config = tiny_config(METHODS["tnerf-resfields"], data, output_dir)
    assert isinstance(config.pipeline.model, DynamicModelConfig)
    config.pipeline.model.field = replace(config.pipeline.model.field, residual_chunks=2)
    return config


def _as_of_before(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state as version 0.1.0 saved it: the density beside the field, and half of each weight as its deviation."""
    old = {name.replace("_model.field.density.", "_model.density."): tensor.clone() for name, tensor in state.items()}
    for name in [name for name in state if name.endswith(".basis")]:
        layer = name.removesuffix("basis")
        old[f"{layer}weight"] *= 0.5
        old[f"{layer}deviations"] = old[f"{layer}weight"][None].clone()
    return old


def test_a_checkpoint_of_before_loads(tiny_data: Callable[[Family], Path], tmp_path: Path) -> None:
    pipelines: list[Any] = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        pipelines.append(_chunked_config(tiny_data(RAY_FAMILY), tmp_path).pipeline.setup(device="cpu"))
    expected = pipelines[0].state_dict()
    old = _as_of_before(expected)
    assert "_model.density.raw_beta" in old and "_model.field.mlp.layers.1.deviations" in old
    pipelines[1].load_pipeline(old, 3)
    for name, tensor in pipelines[1].state_dict().items():
        assert torch.equal(tensor, expected[name]), name


def test_what_cannot_be_trained_on_says_so(tiny_data: Callable[[Family], Path], tmp_path: Path) -> None:
    config = _chunked_config(tiny_data(RAY_FAMILY), tmp_path)
    state = _as_of_before(config.pipeline.setup(device="cpu").state_dict())
    torch.save({"step": 3, "pipeline": state}, tmp_path / "step-000000003.ckpt")
    config.load_dir = tmp_path
    with pytest.raises(ValueError, match="^--load-dir: expected a run of this version, found one that an earlier"):
        config.setup(local_rank=0, world_size=1).setup()
