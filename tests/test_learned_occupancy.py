"""Occupancy that a field tells by itself: rays look only where something is, and see the same."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from resfields_ns.captures.demo_capture import write_demo_capture
from resfields_ns.fields.densities import LaplaceDensity
from resfields_ns.fields.dynamic_field import DynamicField
from resfields_ns.functional.metrics import psnr
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.models.rendering import NEGLIGIBLE_WEIGHT, Rays, render
from resfields_ns.models.samplers import ANYWHERE_RAYS, LearnedOccupancySampler, SamplerConfig
from resfields_ns.timeline import times_from_frames
from tests.methods import METHODS, tiny_config, trained

BOX = torch.tensor([[-1.0, -0.8, -0.6], [1.0, 0.7, 0.9]])
FRAMES = 3
RESOLUTION = 32


def _distance(points: Tensor, times: Tensor) -> Tensor:
    """To a ball that moves along x, and to a thin rod that moves along y."""
    zero = torch.zeros_like(times)
    ball = (points - torch.stack((times - 0.5, zero, zero), dim=-1)).norm(dim=-1) - 0.3
    rod = (points - torch.stack((zero, 0.4 - times, zero), dim=-1))[..., 1:].norm(dim=-1) - 0.02
    return torch.minimum(ball, rod)


class Things(DynamicField):
    """The things as a field, coloured by place."""

    def __init__(self, beta: float) -> None:
        nn.Module.__init__(self)
        self.density = LaplaceDensity(beta)

    def raw_and_feature(self, points: TimedPoints) -> tuple[Tensor, Tensor]:
        return _distance(points.positions, points.segments.expand(points.segments.times)), points.positions

    def colour(self, feature: Tensor, towards: Tensor) -> Tensor:
        del towards
        return 0.5 + 0.5 * torch.sin(5.0 * feature)


def _sampler(num_samples: int, *frames: int, beta: float = 0.01) -> LearnedOccupancySampler:
    """That knows some frames."""
    config = SamplerConfig(kind="learned-occupancy", num_samples=num_samples, resolution=RESOLUTION)
    sampler = LearnedOccupancySampler(config, BOX.clone(), FRAMES).eval()
    reach = LaplaceDensity(beta).reach(NEGLIGIBLE_WEIGHT).item()
    for frame in frames:
        time = _time(frame)
        sampler.renew(frame, lambda points, time=time: _distance(points, torch.full_like(points[:, 0], time)), reach)
    return sampler


def _time(frame: float) -> float:
    return times_from_frames(torch.tensor(frame), FRAMES).item()


def _rays(count: int, frame: float) -> Rays:
    generator = torch.Generator().manual_seed(0)
    origins = 3.0 * F.normalize(torch.randn(count, 3, generator=generator), dim=-1)
    aims = BOX[0] + (BOX[1] - BOX[0]) * torch.rand(count, 3, generator=generator)
    return Rays(origins, F.normalize(aims - origins, dim=-1), torch.full((count,), _time(frame)))


@pytest.mark.parametrize("frame", range(FRAMES))
@pytest.mark.parametrize("beta", [0.005, 0.02])
def test_all_that_can_be_seen_is_looked_at_and_little_else(frame: int, beta: float) -> None:
    sampler = _sampler(8, frame, beta=beta)
    points = BOX[0] + (BOX[1] - BOX[0]) * torch.rand(200_000, 3, generator=torch.Generator().manual_seed(1))
    distances = _distance(points, torch.full_like(points[:, 0], _time(frame)))
    looked_at = sampler.looked_at(points[None], torch.tensor([_time(frame)]))[0]
    reach = LaplaceDensity(beta).reach(NEGLIGIBLE_WEIGHT).item()
    assert looked_at[distances.abs() <= reach].all()
    radius = 0.5 * ((BOX[1] - BOX[0]) / RESOLUTION).norm().item()
    assert not looked_at[distances.abs() > reach + 3.0 * radius].any()


@pytest.mark.parametrize("frame", range(FRAMES))
def test_pictures_are_those_of_all_samples(frame: int) -> None:
    """To 45 dB: a sixteenth of the samples, close to the surface, see what 256 see."""
    rays, field = _rays(4000, frame), Things(0.01)
    with torch.no_grad():
        whole = render(field, _sampler(256), rays, 1.0)
        near = render(field, _sampler(16, frame), rays, 1.0)
        few = render(field, _sampler(16), rays, 1.0)
    close, far = (float(psnr(seen.rgb[None], whole.rgb[None])) for seen in (near, few))
    assert close > 45.0 > far + 7.0


def test_frames_that_are_not_known_and_times_between_frames_are_looked_at_as_a_whole() -> None:
    sampler = _sampler(8, 0, 1)
    for frame, is_whole in ((0, False), (0.5, True), (1, False), (1.5, True), (2, True)):
        rays = _rays(100, frame)
        length = sampler(rays.origins, rays.directions, rays.times, keep_all=True).stretches.length
        whole = _sampler(8)(rays.origins, rays.directions, rays.times, keep_all=True).stretches.length
        assert torch.equal(length, whole) == is_whole


def test_some_rays_of_a_step_look_everywhere() -> None:
    rays, sampler = _rays(4000, 1), _sampler(8, 1).train()
    whole = _sampler(8)(rays.origins, rays.directions, rays.times).stretches.length
    length = sampler(rays.origins, rays.directions, rays.times, keep_all=True).stretches.length
    assert float((length == whole).float().mean()) == pytest.approx(ANYWHERE_RAYS, abs=0.02)


def test_what_masks_leave_empty_stays_empty() -> None:
    sampler = _sampler(8)
    hull = torch.rand(FRAMES, *[RESOLUTION] * 3, generator=torch.Generator().manual_seed(0)) < 0.5
    sampler.fill(lambda resolution, touched: hull)
    near = _sampler(8, 1).near_surface[1]
    sampler.renew(1, lambda points: _distance(points, torch.full_like(points[:, 0], _time(1))), 0.1)
    places = BOX[0] + (BOX[1] - BOX[0]) * (hull[1].nonzero() + 0.5) / RESOLUTION
    assert sampler.occupied(places[None], torch.tensor([_time(1)])).all()
    looked_at = sampler.near_surface[1] & sampler.occupancy[1]
    assert not (looked_at & ~hull[1]).any() and int(looked_at.sum()) > 0.3 * int(near.sum())


def test_a_run_without_masks_learns_where_nothing_is(tmp_path: Path) -> None:
    """What too few cameras see is empty, and of the rest what is far from the surface."""
    write_demo_capture(tmp_path / "data", seed=0, num_frames=2, size=32)
    for folder in (tmp_path / "data").glob("*/mask"):
        for mask in folder.iterdir():
            mask.unlink()
        folder.rmdir()
    config = tiny_config(METHODS["tnerf-resfields"], tmp_path / "data", tmp_path / "out")
    model: Any = config.pipeline.model
    model.sampler.kind, model.sampler.resolution, model.sampler.renewal_steps = "learned-occupancy", 16, 1
    model.initial_beta, model.hull_least_views = 0.01, 4
    sampler = trained(config).pipeline.model.sampler
    assert isinstance(sampler, LearnedOccupancySampler)
    possible = float(sampler.occupancy.float().mean())
    assert 0.3 < possible < 1.0
    assert 0.05 < float((sampler.near_surface & sampler.occupancy).float().mean()) < 0.85 * possible


def test_numbers_that_are_no_distances_are_refused(demo_capture: Path, tmp_path: Path) -> None:
    for change in ({"density": "nerf"}, {"eikonal_loss_weight": 0.0}):
        config = tiny_config(METHODS["tnerf-resfields"], demo_capture, tmp_path)
        model: Any = config.pipeline.model
        model.sampler.kind = "learned-occupancy"
        for name, value in change.items():
            setattr(model, name, value)
        with pytest.raises(ValueError, match=r"^model.sampler.kind: learned-occupancy needs signed distances, but "):
            trained(config)
