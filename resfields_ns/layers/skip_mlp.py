"""The MLP of deformation fields: its input comes back half way."""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn


class SkipMLP(nn.Module):
    """ReLU layers, the last included; one of them sees [input, hidden] (Pumarola et al. 2021; Park et al. 2021a).

    Args:
        in_dim: size of the input
        hidden_dim: width, the size of the output as well
        num_layers: layers
        skip_layer: the layer after the first that also sees the MLP's input
    """

    def __init__(self, in_dim: int, hidden_dim: int, num_layers: int, skip_layer: int) -> None:
        super().__init__()
        self.skip_layer = skip_layer
        sizes = [in_dim] + [hidden_dim] * (num_layers - 1)
        sizes[skip_layer] += in_dim
        self.layers = cast(Sequence[nn.Linear], nn.ModuleList(nn.Linear(size, hidden_dim) for size in sizes))

    def forward(self, x: Float[Tensor, "points in"]) -> Float[Tensor, "points hidden"]:
        """The last layer's activations."""
        hidden = x
        for index, layer in enumerate(self.layers):
            if index == self.skip_layer:
                hidden = torch.cat((x, hidden), dim=-1)
            hidden = torch.relu(layer(hidden))
        return hidden
