"""Runs of earlier versions: their configs name classes where they were."""

from importlib import import_module

import pytest
import yaml

from resfields_ns.host.old_runs import MOVED
from resfields_ns.models.dynamic_model import DynamicModel, DynamicModelConfig
from resfields_ns.models.samplers import SamplerConfig

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
