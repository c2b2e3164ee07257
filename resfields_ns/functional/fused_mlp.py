"""An MLP over segments of equal time as two kernels, which keep activations on the chip (Triton; NVIDIA GPUs).

Notation: N points x [N, I] in K segments; hidden layers l = 1 ... L of width H, with W_l, b_l and a function sigma,
    z_l = h_{l-1} W_l^T + x U_l^T + b_l,    h_l = sigma(z_l),    h_0 = 0 with U_1 alone;
U_l is zero but for the first layer and for skip layers. The number f = w . h_L + b and the feature F = V h_L + c. Its
gradient by x is the sweep
    g_L = w,    u_l = g_l sigma'(z_l),    g_{l-1} = u_l W_l,    df/dx = sum_l u_l U_l.
Matrices are those of the point's segment, padded with zeros to powers of two. sigma' is known from h: for the softplus
of sharpness s it is 1 - exp(-s h), for the rectifier 1 where h > 0; so h_l and u_l are all that a backward pass keeps.

With a bar for the gradient of a loss, the backward pass first follows the sweep, upwards from g-bar_0, that by df/dx,
    u-bar_l = g-bar_{l-1} W_l^T + g-bar_0 U_l^T,    g-bar_l = u-bar_l sigma'(z_l),
and then the layers, downwards with h-bar_L = F-bar V + f-bar w,
    z-bar_l = h-bar_l sigma'(z_l) + u-bar_l g_l sigma''(z_l),    h-bar_{l-1} = z-bar_l W_l.
The matrices get W-bar_l = u_l^T g-bar_{l-1} + z-bar_l^T h_{l-1}, summed over the segment.
"""

import itertools
from dataclasses import dataclass
from functools import partial
from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from resfields_ns.functional.segments import SizeTable

ROWS = {64: 64, 128: 64, 256: 32}  # points of a program, by width: as many as fit its registers
CHUNK = 4096  # points that a program sums products over


@dataclass(frozen=True)
class FusedWeights:
    """Matrices of an MLP, of every segment or one for all (M = K or 1), padded with zeros; see the notation above.

    Layer 1 is `inputs[:, 0]`, and the skip layers, in order, follow in `inputs`.
    """

    inputs: Float[Tensor, "matrices skips hidden in"]
    hidden: Float[Tensor, "matrices later_layers hidden hidden"]
    biases: Float[Tensor, "all_layers hidden"]
    number: Float[Tensor, "matrices hidden"]
    feature: Float[Tensor, "matrices feature hidden"]


def fused_mlp(
    x: Float[Tensor, "points in"],
    weights: FusedWeights,
    sizes: tuple[int, ...],
    skip_layers: tuple[int, ...],
    sharpness: float,
    with_gradient: bool,
) -> tuple[Float[Tensor, "points"], Float[Tensor, "points feature"], Float[Tensor, "some in"]]:
    """The number and the feature, without their biases, and the number's gradient by x: of all points, or of none.

    Products are of the type of `x`, a half one on a GPU; sums are float32, as is the number. Differentiable once.

    Args:
        x: points, of a width that is a power of two, at least 16, as are the other widths
        weights: of the type of `x`, biases and `number` float32
        sizes: points of each segment
        skip_layers: hidden layers, counted from 0, that see x again
        sharpness: of the softplus; 0 for the rectifier
        with_gradient: whether df/dx is asked for
    """
    return _FusedMLP.apply(x, *vars(weights).values(), sizes, skip_layers, sharpness, with_gradient)  # pyright: ignore[reportReturnType]


