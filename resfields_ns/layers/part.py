"""What pictures show of the residuals in a module (paper, Figure A.1)."""

from torch import nn

from resfields_ns.layers.low_rank import ResFieldLinear


def largest_rank(module: nn.Module) -> int:
    """Rank of the module's residual layers, 0 where there are none."""
    return max((layer.rank for layer in module.modules() if isinstance(layer, ResFieldLinear)), default=0)


def show_residuals(module: nn.Module, scale: float, rank: int) -> None:
    """While not training, scale all residuals and keep their best approximations of at most `rank`.

    A scale of 0 shows what the base weights alone hold.
    """
    for layer in module.modules():
        if isinstance(layer, ResFieldLinear):
            layer.show_residual(scale, rank)
