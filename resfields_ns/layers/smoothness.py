"""The loss on coefficients that change abruptly over time."""

from torch import Tensor, nn

from resfields_ns.functional.roughness import roughness
from resfields_ns.layers.coefficients import Coefficients


def smoothness_losses(module: nn.Module) -> dict[str, Tensor]:
    """The weighted roughness of the module's coefficients, summed; nothing where no weight is above 0."""
    weighted = [
        part.smoothness_weight * roughness(part.table)
        for part in module.modules()
        if isinstance(part, Coefficients) and part.smoothness_weight > 0.0
    ]
    return {"smoothness": sum(weighted[1:], weighted[0])} if weighted else {}
