"""Pictures of a field: what is not computed, as nothing of it would show, does not show."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from resfields_ns.fields.densities import Density, LaplaceDensity, ReLUDensity
from resfields_ns.fields.dynamic_field import DynamicField, DynamicFieldConfig
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.models.level_grid import LevelGrid, shown_levels
from resfields_ns.models.rendering import NEGLIGIBLE_WEIGHT, Rays, Rendering, render
from resfields_ns.models.samplers import HierarchicalSampler, OccupancySampler, SamplerConfig, UniformSampler
from resfields_ns.models.surface_model import SurfaceModel

BOX = torch.tensor([[-0.8, -0.7, -0.6], [0.7, 0.8, 0.6]])
CONFIG = SamplerConfig(num_samples=60, num_fine_samples=30)
TIMES = torch.tensor([0.0, 0.4, 1.0])


def _field(density: Density, noise: float = 0.01) -> DynamicField:
    """A sphere, and how far from it."""
    torch.manual_seed(0)
    field = DynamicFieldConfig(num_layers=3, hidden_dim=32, skip_layers=(), residual_layers=(1, 2)).setup(
        num_frames=4, density=density
    )
    for parameter in field.parameters():
        parameter.data += noise * torch.randn_like(parameter)
    return field.requires_grad_(False)


def _rays() -> Rays:
    origins = torch.tensor([0.0, -3.0, 0.3]) + 0.1 * torch.randn(300, 3)
    targets = 0.5 * torch.randn(300, 3)
    return Rays(origins, normalize(targets - origins, dim=-1), TIMES.repeat_interleave(100))


@pytest.mark.parametrize("density", [LaplaceDensity(0.01), ReLUDensity(0.5, scale=1000.0)], ids=["volsdf", "nerf"])
@pytest.mark.parametrize("kind", [UniformSampler, HierarchicalSampler])
def test_what_is_behind_the_opaque_is_left_out(density: Density, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field in training computes every sample: its pictures are the slow ones."""
    field, sampler, rays = _field(density), kind(CONFIG, BOX, 4).eval(), _rays()
    counted, evaluate = [], field.raw_and_feature

    def count(points: TimedPoints) -> tuple[torch.Tensor, torch.Tensor]:
        counted.append(len(points.positions))
        return evaluate(points)

    monkeypatch.setattr(field, "raw_and_feature", count)
    slow = render(field.train(), sampler, rays, 1.0)
    all_samples = sum(counted)
    counted.clear()
    fast = render(field.eval(), sampler, rays, 1.0)
    assert 0.2 * len(rays.times) < (slow.accumulation > 0.99).sum() < 0.9 * len(rays.times)
    assert sum(counted) < 0.9 * all_samples
    for name in ("rgb", "accumulation", "distance"):
        torch.testing.assert_close(getattr(fast, name), getattr(slow, name), rtol=0, atol=1e-3)


