"""Planes of features: the lookup is the textbook's, its slopes are its derivatives, and it has second derivatives."""

import pytest
import torch
from torch import Tensor

from resfields_ns.functional.planes import bilinear, bilinear_and_slopes, total_variation

_SHAPES = [(1, 2, 2, 1), (2, 4, 7, 3)]


def _planes(shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _coordinates(shape: tuple[int, ...], count: int = 40) -> Tensor:
    """Inside and beyond the planes, a share of a cell away from every border of a cell."""
    generator = torch.Generator().manual_seed(1)
    num_cells = torch.tensor(shape[1:3]) - 1
    cell = torch.floor(torch.rand(shape[0], count, 2, generator=generator, dtype=torch.float64) * (num_cells + 2)) - 1
    share = 0.1 + 0.8 * torch.rand(cell.shape, generator=generator, dtype=torch.float64)
    return (cell + share) / num_cells * 2.0 - 1.0


def _slow_bilinear(planes: Tensor, coordinates: Tensor) -> Tensor:
    """Every value as a sum over all nodes, weighted by tents around them."""
    values = torch.zeros(*coordinates.shape[:2], planes.shape[3], dtype=torch.float64)
    _, num_rows, num_columns, _ = planes.shape
    for p, n in torch.cartesian_prod(*(torch.arange(size) for size in coordinates.shape[:2])):
        u, v = coordinates[p, n].clamp(-1.0, 1.0)
        for i, j in torch.cartesian_prod(torch.arange(num_rows), torch.arange(num_columns)):
            row_weight = (1.0 - ((u + 1.0) / 2.0 * (num_rows - 1) - i).abs()).clamp(min=0.0)
            column_weight = (1.0 - ((v + 1.0) / 2.0 * (num_columns - 1) - j).abs()).clamp(min=0.0)
            values[p, n] += row_weight * column_weight * planes[p, i, j]
    return values


@pytest.mark.parametrize("shape", _SHAPES)
def test_agrees_with_a_slow_loop(shape: tuple[int, ...]) -> None:
    planes, coordinates = _planes(shape), _coordinates(shape)
    expected = _slow_bilinear(planes, coordinates)
    torch.testing.assert_close(bilinear(planes, coordinates), expected, atol=1e-13, rtol=1e-13)
    torch.testing.assert_close(bilinear_and_slopes(planes, coordinates)[0], expected, atol=1e-13, rtol=1e-13)


@pytest.mark.parametrize("shape", _SHAPES)
def test_agrees_with_torch(shape: tuple[int, ...]) -> None:
    planes, coordinates = _planes(shape), _coordinates(shape)
    expected = torch.nn.functional.grid_sample(
        planes.permute(0, 3, 1, 2), coordinates.flip(-1)[:, :, None], padding_mode="border", align_corners=True
    )
    mine = bilinear(planes, coordinates)
    torch.testing.assert_close(mine, expected[..., 0].transpose(1, 2), atol=1e-13, rtol=1e-13)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_first_and_last_nodes_are_at_the_ends(dtype: torch.dtype) -> None:
    planes = _planes((1, 5, 3, 2)).to(dtype)
    nodes = torch.cartesian_prod(torch.linspace(-1, 1, 5, dtype=dtype), torch.linspace(-1, 1, 3, dtype=dtype))
    torch.testing.assert_close(bilinear(planes, nodes[None]), planes.flatten(1, 2), atol=1e-6, rtol=0)
    ends = torch.tensor([[-1.0, -1.0], [1.0, 1.0]], dtype=dtype)
    assert torch.equal(bilinear(planes, ends[None])[0], torch.stack((planes[0, 0, 0], planes[0, -1, -1])))


def test_beyond_the_border_values_are_those_of_the_border() -> None:
    planes, coordinates = _planes((2, 4, 7, 3)), 3.0 * _coordinates((2, 4, 7, 3))
    assert torch.equal(bilinear(planes, coordinates), bilinear(planes, coordinates.clamp(-1.0, 1.0)))
    _, slopes = bilinear_and_slopes(planes, coordinates)
    assert (slopes[coordinates.abs() > 1.0] == 0.0).all()


@pytest.mark.parametrize("shape", _SHAPES)
def test_slopes_are_the_derivatives(shape: tuple[int, ...]) -> None:
    planes, coordinates = _planes(shape), _coordinates(shape).requires_grad_()
    values = bilinear(planes, coordinates)
    gradient = torch.randn(values.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    (expected,) = torch.autograd.grad(values, coordinates, gradient)
    _, slopes = bilinear_and_slopes(planes, coordinates)
    torch.testing.assert_close((slopes * gradient[:, :, None]).sum(dim=-1), expected, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("shape", _SHAPES)
def test_gradients_are_the_numerical_ones(shape: tuple[int, ...]) -> None:
    """Of the lookup the second ones too."""
    arguments = (_planes(shape).requires_grad_(), _coordinates(shape, count=4).requires_grad_())
    assert torch.autograd.gradcheck(bilinear, arguments)
    assert torch.autograd.gradgradcheck(bilinear, arguments)
    assert torch.autograd.gradcheck(bilinear_and_slopes, arguments)


def test_no_points_have_no_values() -> None:
    values, slopes = bilinear_and_slopes(torch.zeros(6, 3, 3, 2), torch.zeros(6, 0, 2))
    assert (values.shape, slopes.shape) == ((6, 0, 2), (6, 0, 2, 2))


def test_total_variation_is_the_mean_squared_step() -> None:
    """Along both axes: of planes a row + b column + c it is a^2 + b^2."""
    row, column = torch.meshgrid(torch.arange(4.0), torch.arange(6.0), indexing="ij")
    ramp = 2.0 * row - 3.0 * column + 5.0
    assert total_variation(ramp.expand(2, 4, 6)[..., None]).item() == pytest.approx(13.0)


def test_total_variation_agrees_with_a_slow_loop() -> None:
    planes = _planes((2, 3, 4, 2))
    rows = [(planes[p, i + 1, j] - planes[p, i, j]).square() for p in range(2) for i in range(2) for j in range(4)]
    columns = [(planes[p, i, j + 1] - planes[p, i, j]).square() for p in range(2) for i in range(3) for j in range(3)]
    expected = torch.cat(rows).mean() + torch.cat(columns).mean()
    torch.testing.assert_close(total_variation(planes), expected, atol=1e-13, rtol=1e-13)
