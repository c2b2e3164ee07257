"""Losses of steps whose shapes are known beforehand equal those of steps that look which rays meet the scene."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.backends.debugging import aot_eager

from resfields_ns.functional.segments import TimeSegments
from resfields_ns.host.ray_bundles import ray_times
from resfields_ns.models import fixed_losses as fixed_losses_module
from resfields_ns.models.dynamic_model import DynamicModelConfig
from resfields_ns.models.fixed_losses import TARGETS, CompiledLosses, fixed_losses
from resfields_ns.pipelines.dynamic_pipeline import DynamicPipeline, DynamicPipelineConfig
from tests.family import Family
from tests.methods import METHODS, seed_everything, tiny_config
from tests.ray_family import RAY_FAMILY


@pytest.fixture(params=[("uniform", "none"), ("occupancy", "gain"), ("hierarchical", "affine")])
def pipeline(request: pytest.FixtureRequest, tiny_data: Callable[[Family], Path], tmp_path: Path) -> DynamicPipeline:
    """On its way to the first step, of which no number is drawn but a share of the samples."""
    config = tiny_config(METHODS["tnerf-resfields-small"], tiny_data(RAY_FAMILY), tmp_path)
    model = config.pipeline.model
    assert isinstance(model, DynamicModelConfig)
    model.sampler.kind, model.colour_correction = request.param
    model.field.num_layers, model.field.skip_layers, model.field.residual_layers = 3, (), (1, 2)
    seed_everything()
    made = config.pipeline.setup(device="cpu")
    made._start_from_hull(0)
    made.train()
    made.model.sampler.eval()
    if made.model.colour_correction is not None:
        for parameter in made.model.colour_correction.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    return made


def test_all_rays_have_the_losses_of_those_that_meet_the_scene(pipeline: DynamicPipeline) -> None:
    rays, batch = pipeline.datamanager.next_train(0)
    rays.origins[::7] += 20.0  # past the scene
    parameters = [parameter for parameter in pipeline.model.parameters() if parameter.requires_grad]

    def with_gradients(losses: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[Tensor]]:
        return losses, list(
            torch.autograd.grad(torch.stack([*losses.values()]).sum(), parameters, materialize_grads=True)
        )

    torch.manual_seed(1)
    losses, gradients = with_gradients(pipeline.model.get_loss_dict(pipeline.model(rays), batch))
    torch.manual_seed(1)
    sizes = pipeline.datamanager.train_rays.segment_sizes
    targets = {name: batch[name] for name in TARGETS if name in batch}
    fixed, fixed_gradients = with_gradients(
        fixed_losses(pipeline.model, sizes, rays.origins, rays.directions, ray_times(rays, 0.0), targets)
    )
    assert fixed.keys() == losses.keys() and "eikonal" in losses
    for name, loss in losses.items():
        torch.testing.assert_close(fixed[name], loss, rtol=1e-5, atol=1e-7)
    for mine, theirs in zip(fixed_gradients, gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("count", [64, 61, 3])
def test_the_sizes_of_segments_are_those_of_the_batch(pipeline: DynamicPipeline, count: int) -> None:
    rays = pipeline.datamanager.train_rays
    rays.num_rays_per_batch = count
    bundle, _ = rays.sample()
    sizes = tuple(size for size in rays.segment_sizes if size > 0)
    assert TimeSegments.from_times(ray_times(bundle, 0.0)).sizes == sizes


def test_compiled_losses_and_gradients_are_those_of_the_step(
    pipeline: DynamicPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As traced, without the minutes that a compiler takes; nothing is traced twice but for a loss that begins."""
    traces: list[int] = []

    def count(graph: Any, inputs: Any) -> Any:
        traces.append(len(inputs))
        return aot_eager(graph, inputs)

    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # checks of shapes cannot be traced
    monkeypatch.setattr(fixed_losses_module, "compiled", partial(torch.compile, dynamic=False, backend=count))
    model, sizes = pipeline.model, pipeline.datamanager.train_rays.segment_sizes
    model.config.sparsity_loss_weight, model.config.sparsity_start_step = 0.1, 2
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    compiled = CompiledLosses(model, sizes)
    traced = []
    for step in range(4):
        model.set_step(step)
        rays, batch = pipeline.datamanager.next_train(step)
        inputs = rays.origins, rays.directions, ray_times(rays, 0.0)
        targets = {name: batch[name] for name in TARGETS if name in batch}
        torch.manual_seed(step)
        slow = fixed_losses(model, sizes, *inputs, targets)
        torch.manual_seed(step)
        fast = compiled(*inputs, batch)
        gradients = [
            torch.autograd.grad(torch.stack([*losses.values()]).sum(), parameters, materialize_grads=True)
            for losses in (slow, fast)
        ]
        assert slow.keys() == fast.keys() and ("sparsity" in fast) == (step >= 2)
        torch.testing.assert_close(fast, slow, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-3, atol=1e-5)
        traced.append(len(traces))
    assert 0 < traced[0] == traced[1] < traced[2] == traced[3]


def test_a_graph_needs_a_gpu(pipeline: DynamicPipeline) -> None:
    config = pipeline.config
    assert isinstance(config, DynamicPipelineConfig)
    config.cuda_graph = True
    with pytest.raises(ValueError, match="^pipeline.cuda-graph: expected a GPU, got cpu$"):
        config.setup(device="cpu")


def test_compiling_needs_a_compiler(pipeline: DynamicPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    config = pipeline.config
    assert isinstance(config.model, DynamicModelConfig)
    config.model.compile = True

    def none(_: nn.Module) -> nn.Module:
        raise RuntimeError("No working C++ compiler found\nin ten lines")

    monkeypatch.setattr(fixed_losses_module, "compiled", none)
    message = r"^pipeline.model.compile: expected a compiler \(on a CPU g\+\+\), but: No working C\+\+ compiler found$"
    with pytest.raises(ValueError, match=message):
        config.setup(device="cpu")
