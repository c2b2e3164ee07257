"""A training step's losses as two CUDA graphs, one forward and one backward: a GPU need not wait for Python."""

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


class GraphedLosses:
    """`fixed_losses` on a GPU, captured anew when what they are made of changes.

    Args:
        model: on a GPU
        sizes: rays of every frame in a batch, in order of time
    """

    def __init__(self, model: DynamicModel, sizes: tuple[int, ...]) -> None:
        self.model = model
        self.sizes = sizes
        self.captured: tuple[bool, bool] | None = None

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
        half = torch.is_autocast_enabled("cuda")
        with torch.autocast("cuda", enabled=half, cache_enabled=False):
            if self.captured != (state := (half, self.model.takes_sparsity_loss)):
                self.captured = state
                self.losses = _Losses(self.model, self.sizes, names)
                torch.cuda.make_graphed_callables(
                    self.losses, tuple(tensor.clone() for tensor in inputs), allow_unused_input=True
                )
            return dict(zip(self.losses.names, self.losses(*inputs), strict=True))


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
