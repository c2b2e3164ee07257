"""Rays and their samples: in the box, in order, and spread evenly over what is occupied."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resfields_ns.functional.rays import between_samples, intersect_box, occupied_positions, stratum_positions
from resfields_ns.models.samplers import OccupancySampler, SampledRays, Sampler, SamplerConfig, UniformSampler
from resfields_ns.timeline import times_from_frames
from tests.cases import SAMPLERS, over

_BOX = torch.tensor([[-1.0, -0.5, 0.0], [1.0, 0.7, 2.0]])
_CPU = torch.device("cpu")
_FRAMES = 4
Make = Callable[..., Sampler]


def _inside(points: Tensor, margin: float = 0.0) -> Tensor:
    return ((points >= _BOX[0] - margin) & (points <= _BOX[1] + margin)).all(dim=-1)


def _rays(count: int = 60) -> tuple[Tensor, Tensor]:
    """Rays from outside and inside the box, towards it and away from it."""
    generator = torch.Generator().manual_seed(0)
    origins = torch.randn(count, 3, generator=generator) * 2.0
    aims = torch.rand(count, 3, generator=generator) * 4.0 - 2.0
    return origins, F.normalize(aims - origins, dim=-1)


def _sampler(make: Make, training: bool = False) -> Sampler:
    return make(box=_BOX.clone(), num_frames=_FRAMES).train(training)


def _half_occupied(make: Make, training: bool = False) -> Sampler:
    """A sampler that was told that half of the box is empty: that of lower x in frame 0, the other one later."""

    def carve_hull(resolution: int, touched: bool) -> Tensor:
        assert touched, "cells that the hull merely touches must not be skipped"
        hull = torch.ones(_FRAMES, resolution, resolution, resolution, dtype=torch.bool)
        hull[0, : resolution // 2] = False
        hull[1:, resolution // 2 :] = False
        return hull

    sampler = _sampler(make, training)
    sampler.fill(carve_hull)
    return sampler


def _points(samples: SampledRays, origins: Tensor, directions: Tensor) -> Tensor:
    return origins[samples.rays, None] + directions[samples.rays, None] * samples.distances[..., None]


def test_crossings_agree_with_a_walk_along_the_ray() -> None:
    origins, directions = _rays(200)
    near, far = intersect_box(origins, directions, _BOX)
    walk = torch.linspace(0.0, 12.0, 12_001)
    inside = _inside(origins[:, None] + directions[:, None] * walk[:, None])
    assert 20 < inside.any(dim=1).sum() < 180
    for ray, there in enumerate(inside):
        if there.any():
            assert near[ray].item() == pytest.approx(walk[there].min().item(), abs=2e-3)
            assert far[ray].item() == pytest.approx(walk[there].max().item(), abs=2e-3)
        else:
            assert near[ray] >= far[ray] - 2e-3


def test_rays_that_start_inside_start_at_once() -> None:
    origins = _BOX[0] + torch.rand(50, 3, generator=torch.Generator().manual_seed(1)) * (_BOX[1] - _BOX[0])
    near, far = intersect_box(origins, _rays(50)[1], _BOX)
    assert (near == 0.0).all()
    assert (far > 0.0).all()


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("zero", [0.0, -0.0])
@pytest.mark.parametrize("axis", range(3))
def test_axis_parallel_rays(axis: int, sign: float, zero: float) -> None:
    directions = torch.full((1, 3), zero)
    directions[0, axis] = sign
    centre = _BOX.mean(dim=0, keepdim=True)
    near, far = intersect_box(centre - 5.0 * directions, directions, _BOX)
    half = (_BOX[1, axis] - _BOX[0, axis]).item() / 2
    assert [near.item(), far.item()] == pytest.approx([5.0 - half, 5.0 + half])
    for beside in (3.0, -3.0):
        offset = torch.zeros(3).index_fill(0, torch.tensor((axis + 1) % 3), beside)
        near, far = intersect_box(centre - 5.0 * directions + offset, directions, _BOX)
        assert near >= far


def test_rays_that_look_away_miss() -> None:
    origins = torch.tensor([[5.0, 0.0, 1.0]])
    near, far = intersect_box(origins, torch.tensor([[1.0, 0.0, 0.0]]), _BOX)
    assert near >= far


@pytest.mark.parametrize("jitter", [True, False])
@pytest.mark.parametrize("num_samples", [1, 7, 256])
def test_every_stratum_has_one_position(num_samples: int, jitter: bool) -> None:
    torch.manual_seed(0)
    positions = stratum_positions(50, num_samples, jitter, _CPU)
    borders = torch.arange(num_samples + 1) / num_samples
    assert (positions >= borders[:-1]).all()
    assert (positions <= borders[1:]).all()
    if not jitter:
        torch.testing.assert_close(positions, ((borders[:-1] + borders[1:]) / 2).expand(50, -1))


def test_jitter_is_uniform_within_strata_and_independent() -> None:
    torch.manual_seed(0)
    within = stratum_positions(5000, 4, True, _CPU) * 4 - torch.arange(4)
    assert within.mean(dim=0).tolist() == pytest.approx([0.5] * 4, abs=0.02)
    covariance = torch.eye(4) / 12
    torch.testing.assert_close(within.T.cov(), covariance, atol=0.004, rtol=0)


def _random_bins(rays: int = 40, bins: int = 16) -> Tensor:
    occupied = torch.rand(rays, bins, generator=torch.Generator().manual_seed(3)) < 0.4
    occupied[:, 5] |= ~occupied.any(dim=1)
    occupied[0], occupied[1] = False, False
    occupied[0, 0], occupied[1, -1] = True, True
    return occupied


def test_full_occupancy_leaves_positions_alone() -> None:
    positions = stratum_positions(20, 64, True, _CPU)
    squeezed = occupied_positions(positions, torch.ones(20, 128, dtype=torch.bool))
    torch.testing.assert_close(squeezed, positions, atol=1e-6, rtol=0)


def test_squeezed_positions_agree_with_a_loop() -> None:
    occupied = _random_bins()
    positions = torch.rand(len(occupied), 25, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    squeezed = occupied_positions(positions, occupied)
    for ray, row in enumerate(occupied):
        bins = row.nonzero().flatten().tolist()
        for sample, position in enumerate(positions[ray].tolist()):
            whole = math.floor(position * len(bins))
            expected = (bins[whole] + position * len(bins) - whole) / len(row)
            assert squeezed[ray, sample].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_squeezed_positions_lie_in_occupied_bins_in_order(dtype: torch.dtype) -> None:
    """The ends 0 and 1 among them."""
    occupied = _random_bins()
    squeezed = occupied_positions(torch.linspace(0.0, 1.0, 1001, dtype=dtype).expand(len(occupied), -1), occupied)
    assert (squeezed.diff(dim=1) >= 0.0).all()
    bins = squeezed * occupied.shape[1]
    below = (bins - 1e-5).floor().long().clamp(min=0)
    above = (bins + 1e-5).floor().long().clamp(max=occupied.shape[1] - 1)
    assert (occupied.gather(1, below) | occupied.gather(1, above)).all()


def test_occupied_bins_get_equal_shares() -> None:
    occupied = _random_bins()
    count = 7200
    positions = stratum_positions(len(occupied), count, False, _CPU).double()
    bins = (occupied_positions(positions, occupied) * occupied.shape[1]).floor().long()
    for row, hits in zip(occupied, bins, strict=True):
        share = count / row.sum().item()
        found = torch.bincount(hits, minlength=len(row)).double()
        torch.testing.assert_close(found, row.double() * share, atol=1.01, rtol=0)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_between_samples_values_go_evenly_from_one_to_the_next(count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    samples = torch.rand(20, count, generator=generator, dtype=torch.float64).sort(dim=1).values
    values = torch.randn(20, count, generator=generator, dtype=torch.float64)
    places = torch.rand(20, 30, generator=generator, dtype=torch.float64) * 1.4 - 0.2
    before, behind, share = between_samples(samples, places)
    found = torch.lerp(values.gather(1, before), values.gather(1, behind), share)
    for row in range(20):
        expected = np.interp(places[row].numpy(), samples[row].numpy(), values[row].numpy())
        np.testing.assert_allclose(found[row].numpy(), expected, rtol=0, atol=1e-9)


@over("make", SAMPLERS)
@pytest.mark.parametrize("training", [True, False])
def test_samples_lie_in_the_box_in_order(make: Make, training: bool) -> None:
    origins, directions = _rays()
    samples = _half_occupied(make, training)(origins, directions, torch.zeros(len(origins)))
    assert len(samples.rays) > 0
    assert _inside(_points(samples, origins, directions), margin=1e-5).all()
    assert (samples.distances.diff(dim=1) > 0.0).all()
    assert (samples.rays.diff() > 0).all()


@over("make", SAMPLERS)
def test_exactly_the_rays_that_meet_the_box_are_sampled(make: Make) -> None:
    origins, directions = _rays()
    samples = _sampler(make)(origins, directions, torch.zeros(len(origins)))
    near, far = intersect_box(origins, directions, _BOX)
    assert samples.rays.tolist() == [ray for ray in range(len(origins)) if near[ray] < far[ray]]


@over("make", SAMPLERS)
@pytest.mark.parametrize("training", [True, False])
def test_deltas_add_up_to_the_crossing(make: Make, training: bool) -> None:
    origins, directions = _rays()
    samples = _sampler(make, training)(origins, directions, torch.zeros(len(origins)))
    near, far = intersect_box(origins, directions, _BOX)
    torch.testing.assert_close(samples.deltas.sum(dim=1), (far - near)[samples.rays], atol=1e-6, rtol=1e-5)


@over("make", SAMPLERS)
@pytest.mark.parametrize("training", [True, False])
def test_deltas_add_up_to_the_occupied_length(make: Make, training: bool) -> None:
    """Up to the bins that a border of the occupied half cuts."""
    origins, directions = _rays()
    sampler = _half_occupied(make, training)
    samples = sampler(origins, directions, torch.zeros(len(origins)))
    near, far = intersect_box(origins, directions, _BOX)
    for row, ray in enumerate(samples.rays.tolist()):
        walk = near[ray] + (far[ray] - near[ray]) * stratum_positions(1, 4000, False, _CPU)[0]
        points = origins[ray] + directions[ray] * walk[:, None]
        occupied = (points[:, 0] > 0.0) | isinstance(sampler, UniformSampler)
        expected = (occupied.float().mean() * (far[ray] - near[ray])).item()
        assert samples.deltas[row].sum().item() == pytest.approx(expected, abs=(far[ray] - near[ray]).item() / 16)


@over("make", SAMPLERS)
def test_strata_are_random_in_training_alone(make: Make) -> None:
    origins, directions = _rays()
    times = torch.zeros(len(origins))
    still, training = _half_occupied(make), _half_occupied(make, training=True)
    assert torch.equal(still(origins, directions, times).distances, still(origins, directions, times).distances)
    first, second = (training(origins, directions, times).distances for _ in range(2))
    assert (first != second).any(dim=1).all()


@over("make", SAMPLERS)
@pytest.mark.parametrize("training", [True, False])
def test_rays_do_not_see_each_other(make: Make, training: bool) -> None:
    """Each ray alone meets the box, or does not, and keeps its length; unless random, its distances too."""
    origins, directions = _rays()
    times = times_from_frames(torch.arange(len(origins)) % _FRAMES, _FRAMES)
    sampler = _half_occupied(make, training)
    together = sampler(origins, directions, times)
    rows = {ray: row for row, ray in enumerate(together.rays.tolist())}
    for ray in range(len(origins)):
        alone = sampler(origins[ray : ray + 1], directions[ray : ray + 1], times[ray : ray + 1])
        assert len(alone.rays) == int(ray in rows)
        if ray in rows:
            torch.testing.assert_close(alone.deltas[0], together.deltas[rows[ray]])
            if not training:
                torch.testing.assert_close(alone.distances[0], together.distances[rows[ray]])


@over("make", SAMPLERS)
@pytest.mark.parametrize("training", [True, False])
def test_samples_at_the_surface_add_up_to_what_all_do(make: Make, training: bool) -> None:
    """Sums over samples, by their deltas, of anything along a ray: the same on average, wherever weights are."""
    origins, directions = _rays()
    sampler, num_draws = _half_occupied(make, training), 2000 if training else 1
    count = 12 if training else 400
    first = sampler(origins, directions, torch.zeros(len(origins)))
    weights = torch.zeros(len(first.rays), first.shares.shape[1] + 1)
    weights[:, 3], weights[:, 7] = 0.6, 0.2
    draws = [sampler.at_surface(first, weights, count) for _ in range(num_draws)]
    many = stratum_positions(len(first.rays), 4000, False, _CPU)
    assert (
        (draws[0].shares.diff(dim=1) >= 0.0).all() and (draws[0].shares >= 0.0).all() and (draws[0].shares <= 1.0).all()
    )
    for value in (torch.ones_like, lambda shares: (4.0 * shares).sin(), torch.square):
        expected = value(many).mean(dim=1) * first.stretches.length
        found = torch.stack([(value(draw.shares) * draw.deltas).sum(dim=1) for draw in draws]).mean(dim=0)
        torch.testing.assert_close(found, expected, atol=0.03, rtol=0.05)


@over("make", SAMPLERS)
def test_samples_at_the_surface_are_where_the_weights_are(make: Make) -> None:
    origins, directions = _rays()
    sampler = _half_occupied(make)
    first = sampler(origins, directions, torch.zeros(len(origins)))
    weights = torch.zeros(len(first.rays), first.shares.shape[1] + 1)
    weights[:, 5] = 1.0
    shares = sampler.at_surface(first, weights, 40).shares
    within = (shares >= first.edges[:, 5, None]) & (shares <= first.edges[:, 6, None])
    assert (within.sum(dim=1) >= 28).all()


@over("make", SAMPLERS)
def test_no_ray_that_hits_gives_no_samples(make: Make) -> None:
    origins = torch.full((3, 3), 5.0)
    samples = _sampler(make)(origins, F.normalize(origins, dim=-1), torch.zeros(3))
    assert samples.distances.shape == samples.deltas.shape == (0, 12)


@pytest.mark.parametrize("option", ["num_samples", "num_fine_samples", "resolution"])
def test_sizes_are_at_least_one(option: str) -> None:
    with pytest.raises(ValueError, match=f"^sampler.{option.replace('_', '-')}: expected at least 1, got 0$"):
        SamplerConfig(**{option: 0})  # pyright: ignore[reportArgumentType]


def test_an_unfilled_occupancy_sampler_is_a_uniform_sampler() -> None:
    origins, directions = _rays()
    times = torch.rand(len(origins), generator=torch.Generator().manual_seed(5))
    occupancy = _sampler(partial(OccupancySampler, SamplerConfig(num_samples=24, resolution=16)))(
        origins, directions, times
    )
    uniform = _sampler(partial(UniformSampler, SamplerConfig(num_samples=24)))(origins, directions, times)
    assert torch.equal(occupancy.rays, uniform.rays)
    torch.testing.assert_close(occupancy.distances, uniform.distances, atol=1e-5, rtol=0)
    torch.testing.assert_close(occupancy.deltas, uniform.deltas, atol=1e-6, rtol=0)


def _slab_sampler() -> OccupancySampler:
    """In frame k the k-th quarter of the box, along x, is occupied."""
    sampler = OccupancySampler(SamplerConfig(num_samples=40, resolution=8), _BOX.clone(), _FRAMES).eval()
    sampler.occupancy[:] = False
    for frame in range(_FRAMES):
        sampler.occupancy[frame, 2 * frame : 2 * frame + 2] = True
    return sampler


def _slabs_seen(time: float) -> set[int]:
    origins, directions = torch.tensor([[-3.0, 0.1, 1.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    samples = _slab_sampler()(origins, directions, torch.tensor([time]))
    x = _points(samples, origins, directions)[..., 0]
    return set(((x + 1.0) / 2.0 * _FRAMES).floor().flatten().long().tolist())


@pytest.mark.parametrize("frame", range(_FRAMES))
def test_a_frame_sees_its_own_occupancy(frame: int) -> None:
    assert _slabs_seen(frame / (_FRAMES - 1)) == {frame}


@pytest.mark.parametrize("frame", range(_FRAMES - 1))
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_between_frames_the_union_is_occupied(frame: int, share: float) -> None:
    assert _slabs_seen((frame + share) / (_FRAMES - 1)) == {frame, frame + 1}


@pytest.mark.parametrize("axis", range(3))
def test_every_axis_has_its_own_cells(axis: int) -> None:
    sampler = _slab_sampler()
    sampler.occupancy[:] = False
    sampler.occupancy.select(axis + 1, 6)[:] = True
    points = _BOX[0] + (torch.arange(8)[:, None] + 0.5) / 8 * (_BOX[1] - _BOX[0])
    assert sampler.occupied(points[None], torch.zeros(1))[0].nonzero().flatten().tolist() == [6]


def test_rays_through_empty_space_are_dropped() -> None:
    origins = torch.tensor([[-0.9, 0.1, -3.0], [0.9, 0.1, -3.0]])
    directions = torch.tensor([[0.0, 0.0, 1.0]]).expand(2, -1)
    assert _slab_sampler()(origins, directions, torch.zeros(2)).rays.tolist() == [0]
    assert _slab_sampler()(origins, directions, torch.ones(2)).rays.tolist() == [1]
