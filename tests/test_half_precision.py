"""Products of bfloat16 on a CPU: near those of float32, and refused where they do not pay."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from resfields_ns.fields.densities import LaplaceDensity
from resfields_ns.fields.dynamic_field import DynamicFieldConfig
from resfields_ns.functional.softplus import softplus, softplus_and_slope
from resfields_ns.host import half_precision
from tests.cases import field_values_and_gradients, fill_parameters, over
from tests.family import Family
from tests.methods import FIELDS, METHODS, VARIANTS, Variant, trained
from tests.ray_family import RAY_FAMILY


@over("config", FIELDS)
def test_a_field_is_near_that_of_float32(config: DynamicFieldConfig) -> None:
    torch.manual_seed(0)
    field = config.setup(num_frames=5, density=LaplaceDensity(0.1))
    fill_parameters(field, scale=0.1)
    points = torch.rand(96, 3) * 2.0 - 1.0
    exact = field_values_and_gradients(field, points)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        close = field_values_and_gradients(field, points)
    for mine, theirs in zip(close, exact, strict=True):
        assert ((mine - theirs).norm() / theirs.norm().clamp(min=1e-6)).item() < 0.2


def test_softplus_of_bfloat16_is_that_of_float32_rounded() -> None:
    z = torch.linspace(-3.0, 3.0, 2001).bfloat16()
    for found, exact in zip(softplus_and_slope(z, 100.0), softplus_and_slope(z.float(), 100.0), strict=True):
        torch.testing.assert_close(found.float(), exact, atol=0.004, rtol=0.01)
    torch.testing.assert_close(softplus(z, 100.0).float(), softplus(z.float(), 100.0), atol=1e-4, rtol=0.004)


@over("variant", {name: variant for name, variant in VARIANTS.items() if variant.family is RAY_FAMILY})
def test_every_scene_trains_with_it(
    variant: Variant,
    tiny_data: Callable[[Family], Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(half_precision, "bfloat16_is_fast", lambda: True)
    config = variant.config(tiny_data(variant.family), tmp_path)
    config.mixed_precision = True
    trainer = trained(config)
    assert trainer.step == config.max_num_iterations - 1 and trainer.mixed_precision
    assert all(parameter.dtype == torch.float32 for parameter in trainer.pipeline.model.parameters())
    assert "Mixed precision is disabled" not in capfd.readouterr().out


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("method", ["tnerf-resfields-small", "sdf-resfields-small"])
def test_it_is_refused_where_it_does_not_pay(method: str, fast: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half_precision, "bfloat16_is_fast", lambda: fast)
    config = METHODS[method].config
    why = half_precision.no_half_precision(config.machine, config.pipeline.model)
    if method.startswith("sdf"):
        assert why is not None and "too coarse for this model" in why
    else:
        assert (why is None) == fast
