"""Matrix products over runs of points, one matrix a run.

Notation: N points in K segments of sizes n_k; x_k [n_k, in] the points of segment k, W_k [out, in] its matrix.
The two products below are each other's gradients, so both can be differentiated any number of times:
y_k = x_k W_k^T gives dx_k = dy_k W_k and dW_k = dy_k^T x_k.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from resfields_ns.functional.segments import SizeTable


def segment_linear(
    x: Float[Tensor, "points in"],
    weights: Float[Tensor, "segments out in"],
    sizes: tuple[int, ...],
    bias: Float[Tensor, "out"] | None = None,
) -> Float[Tensor, "points out"]:
    """Apply weights[k] to the sizes[k] points of segment k; a single matrix serves all points.

    Under autocast products are of its type, as those of `F.linear` are.
    """
    if weights.shape[0] == 1:
        return F.linear(x, weights[0], bias)
    if torch.is_autocast_enabled(x.device.type):
        kind = torch.get_autocast_dtype(x.device.type)
        x, weights = x.to(kind), weights.to(kind)
    y = _SegmentLinear.apply(x, weights, sizes)
    return y if bias is None else y.add_(bias)  # pyright: ignore[reportReturnType, reportOptionalMemberAccess]


class _SegmentLinear(torch.autograd.Function):
    """y_k = x_k W_k^T."""

    @staticmethod
    def forward(ctx, x: Tensor, weights: Tensor, sizes: tuple[int, ...]) -> Tensor:
        ctx.save_for_backward(x, weights)
        ctx.sizes = sizes
        y = x.new_empty(x.shape[0], weights.shape[1])
        if len(set(sizes)) == 1:
            torch.bmm(_stacked(x, sizes), weights.mT, out=_stacked(y, sizes))
            return y
        if _fits_grouped_mm(x, weights):
            return F.grouped_mm(x, weights.mT, offs=_ends(x.device, sizes))
        for x_k, weight, y_k in zip(x.split(sizes), weights.unbind(0), y.split(sizes), strict=True):
            torch.mm(x_k, weight.t(), out=y_k)
        return y

    @staticmethod
    def backward(ctx, y_gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weights = ctx.saved_tensors
        needs_x, needs_weights, _ = ctx.needs_input_grad
        x_gradient = _SegmentLinear.apply(y_gradient, weights.mT, ctx.sizes) if needs_x else None
        weights_gradient = _SegmentOuter.apply(y_gradient, x, ctx.sizes) if needs_weights else None
        return x_gradient, weights_gradient, None  # pyright: ignore[reportReturnType]


class _SegmentOuter(torch.autograd.Function):
    """D_k = a_k^T b_k."""

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor, sizes: tuple[int, ...]) -> Tensor:
        ctx.save_for_backward(a, b)
        ctx.sizes = sizes
        if len(set(sizes)) == 1:
            return torch.bmm(_stacked(a, sizes).mT, _stacked(b, sizes))
        if _fits_grouped_mm(a, b):
            return F.grouped_mm(a.t(), b, offs=_ends(a.device, sizes))
        products = a.new_empty(len(sizes), a.shape[1], b.shape[1])
        for a_k, b_k, product in zip(a.split(sizes), b.split(sizes), products.unbind(0), strict=True):
            torch.mm(a_k.t(), b_k, out=product)
        return products

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        a, b = ctx.saved_tensors
        needs_a, needs_b, _ = ctx.needs_input_grad
        a_gradient = _SegmentLinear.apply(b, gradient, ctx.sizes) if needs_a else None
        b_gradient = _SegmentLinear.apply(a, gradient.mT, ctx.sizes) if needs_b else None
        return a_gradient, b_gradient, None  # pyright: ignore[reportReturnType]


def _stacked(points: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """The points of segments of one size, [segments, size, numbers]: one batched product is fastest for them."""
    return points.reshape(len(sizes), sizes[0], points.shape[1])


def _fits_grouped_mm(points: Tensor, other: Tensor) -> bool:
    """Whether torch's grouped product takes these: float32, and rows and columns of whole 16 bytes."""
    aligned = (
        matrix.dtype == torch.float32
        and (matrix.is_contiguous() or matrix.mT.is_contiguous())
        and matrix.data_ptr() % 16 == 0
        for matrix in (points, other)
    )
    widths = (points.shape[1], *other.shape[-2:]) if other.dim() == 3 else (points.shape[1], other.shape[1])
    return hasattr(F, "grouped_mm") and all(aligned) and all(width % 4 == 0 for width in widths)


_ends = SizeTable(lambda sizes: torch.tensor(sizes).cumsum(0, dtype=torch.int32))
