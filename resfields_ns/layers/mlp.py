"""MLPs whose layers may depend on time, and the plain one of deformation fields."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.jets import Jet
from resfields_ns.functional.segment_linear import segment_linear
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers.linear import PlainLinear, TimeLinear
from resfields_ns.layers.low_rank import ResFieldLinear

MakeLayers = Callable[[Sequence[tuple[int, int]]], list[TimeLinear]]  # from (inputs, outputs) of every layer


class MLP(nn.Module, ABC):
    """Fully connected layers of which any subset depends on time; no activation after the last.

    Args:
        shapes: (inputs, outputs) of every layer
        make_layers: makes layers of these shapes, see `ResidualOptions.layer_maker`
    """

    def __init__(self, shapes: Sequence[tuple[int, int]], make_layers: MakeLayers) -> None:
        super().__init__()
        self.layers = cast(Sequence[TimeLinear], nn.ModuleList(make_layers(shapes)))
        self.reset_parameters()

    @abstractmethod
    def reset_parameters(self) -> None:
        """Initialise the shared weights and biases."""

    @abstractmethod
    def activation(self, x: Float[Tensor, "points hidden"]) -> Float[Tensor, "points hidden"]:
        """The non-linearity between layers."""

    def before_activation(
        self, weights: Float[Tensor, "matrices out in"], bias: Float[Tensor, "out"]
    ) -> tuple[Float[Tensor, "matrices out in"], Float[Tensor, "out"]]:
        """What a hidden layer multiplies by and adds."""
        return weights, bias

    def compose(self, times: Float[Tensor, "segments"]) -> list[Tensor]:
        """The matrices of every layer at every time, each [segments or 1, out, in]."""
        return [layer.compose(times) for layer in self.layers]

    def forward(self, x: Float[Tensor, "points in"], segments: TimeSegments) -> Float[Tensor, "points out"]:
        """Evaluate at points that come in segments of equal time."""
        last = len(self.layers) - 1
        for index, (layer, weights) in enumerate(zip(self.layers, self.compose(segments.times), strict=True)):
            weights, bias = self.before_activation(weights, layer.bias) if index < last else (weights, layer.bias)
            x = segment_linear(x, weights, segments.sizes, bias)
            x = layer.add_output_residual(self.activation(x) if index < last else x, segments)
        return x


class ReLUMLP(MLP):
    """ReLU layers, initialised as He et al. 2015."""

    def reset_parameters(self) -> None:
        """Initialise weights for ReLU; biases keep the default of `nn.Linear`."""
        for layer in self.layers:
            layer.initialise(partial(nn.init.kaiming_normal_, nonlinearity="relu"))

    def activation(self, x: Float[Tensor, "points hidden"]) -> Float[Tensor, "points hidden"]:
        """max(x, 0)."""
        return torch.relu(x)


class SirenMLP(MLP):
    """Sine layers sin(30 x) (Sitzmann et al. 2020b, Sec. 3.2)."""

    OMEGA = 30.0

    def reset_parameters(self) -> None:
        """Uniform weights that keep the distribution of activations from layer to layer."""
        for index, layer in enumerate(self.layers):
            bound = 1.0 / layer.in_features if index == 0 else (6.0 / layer.in_features) ** 0.5 / self.OMEGA
            layer.initialise(partial(nn.init.uniform_, a=-bound, b=bound))

    def before_activation(
        self, weights: Float[Tensor, "matrices out in"], bias: Float[Tensor, "out"]
    ) -> tuple[Float[Tensor, "matrices out in"], Float[Tensor, "out"]]:
        """Both times 30: there are fewer of them than of the numbers that they make."""
        return self.OMEGA * weights, self.OMEGA * bias

    def activation(self, x: Float[Tensor, "points hidden"]) -> Float[Tensor, "points hidden"]:
        """sin x, of an x that carries the factor 30."""
        return torch.sin(x)

    def jet(self, x: Jet, segments: TimeSegments, with_time: bool) -> Jet:
        """Values and derivatives at points; with time, the first direction moves the weights too, as time in [0, 1].

        Residual weights are then those of `ResFieldLinear` with splines as coefficients.
        """
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            matrices = (layer.compose(segments.times),)
            if with_time and not isinstance(layer, PlainLinear):
                assert isinstance(layer, ResFieldLinear), "other layers have no derivatives by time"
                matrices += layer.rates(segments.times)
            if index < last:
                matrices = tuple(self.OMEGA * matrix for matrix in matrices)
            x = x.transformed(matrices, self.OMEGA * layer.bias if index < last else layer.bias, segments)
            x = x.through_sine() if index < last else x
        return x


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
