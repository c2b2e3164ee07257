"""What a module may offer to whoever holds it, and the walks that collect it from a tree of modules."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.timeline import times_from_frames


class Part(nn.Module):
    """A module that speaks for itself; it offers nothing but what a subclass overrides."""

    def losses(self) -> dict[str, Tensor]:
        """Weighted terms of the training loss that need nothing but the part, by name."""
        return {}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters that an optimizer of their own trains, by its name."""
        return {}

    def set_progress(self, progress: float) -> None:
        """Follow a coarse-to-fine schedule to a share in [0, 1]."""

    @property
    def residual_rank(self) -> int:
        """Up to which rank `show_residual` can show a residual; 0 where it cannot."""
        return 0

    def show_residual(self, scale: float, rank: int) -> None:
        """While not training, multiply the residual by `scale` and keep its best approximation of at most `rank`."""

    def coefficients_at(self, times: Float[Tensor, "times"]) -> Float[Tensor, "times width"] | None:
        """The coefficients v(t) of the part's residual at times in [0, 1]; None where it is not made of any."""
        del times
        return None


def part_losses(module: nn.Module) -> dict[str, Tensor]:
    """The losses of all parts of a module; those of one name are added up."""
    losses: dict[str, Tensor] = {}
    for part in _parts(module):
        for name, loss in part.losses().items():
            losses[name] = losses[name] + loss if name in losses else loss
    return losses


def parameter_groups(module: nn.Module, rest: str) -> dict[str, list[nn.Parameter]]:
    """The parameters of a module by the optimizer that trains them: `rest`, but for those that parts ask others for."""
    groups: dict[str, list[nn.Parameter]] = {rest: []}
    for part in _parts(module):
        for name, parameters in part.parameter_groups().items():
            groups.setdefault(name, []).extend(parameters)
    taken = {parameter for parameters in groups.values() for parameter in parameters}
    groups[rest] += [parameter for parameter in module.parameters() if parameter not in taken]
    return groups


def set_progress(module: nn.Module, progress: float) -> None:
    """Let all parts of a module follow a coarse-to-fine schedule to a share in [0, 1]."""
    for part in _parts(module):
        part.set_progress(progress)


def largest_rank(module: nn.Module) -> int:
    """The largest rank of residuals that can be shown in a module, 0 where there are none."""
    return max((part.residual_rank for part in _parts(module)), default=0)


def show_residuals(module: nn.Module, scale: float, rank: int) -> None:
    """While not training, scale all residuals and keep their best approximations of at most `rank` (Figure A.1).

    A scale of 0 shows what the shared weights alone hold.
    """
    for part in _parts(module):
        part.show_residual(scale, rank)


def shown_parts(module: nn.Module) -> dict[str, Part]:
    """The parts of a module whose residual can be shown otherwise than it was trained, by their names."""
    parts = {name: part for name, part in module.named_modules() if isinstance(part, Part)}
    return {name: part for name, part in parts.items() if part.residual_rank > 0}


@torch.no_grad()
def coefficients_of_frames(module: nn.Module, num_frames: int) -> dict[str, Float[Tensor, "frames width"]]:
    """The coefficients v(t) at every frame, of all parts of a module that have some, by their names."""
    times = times_from_frames(torch.arange(num_frames), num_frames).to(next(module.parameters()).device)
    parts = {name: part for name, part in module.named_modules() if isinstance(part, Part)}
    found = {name: part.coefficients_at(times) for name, part in parts.items()}
    return {name: coefficients for name, coefficients in found.items() if coefficients is not None}


def _parts(module: nn.Module) -> Iterator[Part]:
    return (part for part in module.modules() if isinstance(part, Part))
