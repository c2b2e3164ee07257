"""Layers over time by the letter of their formulas: entry by entry, in float64."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from resfields_ns.layers import PlainLinear, ResFieldLinear, TimeLinear, TimeTable
from resfields_ns.layers.alternatives import (
    CPLinear,
    DirectLinear,
    ExpertsLinear,
    FrameMatricesLinear,
    HyperNetworkLinear,
    MatrixMatrixLinear,
    ModulatedLinear,
    OutputResidualLinear,
    TuckerLinear,
)
from resfields_ns.layers.coefficients import SplineTable
from resfields_ns.layers.low_rank import ChunkedLinear

Entry = Callable[[int, int], Tensor]  # entry of a matrix in row o and column i


def slow_linear(layer: TimeLinear, x: Tensor, times: Tensor) -> Tensor:
    """What the layer makes of x [B, S, in] at times [B]."""
    outputs = []
    for item, time in zip(x.double(), times.tolist(), strict=True):
        matrix, residual = slow_matrix(layer, time), slow_output_residual(layer, time)
        for sample in item:
            products = (
                sum((matrix[o, i] * sample[i] for i in range(layer.in_features)), layer.bias[o].double())
                for o in range(layer.out_features)
            )
            outputs += [product + residual[o] for o, product in enumerate(products)]
    return torch.stack(outputs).view(*x.shape[:-1], layer.out_features)


def slow_matrix(layer: TimeLinear, time: float) -> Tensor:
    """The layer's matrix [out, in] at a time in [0, 1]."""
    entry = _ENTRIES[type(layer)](layer, time)
    rows = [torch.stack([entry(o, i).double() for i in range(layer.in_features)]) for o in range(layer.out_features)]
    return torch.stack(rows)


def slow_output_residual(layer: TimeLinear, time: float) -> Tensor:
    """What the layer adds [out] whatever its input."""
    if isinstance(layer, OutputResidualLinear):
        return slow_coefficients(layer.coefficients, time)
    return torch.zeros(layer.out_features, dtype=torch.float64)


def slow_coefficients(coefficients: nn.Module, time: float) -> Tensor:
    """A row of coefficients at a time in [0, 1]."""
    if isinstance(coefficients, TimeTable):
        table = coefficients.table.double()
        last = len(table) - 1
        lower = min(int(time * last + 1e-5), last)
        upper, share = min(lower + 1, last), max(time * last - lower, 0.0)
        return (1.0 - share) * table[lower] + share * table[upper]
    assert isinstance(coefficients, SplineTable)
    table, degree = coefficients.table.double(), coefficients.degree
    position = degree + (len(table) - degree) * time
    position = min(position, len(table) * (1.0 - 4e-16))  # the last piece holds its end, too
    weights = (_cox_de_boor(k, degree, position) for k in range(len(table)))
    return sum((weight * row for weight, row in zip(weights, table, strict=True)), torch.zeros_like(table[0]))


def _cox_de_boor(k: int, degree: int, position: float) -> float:
    """The basis function of control point k with knots at all whole numbers, by its recursive definition."""
    if degree == 0:
        return 1.0 if k <= position < k + 1 else 0.0
    rising = (position - k) / degree * _cox_de_boor(k, degree - 1, position)
    return rising + (k + degree + 1 - position) / degree * _cox_de_boor(k + 1, degree - 1, position)


def _plain(layer: PlainLinear | OutputResidualLinear, time: float) -> Entry:
    del time
    return lambda o, i: layer.weight[o, i]


def _low_rank(layer: ResFieldLinear, time: float) -> Entry:
    v = slow_coefficients(layer.coefficients, time)
    return lambda o, i: layer.weight[o, i] + sum(v[r] * layer.basis[r, o, i] for r in range(layer.rank))


def _modulated(layer: ModulatedLinear, time: float) -> Entry:
    v = slow_coefficients(layer.coefficients, time)
    return lambda o, i: layer.weight[o, i] * sum(v[r] * layer.basis[r, o, i] for r in range(layer.rank))


def _direct(layer: DirectLinear, time: float) -> Entry:
    v = slow_coefficients(layer.coefficients, time)
    return lambda o, i: sum((v[r] * layer.basis[r, o, i] for r in range(layer.rank)), torch.zeros(()))


def _frame_matrices(layer: FrameMatricesLinear, time: float) -> Entry:
    v = slow_coefficients(layer.coefficients, time)
    return lambda o, i: layer.weight[o, i] + v[o * layer.in_features + i]


def _matrix_matrix(layer: MatrixMatrixLinear, time: float) -> Entry:
    v = slow_coefficients(layer.coefficients, time)
    rank = layer.rank
    return lambda o, i: layer.weight[o, i] + sum(v[o * rank + r] * layer.basis[r, i] for r in range(rank))


def _hypernetwork(layer: HyperNetworkLinear, time: float) -> Entry:
    h = layer.network(torch.tensor([[2.0 * time - 1.0]], dtype=layer.weight.dtype))[0]
    return lambda o, i: layer.weight[o, i] + sum(h[r] * layer.basis[r, o, i] for r in range(layer.rank))


def _cp(layer: CPLinear, time: float) -> Entry:
    v = slow_coefficients(layer.coefficients, time)
    a, b = layer.out_factors, layer.in_factors
    return lambda o, i: layer.weight[o, i] + sum(v[r] * a[o, r] * b[i, r] for r in range(layer.rank))


def _tucker(layer: TuckerLinear, time: float) -> Entry:
    v = slow_coefficients(layer.coefficients, time)
    a, b, core = layer.out_factors, layer.in_factors, layer.core
    places = [(r, p, q) for r in range(core.shape[0]) for p in range(core.shape[1]) for q in range(core.shape[2])]
    return lambda o, i: layer.weight[o, i] + sum(v[r] * core[r, p, q] * a[o, p] * b[i, q] for r, p, q in places)


def _experts(layer: ExpertsLinear, time: float) -> Entry:
    places = [k / max(layer.rank - 1, 1) for k in range(layer.rank)]
    nearest = min(range(layer.rank), key=lambda k: abs(places[k] - time))
    return lambda o, i: layer.weight[o, i] + layer.experts[nearest, o, i]


def _chunked(layer: ChunkedLinear, time: float) -> Entry:
    num_frames, bases = layer.weight_chunks.num_frames, len(layer.basis)
    frame = round(time * (num_frames - 1))
    r = frame * bases // num_frames
    members = [k for k in range(num_frames) if k * bases // num_frames == r]
    local = (time * (num_frames - 1) - members[0]) / max(len(members) - 1, 1)
    v = slow_coefficients(layer.coefficients[r], min(max(local, 0.0), 1.0))
    weight = layer.weight
    if layer.deviations is not None:
        weight = weight + layer.deviations[frame * len(layer.deviations) // num_frames]
    return lambda o, i: weight[o, i] + sum(v[k] * layer.basis[r, k, o, i] for k in range(layer.rank))


_ENTRIES: dict[type[TimeLinear], Callable[..., Entry]] = {
    PlainLinear: _plain,
    ResFieldLinear: _low_rank,
    OutputResidualLinear: _plain,
    ModulatedLinear: _modulated,
    DirectLinear: _direct,
    FrameMatricesLinear: _frame_matrices,
    MatrixMatrixLinear: _matrix_matrix,
    HyperNetworkLinear: _hypernetwork,
    CPLinear: _cp,
    TuckerLinear: _tucker,
    ExpertsLinear: _experts,
    ChunkedLinear: _chunked,
}