class _FusedMLP(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        inputs: Tensor,
        hidden: Tensor,
        biases: Tensor,
        number: Tensor,
        feature: Tensor,
        sizes: tuple[int, ...],
        skip_layers: tuple[int, ...],
        sharpness: float,
        with_gradient: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        x = x.contiguous()
        num_points, (num_layers, width) = x.shape[0], biases.shape
        keep = any(ctx.needs_input_grad)
        ctx.options = {
            "LAYERS": num_layers,
            "SKIPS": sum(1 << layer for layer in skip_layers),
            "SHARPNESS": sharpness,
            "WITH_GRADIENT": with_gradient,
            "PER_SEGMENT": hidden.shape[0] > 1,
            "IN": x.shape[1],
            "HIDDEN": width,
            "FEATURE": feature.shape[1],
            "ROWS": ROWS[width],
            "num_warps": 4 if width <= 128 else 8,
            "num_stages": 1,
        }
        ctx.sizes, ctx.skip_layers = sizes, skip_layers
        activations = x.new_empty((num_layers, num_points, width) if keep or with_gradient else 1)
        sweep = x.new_empty((num_layers, num_points, width) if keep and with_gradient else 1)
        numbers = x.new_empty(num_points, dtype=torch.float32)
        features = x.new_empty(num_points, feature.shape[1])
        gradient = x.new_empty(x.shape if with_gradient else (0, x.shape[1]), dtype=torch.float32)
        runs = _runs(x.device, sizes, ROWS[width])
        if num_points > 0:
            _forward_kernel[(len(runs),)](
                runs, num_points, x, inputs, hidden, biases, number, feature,
                numbers, features, gradient, activations, sweep, INPUTS=inputs.shape[1], KEEP=keep, **ctx.options,
            )  # fmt: skip
        ctx.save_for_backward(x, inputs, hidden, number, feature, activations, sweep)
        return numbers, features, gradient

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *bars: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, inputs, hidden, number, feature, activations, sweep = ctx.saved_tensors
        number_bar, feature_bar, gradient_bar = (bar.contiguous() for bar in bars)
        gradient_bar = gradient_bar.to(x.dtype)
        swept, (num_points, width) = ctx.options["WITH_GRADIENT"], (x.shape[0], hidden.shape[-1])
        num_layers = ctx.options["LAYERS"]
        layer_bars = x.new_empty(num_layers, num_points, width)
        sweep_bars = x.new_empty((num_layers, num_points, width) if swept else 1)
        x_bar = torch.empty_like(x)
        zeros = [torch.zeros(like.shape, dtype=torch.float32, device=x.device) for like in (inputs, hidden, feature)]
        inputs_bar, hidden_bar, feature_matrix_bar = zeros
        number_matrix_bar, biases_bar = torch.zeros_like(number), number.new_zeros(num_layers, width)
        if num_points > 0:
            runs = _runs(x.device, ctx.sizes, ROWS[width])
            _backward_kernel[(len(runs),)](
                runs, num_points, inputs, hidden, number, feature, number_bar, feature_bar, gradient_bar,
                activations, sweep, layer_bars, sweep_bars, x_bar, number_matrix_bar,
                INPUTS=inputs.shape[1], **ctx.options,
            )  # fmt: skip
            above = (sweep[1:], sweep_bars) if swept else None
            add = partial(_add_outer_products, sizes=ctx.sizes)
            add(hidden_bar, above, (layer_bars[1:], activations), biases_bar[1:])
            for place, layer in enumerate((0, *ctx.skip_layers)):
                above = (sweep[layer], gradient_bar) if swept else None
                add(inputs_bar[:, place], above, (layer_bars[layer], x), biases_bar[0] if layer == 0 else None)
            add(feature_matrix_bar, None, (feature_bar, activations[-1]), None)
        return (
            x_bar,
            inputs_bar.to(inputs.dtype),
            hidden_bar.to(hidden.dtype),
            biases_bar,
            number_matrix_bar,
            feature_matrix_bar.to(feature.dtype),
            *(None,) * 4,
        )


def _add_outer_products(
    products: Float[Tensor, "matrices *layers rows columns"],
    swept: tuple[Tensor, Tensor] | None,
    plain: tuple[Tensor, Tensor],
    column_sums: Float[Tensor, "*layers rows"] | None,
    sizes: tuple[int, ...],
) -> None:
    """Add a^T b of each segment, of one or two pairs [layers, points, width], and the last a's sums over points."""
    left, right = plain
    first_left, first_right = plain if swept is None else swept
    rows, columns = left.shape[-1], right.shape[-1]
    tile_rows, tile_columns = min(rows, 128), min(columns, 128)
    num_layers = products.shape[1] if products.dim() == 4 else 1
    runs = _runs(left.device, sizes, CHUNK)
    _outer_kernel[(len(runs), num_layers, (rows // tile_rows) * (columns // tile_columns))](
        runs, left.shape[-2], first_left, first_right, left, right, products,
        left if column_sums is None else column_sums,
        products.stride(0) if products.shape[0] > 1 else 0, products.stride(1) if products.dim() == 4 else 0,
        WITH_FIRST=swept is not None, WITH_SUMS=column_sums is not None,
        ROWS=rows, COLUMNS=columns, TILE_ROWS=tile_rows, TILE_COLUMNS=tile_columns,
        POINTS=128 // left.element_size(),
        **{"num_stages": 2, "num_warps": 8 if tile_rows * tile_columns > 4096 else 4},
    )  # fmt: skip


def _make_runs(sizes: tuple[int, ...], length: int) -> Tensor:
    """Runs of at most `length` points within segments: (segment, first point, points)."""
    starts = [0, *itertools.accumulate(sizes)]
    runs = [
        (segment, start, min(length, starts[segment + 1] - start))
        for segment in range(len(sizes))
        for start in range(starts[segment], starts[segment + 1], length)
    ]
    return torch.tensor(runs, dtype=torch.int32).view(-1, 3)


_runs = SizeTable(_make_runs)


@triton.jit
@no_type_check
def _activation(z, SHARPNESS: tl.constexpr):
    if SHARPNESS == 0:
        return tl.maximum(z, 0.0)
    scaled = -tl.abs(z * SHARPNESS)
    return tl.maximum(z, 0.0) + tl.log(1.0 + tl.exp(scaled)) / SHARPNESS


@triton.jit
@no_type_check
def _slope(h, SHARPNESS: tl.constexpr):
    """sigma' of z, of the h = sigma(z) that is kept."""
    h = h.to(tl.float32)
    if SHARPNESS == 0:
        return tl.where(h > 0.0, 1.0, 0.0)
    return 1.0 - tl.exp(-SHARPNESS * h)


@triton.jit
@no_type_check
def _matrix(pointer, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    return tl.load(pointer + tl.arange(0, ROWS)[:, None] * COLUMNS + tl.arange(0, COLUMNS)[None, :])


@triton.jit
@no_type_check
def _transposed(pointer, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """A matrix [ROWS, COLUMNS] as [COLUMNS, ROWS]."""
    return tl.load(pointer + tl.arange(0, COLUMNS)[:, None] + tl.arange(0, ROWS)[None, :] * COLUMNS)


@triton.jit
@no_type_check
def _forward_kernel(
    runs, num_points, x, inputs, hidden, biases, number, feature, numbers, features, gradient, activations, sweep,
    INPUTS: tl.constexpr, KEEP: tl.constexpr, LAYERS: tl.constexpr, SKIPS: tl.constexpr, SHARPNESS: tl.constexpr,
    WITH_GRADIENT: tl.constexpr, PER_SEGMENT: tl.constexpr, IN: tl.constexpr, HIDDEN: tl.constexpr,
    FEATURE: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Outputs of a run of points of one segment."""
    run = runs + 3 * tl.program_id(0)
    segment = tl.load(run).to(tl.int64) if PER_SEGMENT else 0
    first, count = tl.load(run + 1).to(tl.int64), tl.load(run + 2)
    place = tl.arange(0, ROWS)
    valid = (place < count)[:, None]
    in_place = place[:, None] * IN + tl.arange(0, IN)[None, :]
    hidden_place = place[:, None] * HIDDEN + tl.arange(0, HIDDEN)[None, :]
    feature_place = place[:, None] * FEATURE + tl.arange(0, FEATURE)[None, :]
    layer_size = num_points.to(tl.int64) * HIDDEN
    inputs += segment * INPUTS * HIDDEN * IN
    hidden += segment * (LAYERS - 1) * HIDDEN * HIDDEN
    kind = x.dtype.element_ty
    columns = tl.arange(0, HIDDEN)
    x += first * IN
    gradient += first * IN
    numbers += first
    features += first * FEATURE
    activations += first * HIDDEN
    sweep += first * HIDDEN

    points_in = tl.load(x + in_place, mask=valid, other=0.0)
    z = tl.dot(points_in, _transposed(inputs, HIDDEN, IN))
    h = _activation(z + tl.load(biases + columns)[None, :], SHARPNESS)
    skip = 0
    for layer in range(1, LAYERS):
        h_low = h.to(kind)
        if KEEP or WITH_GRADIENT:
            tl.store(activations + (layer - 1) * layer_size + hidden_place, h_low, mask=valid)
        weight = _transposed(hidden + (layer - 1) * HIDDEN * HIDDEN, HIDDEN, HIDDEN)
        z = tl.dot(h_low, weight)
        if (SKIPS >> layer) & 1:
            skip += 1
            z = tl.dot(points_in, _transposed(inputs + skip * HIDDEN * IN, HIDDEN, IN), z)
        h = _activation(z + tl.load(biases + layer * HIDDEN + columns)[None, :], SHARPNESS)
    h_low = h.to(kind)
    if KEEP or WITH_GRADIENT:
        tl.store(activations + (LAYERS - 1) * layer_size + hidden_place, h_low, mask=valid)
    number_row = tl.load(number + segment * HIDDEN + columns)
    tl.store(numbers + place, tl.sum(h * number_row[None, :], axis=1), mask=place < count)
    feature_matrix = _transposed(feature + segment * FEATURE * HIDDEN, FEATURE, HIDDEN)
    made = tl.dot(h_low, feature_matrix)
    tl.store(features + feature_place, made.to(kind), mask=valid)

    if WITH_GRADIENT:
        tl.debug_barrier()  # activations are read by other threads than those that wrote them
        in_gradient = tl.zeros((ROWS, IN), tl.float32)
        g = tl.zeros((ROWS, HIDDEN), tl.float32) + number_row[None, :]
        for step in range(1, LAYERS):
            layer = LAYERS - step
            kept = tl.load(activations + layer * layer_size + hidden_place, mask=valid, other=0.0)
            u = (g * _slope(kept, SHARPNESS)).to(kind)
            if KEEP:
                tl.store(sweep + layer * layer_size + hidden_place, u, mask=valid)
            if (SKIPS >> layer) & 1:
                skip_matrix = _matrix(inputs + skip * HIDDEN * IN, HIDDEN, IN)
                in_gradient = tl.dot(u, skip_matrix, in_gradient)
                skip -= 1
            g = tl.dot(u, _matrix(hidden + (layer - 1) * HIDDEN * HIDDEN, HIDDEN, HIDDEN))
        kept = tl.load(activations + hidden_place, mask=valid, other=0.0)
        u = (g * _slope(kept, SHARPNESS)).to(kind)
        if KEEP:
            tl.store(sweep + hidden_place, u, mask=valid)
        in_gradient = tl.dot(u, _matrix(inputs, HIDDEN, IN), in_gradient)
        tl.store(gradient + in_place, in_gradient, mask=valid)


@triton.jit
@no_type_check
def _backward_kernel(
    runs, num_points, inputs, hidden, number, feature, number_bar, feature_bar, gradient_bar, activations, sweep,
    layer_bars, sweep_bars, x_bar, number_matrix_bar,
    INPUTS: tl.constexpr, LAYERS: tl.constexpr, SKIPS: tl.constexpr, SHARPNESS: tl.constexpr,
    WITH_GRADIENT: tl.constexpr, PER_SEGMENT: tl.constexpr, IN: tl.constexpr, HIDDEN: tl.constexpr,
    FEATURE: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Gradients by z of every layer (`layer_bars`), by g (`sweep_bars`) and by x; of a run of points of one segment."""
    run = runs + 3 * tl.program_id(0)
    segment = tl.load(run).to(tl.int64) if PER_SEGMENT else 0
    first, count = tl.load(run + 1).to(tl.int64), tl.load(run + 2)
    place = tl.arange(0, ROWS)
    valid = (place < count)[:, None]
    in_place = place[:, None] * IN + tl.arange(0, IN)[None, :]
    hidden_place = place[:, None] * HIDDEN + tl.arange(0, HIDDEN)[None, :]
    feature_place = place[:, None] * FEATURE + tl.arange(0, FEATURE)[None, :]
    layer_size = num_points.to(tl.int64) * HIDDEN
    inputs += segment * INPUTS * HIDDEN * IN
    hidden += segment * (LAYERS - 1) * HIDDEN * HIDDEN
    kind = activations.dtype.element_ty
    columns = tl.arange(0, HIDDEN)
    gradient_bar += first * IN
    x_bar += first * IN
    number_bar += first
    feature_bar += first * FEATURE
    activations += first * HIDDEN
    sweep += first * HIDDEN
    layer_bars += first * HIDDEN
    sweep_bars += first * HIDDEN
    to_number = tl.zeros((HIDDEN,), tl.float32)
    skip = 0

    if WITH_GRADIENT:
        start = tl.load(gradient_bar + in_place, mask=valid, other=0.0)
        u_bar = tl.dot(start, _transposed(inputs, HIDDEN, IN))
        for layer in range(LAYERS):
            slope = _slope(tl.load(activations + layer * layer_size + hidden_place, mask=valid, other=0.0), SHARPNESS)
            if SHARPNESS > 0:
                u = tl.load(sweep + layer * layer_size + hidden_place, mask=valid, other=0.0).to(tl.float32)
                bent = u_bar * u * (SHARPNESS * (1.0 - slope))
                tl.store(layer_bars + layer * layer_size + hidden_place, bent.to(kind), mask=valid)
            g_bar = (u_bar * slope).to(kind)
            if layer < LAYERS - 1:
                tl.store(sweep_bars + layer * layer_size + hidden_place, g_bar, mask=valid)
                weight = _transposed(hidden + layer * HIDDEN * HIDDEN, HIDDEN, HIDDEN)
                u_bar = tl.dot(g_bar, weight)
                if (SKIPS >> (layer + 1)) & 1:
                    skip += 1
                    skip_matrix = _transposed(inputs + skip * HIDDEN * IN, HIDDEN, IN)
                    u_bar = tl.dot(start, skip_matrix, u_bar)
            else:
                to_number += tl.sum(tl.where(valid, g_bar.to(tl.float32), 0.0), axis=0)
        tl.debug_barrier()  # layer_bars are read by other threads than those that wrote them
    else:
        for layer in range(1, LAYERS):
            skip += (SKIPS >> layer) & 1

    of_number = tl.load(number_bar + place, mask=place < count, other=0.0)[:, None]
    of_feature = tl.load(feature_bar + feature_place, mask=valid, other=0.0)
    h_bar = tl.dot(of_feature, _matrix(feature + segment * FEATURE * HIDDEN, FEATURE, HIDDEN))
    h_bar += of_number * tl.load(number + segment * HIDDEN + columns)[None, :]
    last = tl.load(activations + (LAYERS - 1) * layer_size + hidden_place, mask=valid, other=0.0)
    to_number += tl.sum(last.to(tl.float32) * of_number, axis=0)
    tl.atomic_add(number_matrix_bar + segment * HIDDEN + columns, to_number)
    of_x = tl.zeros((ROWS, IN), tl.float32)
    for step in range(1, LAYERS + 1):
        layer = LAYERS - step
        kept = tl.load(activations + layer * layer_size + hidden_place, mask=valid, other=0.0)
        z_bar = h_bar * _slope(kept, SHARPNESS)
        if WITH_GRADIENT and SHARPNESS > 0:
            z_bar += tl.load(layer_bars + layer * layer_size + hidden_place, mask=valid, other=0.0).to(tl.float32)
        z_low = z_bar.to(kind)
        tl.store(layer_bars + layer * layer_size + hidden_place, z_low, mask=valid)
        if layer == 0:
            of_x = tl.dot(z_low, _matrix(inputs, HIDDEN, IN), of_x)
        else:
            if (SKIPS >> layer) & 1:
                skip_matrix = _matrix(inputs + skip * HIDDEN * IN, HIDDEN, IN)
                of_x = tl.dot(z_low, skip_matrix, of_x)
                skip -= 1
            weight = _matrix(hidden + (layer - 1) * HIDDEN * HIDDEN, HIDDEN, HIDDEN)
            h_bar = tl.dot(z_low, weight)
    tl.store(x_bar + in_place, of_x.to(kind), mask=valid)


@triton.jit
@no_type_check
def _outer_kernel(
    runs, num_points, first_left, first_right, left, right, products, sums, segment_stride, layer_stride,
    WITH_FIRST: tl.constexpr, WITH_SUMS: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    TILE_ROWS: tl.constexpr, TILE_COLUMNS: tl.constexpr, POINTS: tl.constexpr,
):  # fmt: skip
    """Add a^T b of a run of points of one segment to a tile of a layer's matrix."""
    run = runs + 3 * tl.program_id(0)
    layer = tl.program_id(1).to(tl.int64)
    row = tl.program_id(2) // (COLUMNS // TILE_COLUMNS) * TILE_ROWS + tl.arange(0, TILE_ROWS)
    column = tl.program_id(2) % (COLUMNS // TILE_COLUMNS) * TILE_COLUMNS + tl.arange(0, TILE_COLUMNS)
    start, count = tl.load(run + 1).to(tl.int64), tl.load(run + 2)
    left_layer, right_layer = (layer * num_points + start) * ROWS, (layer * num_points + start) * COLUMNS
    total = tl.zeros((TILE_ROWS, TILE_COLUMNS), tl.float32)
    total_sum = tl.zeros((TILE_ROWS,), tl.float32)
    for offset in range(0, count, POINTS):
        place = offset + tl.arange(0, POINTS)
        valid = place < count
        left_place = left_layer + place[None, :] * ROWS + row[:, None]
        right_place = right_layer + place[:, None] * COLUMNS + column[None, :]
        if WITH_FIRST:
            a = tl.load(first_left + left_place, mask=valid[None, :], other=0.0)
            b = tl.load(first_right + right_place, mask=valid[:, None], other=0.0)
            total = tl.dot(a, b, total)
        a = tl.load(left + left_place, mask=valid[None, :], other=0.0)
        b = tl.load(right + right_place, mask=valid[:, None], other=0.0)
        total = tl.dot(a, b, total)
        if WITH_SUMS:
            total_sum += tl.sum(a.to(tl.float32), axis=1)
    at = products + tl.load(run).to(tl.int64) * segment_stride + layer * layer_stride
    tl.atomic_add(at + row[:, None] * COLUMNS + column[None, :], total)
    if WITH_SUMS and tl.program_id(2) % (COLUMNS // TILE_COLUMNS) == 0:
        tl.atomic_add(sums + layer * ROWS + row, total_sum)
