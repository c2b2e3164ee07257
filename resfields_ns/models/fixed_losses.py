"""A training step's losses with shapes that are the same at every step: as two CUDA graphs, or compiled."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.segments import TimeSegments
from resfields_ns.models.dynamic_model import DynamicModel
from resfields_ns.models.rendering import Rays

TARGETS = ("image", "mask", "depth", "indices", "behind", "known", "hidden", "seen")
"""What the images, and plates, may hold at rays, and which pixels the rays are of."""


def fixed_losses(
    model: DynamicModel,
    sizes: tuple[int, ...],
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    times: Float[Tensor, "rays"],
    targets: dict[str, Tensor],
) -> dict[str, Tensor]:
    """The losses of rays whose runs of equal time have known sizes: their shapes are the same at every step."""
    segments = TimeSegments.from_sizes(times, sizes)
    return model.training_losses(Rays(origins, directions, times, segments), targets)


class FixedLosses(ABC):
    """`fixed_losses` as something faster, which is made anew when what they are made of changes.

    Args:
        model: where it will train
        sizes: rays of every frame in a batch, in order of time
    """

    def __init__(self, model: DynamicModel, sizes: tuple[int, ...]) -> None:
        self.model = model
        self.sizes = sizes
        self.made_for: tuple[bool, bool] | None = None

    @abstractmethod
    def make(self, losses: nn.Module, inputs: tuple[Tensor, ...]) -> nn.Module:
        """Something faster than a module that makes tensors of tensors of these shapes."""

    def __call__(
        self,
        origins: Float[Tensor, "rays 3"],
        directions: Float[Tensor, "rays 3"],
        times: Float[Tensor, "rays"],
        batch: dict[str, Tensor],
    ) -> dict[str, Tensor]:
        """The losses of rays, and of what the images hold at them."""
        names = [name for name in TARGETS if name in batch]
        inputs = (origins, directions, times, *(batch[name] for name in names))
        device = self.model.device.type
        half = torch.is_autocast_enabled(device)
        with torch.autocast(device, enabled=half, cache_enabled=False):
            if self.made_for != (state := (half, self.model.takes_sparsity_loss)):
                self.made_for = state
                self.losses = _Losses(self.model, self.sizes, names)
                self.faster = self.make(self.losses, inputs)
            values = self.faster(*inputs)
        return dict(zip(self.losses.names, values, strict=True))


class GraphedLosses(FixedLosses):
    """As CUDA graphs, one forward and one backward: a GPU need not wait for Python."""

    def make(self, losses: nn.Module, inputs: tuple[Tensor, ...]) -> nn.Module:
        """The module, which replays its graphs from now on."""
        torch.cuda.make_graphed_callables(losses, tuple(tensor.clone() for tensor in inputs), allow_unused_input=True)
        return losses


class CompiledLosses(FixedLosses):
    """Compiled, with random numbers as without: operations on the same numbers become one."""

    def make(self, losses: nn.Module, inputs: tuple[Tensor, ...]) -> nn.Module:
        """The module's compiled form."""
        del inputs
        return compiled(losses)


def compiled(module: nn.Module) -> nn.Module:
    """What does the same, for shapes that stay; it is compiled when it is first called."""
    made = torch.compile(module, dynamic=False, options={"fallback_random": True})
    assert isinstance(made, nn.Module)
    return made


def no_compiler(device: torch.device) -> str | None:
    """Why nothing can be compiled here, or None: it is tried."""
    try:
        compiled(nn.Softplus())(torch.zeros(8, device=device))
    except Exception as error:  # of compilers, their headers, Triton and the system
        return (str(error).strip() or type(error).__name__).splitlines()[0]
    return None


class _Losses(nn.Module):
    """From tensors to tensors, as a graph needs it."""

    def __init__(self, model: DynamicModel, sizes: tuple[int, ...], targets: list[str]) -> None:
        super().__init__()
        self.model = model
        self.sizes = sizes
        self.targets = targets
        self.names: list[str] = []

    def forward(self, origins: Tensor, directions: Tensor, times: Tensor, *targets: Tensor) -> tuple[Tensor, ...]:
        """The losses' values; `names` are theirs."""
        named = dict(zip(self.targets, targets, strict=True))
        losses = fixed_losses(self.model, self.sizes, origins, directions, times, named)
        self.names = list(losses)
        return tuple(losses.values())
