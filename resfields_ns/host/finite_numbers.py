"""Numbers of a training that are no longer finite: NaN or infinite losses, gradients and parameters."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler

_LEAST_SCALE = 2.0**-24  # of gradients in half precision: whose fault is not its range
_ADVICE = (
    "try a smaller learning rate (--optimizers.field.optimizer.lr), gradients that are clipped "
    "(--optimizers.field.optimizer.max-norm 1) or, with --mixed-precision, full precision; rf-check looks the data over"
)


def not_finite(step: int, broken: str, kept: str) -> ValueError:
    """What is said of a step at which something `broken` was found, and of what was `kept`."""
    return ValueError(f"step {step}: expected finite numbers, found {broken}; {kept}; {_ADVICE}")


def broken_step(
    losses: Mapping[str, Tensor], groups: Mapping[str, Sequence[nn.Parameter]], scaler: GradScaler
) -> str | None:
    """The first loss, or group of parameters whose gradient, is not finite after a step; None if all are.

    A scaler of gradients skips steps in which they are infinite, until it has made them small enough: only where it
    finds no end is something broken.
    """
    values = {f"the loss {name}": loss.detach() for name, loss in losses.items()}
    if scaler.is_enabled():
        if (scale := scaler.get_scale()) < _LEAST_SCALE:
            return f"gradients that are not finite however they are scaled (now by {scale:.2g})"
    else:
        values |= {f"the gradient of the group {name}": norm for name, norm in _gradient_norms(groups)}
    if not values:
        return None
    numbers = torch.stack([value.float() for value in values.values()]).tolist()
    return _first_broken(dict(zip(values, numbers, strict=True)))


def broken_parameter(module: nn.Module) -> str | None:
    """The first parameter with a number that is not finite; None if there is none."""
    for name, parameter in module.named_parameters():
        if not torch.isfinite(parameter).all():
            return f"NaN or infinity in the parameter {name}"
    return None


def _gradient_norms(groups: Mapping[str, Sequence[nn.Parameter]]) -> list[tuple[str, Tensor]]:
    norms = []
    for name, parameters in groups.items():
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if gradients:
            norms.append((name, nn.utils.get_total_norm(gradients, norm_type=float("inf"))))
    return norms


def _first_broken(numbers: Mapping[str, float]) -> str | None:
    for name, number in numbers.items():
        if not -float("inf") < number < float("inf"):
            return f"{name} = {number}"
    return None
