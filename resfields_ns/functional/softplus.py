"""A sharp softplus together with its slope.

Notation: b the sharpness; a(z) = log(1 + exp(b z)) / b; its slope s(z) = sigmoid(b z).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

EXACT = 40.0  # b z above which a(z) is z to the last digit, of float64 too


def softplus(z: Float[Tensor, "*batch"], sharpness: float) -> Float[Tensor, "*batch"]:
    """a(z); float16 is computed in float32."""
    return F.softplus(z.float() if z.dtype == torch.float16 else z, sharpness, EXACT)


class _SoftplusAndSlope(torch.autograd.Function):
    """Keeps the slope alone: it is all that the backward pass of both outputs needs."""

    @staticmethod
    def forward(ctx, z: Tensor, sharpness: float) -> tuple[Tensor, Tensor]:
        value, slope = F.softplus(z, sharpness, EXACT), torch.sigmoid(z * sharpness)
        ctx.save_for_backward(slope)
        ctx.sharpness = sharpness
        return value, slope

    @staticmethod
    def backward(ctx, value_gradient: Tensor, slope_gradient: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return torch.addcmul(value_gradient, slope_gradient, 1.0 - slope, value=ctx.sharpness) * slope, None


def softplus_and_slope(
    z: Float[Tensor, "*batch"], sharpness: float
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """a(z) and s(z), cheaper in time and memory than automatic differentiation of `torch.nn.functional.softplus`.

    Float16 is computed in float32.
    """
    return _SoftplusAndSlope.apply(z.float() if z.dtype == torch.float16 else z, sharpness)  # pyright: ignore[reportReturnType]
