"""NeRF: a coarse network and a fine one that learn apart, and the loss of whole pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from resfields_ns.models.dynamic_model import DynamicModelConfig
from resfields_ns.models.ray_losses import RayLossOptions, colour_loss
from resfields_ns.pipelines.dynamic_pipeline import DynamicPipeline
from tests.family import Family
from tests.methods import METHODS, seed_everything, tiny_config
from tests.ray_family import RAY_FAMILY


def _losses(data: Path, folder: Path, **options: Any) -> tuple[DynamicPipeline, dict[str, Tensor]]:
    """A pipeline at its first step, and the losses of that."""
    config = tiny_config(METHODS["nerf-resfields-small"], data, folder)
    for name, value in options.items():
        setattr(config.pipeline.model, name, value)
    seed_everything()
    pipeline: Any = config.pipeline.setup(device="cpu")
    pipeline.train()
    return pipeline, pipeline.get_train_loss_dict(0)[1]


def _learns(loss: Tensor, module: torch.nn.Module) -> bool:
    gradients = torch.autograd.grad(loss, list(module.parameters()), retain_graph=True, allow_unused=True)
    return any(gradient is not None and gradient.abs().max() > 0.0 for gradient in gradients)


@pytest.mark.parametrize("density", ["nerf", "volsdf"])
def test_each_network_learns_from_its_own_pass_alone(
    density: str, tiny_data: Callable[[Family], Path], tmp_path: Path
) -> None:
    pipeline, losses = _losses(tiny_data(RAY_FAMILY), tmp_path, density=density, opacity_loss_weight=0.1)
    model = pipeline.model
    assert model.coarse_field is not None
    expected = {"colour", "opacity", *(["eikonal"] if density == "volsdf" else [])}
    assert losses.keys() == expected | {f"coarse_{name}" for name in expected}
    for name, loss in losses.items():
        assert _learns(loss, model.coarse_field) == name.startswith("coarse_")
        assert _learns(loss, model.field) != name.startswith("coarse_")
    trained = {id(parameter) for parameter in pipeline.get_param_groups()["field"]}
    assert trained == {id(each) for field in (model.field, model.coarse_field) for each in field.parameters()}


def test_one_network_learns_from_both(tiny_data: Callable[[Family], Path], tmp_path: Path) -> None:
    pipeline, losses = _losses(tiny_data(RAY_FAMILY), tmp_path, coarse_network=False)
    assert pipeline.model.coarse_field is None
    assert losses.keys() == {"colour", "coarse_colour"}
    assert all(_learns(loss, pipeline.model.field) for loss in losses.values())


def test_a_sampler_without_a_coarse_pass_has_no_network_for_it(
    tiny_data: Callable[[Family], Path], tmp_path: Path
) -> None:
    config = tiny_config(METHODS["nerf-resfields-small"], tiny_data(RAY_FAMILY), tmp_path)
    model: Any = config.pipeline.model
    model.sampler.kind = "uniform"
    pipeline: Any = config.pipeline.setup(device="cpu")
    assert pipeline.model.coarse_field is None


def test_whole_pictures_show_the_background_where_nothing_is() -> None:
    torch.manual_seed(0)
    rgb, image, mask = torch.rand(6, 3), torch.rand(6, 3), torch.tensor([True, False, True, True, False, False])
    options = RayLossOptions(colour_loss="l2", whole_pictures=True)
    total = 0.0
    for ray in range(6):
        for channel in range(3):
            shown = image[ray, channel].item() if mask[ray] else 0.75
            total += (rgb[ray, channel].item() - shown) ** 2
    found = colour_loss(options, rgb, {"image": image, "mask": mask}, background=0.75)
    assert found.item() == pytest.approx(total / 18, rel=1e-5)


def test_models_of_earlier_runs_have_one_network_and_the_loss_of_foregrounds() -> None:
    text = yaml.dump(DynamicModelConfig())
    new = ("coarse_network", "colour_loss", "whole_pictures")
    lines = [line for line in text.splitlines() if not line.startswith(new)]
    assert len(lines) == len(text.splitlines()) - len(new)
    assert yaml.load("\n".join(lines), yaml.Loader) == DynamicModelConfig()
