"""A GPU gives what the CPU gives; skipped on machines without one."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import jaxtyping
import pytest
import torch

from resfields_ns.fields.densities import LaplaceDensity
from resfields_ns.fields.dynamic_field import DynamicFieldConfig
from resfields_ns.models.dynamic_model import DynamicModelConfig
from resfields_ns.models.fixed_losses import TARGETS, CompiledLosses, FixedLosses, GraphedLosses, fixed_losses
from tests.cases import field_values_and_gradients, fill_parameters, over
from tests.family import Family
from tests.methods import FIELDS, METHODS, VARIANTS, Variant, tiny_config, trained
from tests.ray_family import RAY_FAMILY

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@over("config", FIELDS)
def test_fields_and_their_gradients_agree(config: DynamicFieldConfig) -> None:
    torch.manual_seed(0)
    field = config.setup(num_frames=5, density=LaplaceDensity(0.1))
    fill_parameters(field, scale=0.1)
    points = torch.rand(96, 3) * 2.0 - 1.0
    on_cpu = field_values_and_gradients(field, points)
    for mine, theirs in zip(field_values_and_gradients(field.cuda(), points.cuda()), on_cpu, strict=True):
        assert ((mine.cpu() - theirs).norm() / theirs.norm().clamp(min=1e-6)).item() < 1e-3


@over("config", FIELDS)
def test_mixed_precision_is_close(config: DynamicFieldConfig) -> None:
    torch.manual_seed(0)
    field = config.setup(num_frames=5, density=LaplaceDensity(0.1)).cuda()
    fill_parameters(field, scale=0.1)
    points = torch.rand(96, 3, device="cuda") * 2.0 - 1.0
    exact = field_values_and_gradients(field, points)
    with torch.autocast("cuda"):
        close = field_values_and_gradients(field, points)
    for mine, theirs in zip(close, exact, strict=True):
        assert ((mine - theirs).norm() / theirs.norm().clamp(min=1e-6)).item() < 0.05


@over("variant", VARIANTS)
@pytest.mark.parametrize("mixed_precision", [False, True])
def test_every_variant_trains_and_is_evaluated(
    variant: Variant, mixed_precision: bool, tiny_data: Callable[[Family], Path], tmp_path: Path
) -> None:
    config = variant.config(tiny_data(variant.family), tmp_path)
    config.machine.device_type = "cuda"
    config.mixed_precision = mixed_precision
    trainer = trained(config)
    assert trainer.step == config.max_num_iterations - 1
    with torch.no_grad():
        metrics = trainer.pipeline.get_average_eval_image_metrics()
    assert all(name in metrics for name in variant.family.metrics)


@pytest.mark.parametrize(
    ("faster", "mixed_precision"), [(GraphedLosses, False), (GraphedLosses, True), (CompiledLosses, False)]
)
@pytest.mark.parametrize("kind", ["uniform", "occupancy"])
def test_fixed_losses_and_gradients_are_those_of_the_step_that_they_make_faster(
    kind: Literal["uniform", "occupancy"],
    faster: type[FixedLosses],
    mixed_precision: bool,
    tiny_data: Callable[[Family], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if faster is CompiledLosses:
        monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # checks of shapes cannot be traced
    config = tiny_config(METHODS["tnerf-resfields-small"], tiny_data(RAY_FAMILY), tmp_path)
    model = config.pipeline.model
    assert isinstance(model, DynamicModelConfig)
    model.sampler.kind, model.eikonal_fraction = kind, 1.0
    model.colour_correction = "affine" if kind == "occupancy" else "none"
    model.refine_poses = model.refine_times = kind == "occupancy"
    pipeline = config.pipeline.setup(device="cuda")
    pipeline._start_from_hull(0)
    pipeline.train()
    pipeline.model.sampler.eval()
    sizes = pipeline.datamanager.train_rays.segment_sizes
    fixed = faster(pipeline.model, sizes)
    parameters = [parameter for parameter in pipeline.model.parameters() if parameter.requires_grad]
    for _ in range(3):
        bundle, batch = pipeline.datamanager.next_train(0)
        rays = bundle.origins, bundle.directions, bundle.times[:, 0]
        targets = {name: batch[name] for name in TARGETS if name in batch}
        with torch.autocast("cuda", enabled=mixed_precision):
            replayed, recorded = fixed(*rays, batch), fixed_losses(pipeline.model, sizes, *rays, targets)
        gradients = [
            torch.autograd.grad(torch.stack([*losses.values()]).sum(), parameters, materialize_grads=True)
            for losses in (replayed, recorded)
        ]
        for name, loss in recorded.items():
            torch.testing.assert_close(replayed[name], loss, rtol=1e-4, atol=1e-6)
        for mine, theirs in zip(*gradients, strict=True):
            assert (mine - theirs).norm() <= 1e-2 * theirs.norm() + 1e-7
