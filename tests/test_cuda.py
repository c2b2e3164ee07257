"""A GPU gives what the CPU gives; skipped on machines without one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from resfields_ns.fields.densities import LaplaceDensity
from resfields_ns.fields.dynamic_field import DynamicField, DynamicFieldConfig
from resfields_ns.functional.segments import TimedPoints, TimeSegments
from tests.cases import fill_parameters, over
from tests.family import Family
from tests.methods import FIELDS, VARIANTS, Variant, trained

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@over("config", FIELDS)
def test_fields_and_their_gradients_agree(config: DynamicFieldConfig) -> None:
    torch.manual_seed(0)
    field = config.setup(num_frames=5, density=LaplaceDensity(0.1))
    fill_parameters(field, scale=0.1)
    points = torch.rand(96, 3) * 2.0 - 1.0
    on_cpu = _values_and_gradients(field, points)
    for mine, theirs in zip(_values_and_gradients(field.cuda(), points.cuda()), on_cpu, strict=True):
        assert ((mine.cpu() - theirs).norm() / theirs.norm().clamp(min=1e-6)).item() < 1e-3


def _values_and_gradients(field: DynamicField, points: Tensor) -> list[Tensor]:
    segments = TimeSegments(torch.tensor([0.0, 0.3, 1.0], device=points.device), (32, 16, 48))
    raw, gradient, feature = field.raw_gradient_and_feature(TimedPoints(points, segments))
    loss = (gradient.norm(dim=-1) - 1.0).square().mean() + field.density(raw).mean() + feature.square().mean()
    used = [parameter for parameter in field.parameters() if parameter.requires_grad]
    gradients = torch.autograd.grad(loss, used, allow_unused=True)
    return [raw, gradient, feature, *(g for g in gradients if g is not None)]


@over("variant", VARIANTS)
def test_every_variant_trains(variant: Variant, tiny_data: Callable[[Family], Path], tmp_path: Path) -> None:
    config = variant.config(tiny_data(variant.family), tmp_path)
    config.machine.device_type = "cuda"
    assert trained(config).step == config.max_num_iterations - 1
