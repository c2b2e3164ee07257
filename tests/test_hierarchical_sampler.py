"""Coarse-to-fine sampling: the added samples follow the weights, and the whole ray stays covered."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from resfields_ns.functional.rays import intersect_box, invert_piecewise, sample_edges, stratum_positions
from resfields_ns.models.samplers import HierarchicalSampler, SamplerConfig

_BOX = torch.tensor([[-1.0, -0.5, 0.0], [1.0, 0.7, 2.0]])


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_inverse_agrees_with_a_loop() -> None:
    edges = _random(6, 9).sort(dim=1).values
    weights, positions = _random(6, 8, seed=1) + 0.01, _random(6, 30, seed=2)
    found = invert_piecewise(edges, weights, positions)
    for ray in range(6):
        total = weights[ray].sum().item()
        for sample, position in enumerate(positions[ray].tolist()):
            left, index = position * total, 0
            while left > weights[ray, index].item():
                left -= weights[ray, index].item()
                index += 1
            share = left / weights[ray, index].item()
            expected = edges[ray, index] + share * (edges[ray, index + 1] - edges[ray, index])
            assert found[ray, sample].item() == pytest.approx(expected.item(), abs=1e-12)


def test_equal_weights_leave_positions_alone() -> None:
    edges = torch.linspace(2.0, 5.0, 11, dtype=torch.float64).expand(3, -1)
    positions = _random(3, 20)
    found = invert_piecewise(edges, torch.ones(3, 10, dtype=torch.float64), positions)
    torch.testing.assert_close(found, 2.0 + 3.0 * positions, atol=1e-12, rtol=0)


def test_the_ends_are_reached() -> None:
    edges, weights = _random(4, 7).sort(dim=1).values, _random(4, 6, seed=1) + 0.01
    found = invert_piecewise(edges, weights, torch.tensor([[0.0, 1.0]] * 4, dtype=torch.float64))
    torch.testing.assert_close(found, edges[:, [0, -1]], atol=1e-12, rtol=0)


def test_edges_lie_between_samples() -> None:
    shares = _random(5, 6).sort(dim=1).values
    edges = sample_edges(shares)
    assert (edges[:, :-1] <= shares).all() and (shares <= edges[:, 1:]).all()
    assert (edges[:, 0] == 0.0).all() and (edges[:, -1] == 1.0).all()


def _refined(training: bool, weights_of: int) -> tuple[Tensor, ...]:
    """Coarse and fine samples, all weight being in one coarse sample."""
    torch.manual_seed(0)
    origins = torch.randn(40, 3) * 2.0
    directions = F.normalize(torch.rand(40, 3) - origins, dim=-1)
    config = SamplerConfig(num_samples=10, num_fine_samples=50)
    sampler = HierarchicalSampler(config, _BOX, num_frames=3).train(training)
    coarse = sampler(origins, directions, torch.zeros(40))
    weights = torch.zeros_like(coarse.distances)
    weights[:, weights_of] = 1.0
    fine = sampler.refine(coarse, weights)
    near, far = intersect_box(origins, directions, _BOX)
    return coarse.distances, fine.distances, fine.deltas, near[fine.rays], far[fine.rays]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("weights_of", [0, 4, 9])
def test_refined_samples_cover_the_crossing_and_gather_at_the_weights(training: bool, weights_of: int) -> None:
    coarse, fine, deltas, near, far = _refined(training, weights_of)
    assert fine.shape == (len(coarse), 60)
    assert (fine.diff(dim=1) >= 0.0).all()
    assert (fine >= near[:, None] - 1e-5).all() and (fine <= far[:, None] + 1e-5).all()
    torch.testing.assert_close(deltas.sum(dim=1), far - near, atol=1e-5, rtol=1e-5)
    edges = near[:, None] + (far - near)[:, None] * sample_edges((coarse - near[:, None]) / (far - near)[:, None])
    within = (fine >= edges[:, weights_of, None]) & (fine <= edges[:, weights_of + 1, None])
    assert (within.sum(dim=1) >= 48).all()
    kept = ((fine[:, None] - coarse[..., None]).abs() < 1e-5).any(dim=2)
    assert kept.all()


def test_refinement_is_random_in_training_alone() -> None:
    config = SamplerConfig(num_samples=4, num_fine_samples=5)
    origins, directions = torch.tensor([[-3.0, 0.0, 1.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    for training in (True, False):
        sampler = HierarchicalSampler(config, _BOX, num_frames=3).train(training)
        coarse = sampler(origins, directions, torch.zeros(1))
        first, second = (sampler.refine(coarse, torch.ones(1, 4)).distances for _ in range(2))
        assert torch.equal(first, second) != training


def test_positions_of_strata_stay_in_order_when_inverted() -> None:
    positions = stratum_positions(8, 32, True, torch.device("cpu")).double()
    found = invert_piecewise(_random(8, 17).sort(dim=1).values, _random(8, 16, seed=5) + 0.01, positions)
    assert (found.diff(dim=1) >= 0.0).all()