def test_order_of_rays_does_not_matter() -> None:
    """Also where their times are mixed, and some have ended before others."""
    field, sampler, rays = _field(LaplaceDensity(0.01)).eval(), UniformSampler(CONFIG, BOX, 4).eval(), _rays()
    order = torch.randperm(len(rays.times))
    mixed = replace(rays, origins=rays.origins[order], directions=rays.directions[order], times=rays.times[order])
    torch.testing.assert_close(
        render(field, sampler, mixed, 1.0).rgb, render(field, sampler, rays, 1.0).rgb[order], rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("kind", [UniformSampler, OccupancySampler])
def test_few_samples_at_the_surface_see_what_many_do(kind: type) -> None:
    field, rays = _field(LaplaceDensity(0.004), noise=0.001).eval(), _rays()
    many = render(field, UniformSampler(SamplerConfig(num_samples=2000), BOX, 4).eval(), rays, 1.0)
    few = render(field, kind(SamplerConfig(num_samples=24), BOX, 4).eval(), rays, 1.0)
    at_surface = render(field, kind(SamplerConfig(num_samples=24, num_surface_samples=12), BOX, 4).eval(), rays, 1.0)

    def error(name: str, rendering: Rendering) -> float:
        return float((getattr(rendering, name) - getattr(many, name)).square().mean().sqrt())

    assert error("distance", at_surface) < 0.6 * error("distance", few)
    for name in ("rgb", "accumulation", "distance"):
        assert error(name, at_surface) < 0.01, name
    assert at_surface.weights.shape[1] == 12


class _Shown(SurfaceModel):
    """A field as what has a surface."""

    def __init__(self, field: DynamicField) -> None:
        self.field = field

    @property
    def surface_box(self) -> torch.Tensor:
        return BOX

    @property
    def surface_slope(self) -> float:
        return 2.0

    def surface_level(self, points: torch.Tensor, time: float) -> torch.Tensor:
        return self.field.raw_and_feature(TimedPoints.at(points, time))[0]

    def surface_colours(self, points: torch.Tensor, time: float) -> torch.Tensor:
        raise NotImplementedError


@pytest.mark.parametrize("kind", [UniformSampler, OccupancySampler, HierarchicalSampler])
@pytest.mark.parametrize(("beta", "least"), [(0.001, -0.5), (0.004, -0.5), (0.03, -0.5), (0.03, 0.02), (0.1, 0.1)])
def test_a_grid_of_levels_finds_the_surface(
    kind: type, beta: float, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what shows though its levels reach no surface."""
    field, rays = _field(LaplaceDensity(beta), noise=0.001).eval(), replace(_rays(), times=torch.full((300,), 0.4))
    field.mlp.layers[-1].bias[0] += least + 0.5
    levels = shown_levels(_Shown(field), 0.4, 64, LaplaceDensity(beta).reach(NEGLIGIBLE_WEIGHT).item())
    many = render(field, UniformSampler(SamplerConfig(num_samples=2000), BOX, 4).eval(), rays, 1.0)
    evaluated, evaluate = [], field.raw_and_feature

    def count(points: TimedPoints) -> tuple[torch.Tensor, torch.Tensor]:
        evaluated.append(len(points.positions))
        return evaluate(points)

    monkeypatch.setattr(field, "raw_and_feature", count)
    sampler = kind(SamplerConfig(num_samples=24, num_picture_samples=8), BOX, 4).eval()
    found = render(field, sampler, rays, 1.0, levels=levels)
    assert sum(evaluated) <= 8 * len(rays.times)
    assert many.accumulation.max() > 0.1
    error = (found.rgb - many.rgb).square().mean()
    assert -10.0 * torch.log10(error) > 45.0
    assert (found.accumulation - many.accumulation).abs().mean() < 0.005


def test_where_levels_show_nothing_a_picture_is_its_background() -> None:
    density = LaplaceDensity(0.004)
    field, rays = _field(density, noise=0.001).eval(), replace(_rays(), times=torch.full((300,), 0.4))
    field.mlp.layers[-1].bias[0] += 2.0
    levels = shown_levels(_Shown(field), 0.4, 64, density.reach(NEGLIGIBLE_WEIGHT).item())
    sampler = UniformSampler(SamplerConfig(num_samples=24, num_picture_samples=4), BOX, 4).eval()
    found = render(field, sampler, rays, 0.7, levels=levels)
    assert not levels.shown.any() and found.weights.shape == (0, 4)
    assert (found.rgb == 0.7).all() and (found.accumulation == 0.0).all()


@pytest.mark.parametrize("least", [-0.3, 0.02])
def test_the_box_of_what_shows_holds_all_of_it(least: float) -> None:
    density = LaplaceDensity(0.02)
    field = _field(density, noise=0.001).eval()
    field.mlp.layers[-1].bias[0] += least + 0.5
    reach = density.reach(NEGLIGIBLE_WEIGHT).item()
    levels = shown_levels(_Shown(field), 0.4, 48, reach)
    lower, upper = levels.shown_box
    assert (lower >= BOX[0]).all() and (upper <= BOX[1]).all() and (upper - lower).prod() < (BOX[1] - BOX[0]).prod()
    points = (levels.origin + levels.cell * levels.shown.nonzero()).minimum(BOX[1])
    assert ((points >= lower) & (points <= upper)).all()
    places = BOX[0] + (BOX[1] - BOX[0]) * torch.rand(20_000, 3)
    places = places[_Shown(field).surface_level(places, 0.4) < reach]
    assert len(places) > 100 and ((places >= lower) & (places <= upper)).all()


def test_levels_between_the_points_of_a_grid_are_trilinear() -> None:
    counts, origin, cell = (5, 4, 7), torch.tensor([-0.5, 0.1, 0.2]), 0.1
    points = origin + cell * torch.cartesian_prod(*(torch.arange(count) for count in counts)).view(*counts, 3)

    def plane(points: torch.Tensor) -> torch.Tensor:
        return 0.3 + points @ torch.tensor([1.0, -2.0, 0.5]) + points.prod(dim=-1)

    grid = LevelGrid(plane(points), origin, cell)
    last = cell * (torch.tensor(counts) - 1)
    inside = origin + last * torch.rand(6, 50, 3)
    torch.testing.assert_close(grid.at(inside), plane(inside), rtol=0, atol=1e-5)
    beyond = inside + last
    torch.testing.assert_close(grid.at(beyond), grid.at(torch.minimum(beyond, origin + last)))


@pytest.mark.parametrize("share", [0.01, 0.3, 1.0])
def test_gradients_at_a_share_of_samples_change_nothing_else(share: float) -> None:
    field, sampler = _field(LaplaceDensity(0.05)).train(), UniformSampler(CONFIG, BOX, 4).eval()
    rays = _rays()
    without, some = (render(field, sampler, rays, 1.0, gradient_share) for gradient_share in (None, share))
    torch.testing.assert_close(some.rgb, without.rgb, atol=1e-5, rtol=0)
    torch.testing.assert_close(some.raw, without.raw, atol=1e-5, rtol=0)
    assert some.gradient is not None and some.gradient.isfinite().all()
    assert len(some.gradient) == len(some.positions) * max(1, int(share * CONFIG.num_samples))
