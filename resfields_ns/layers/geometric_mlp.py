"""The MLPs of signed distance fields: they start as a sphere and know their own gradient."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.segment_linear import segment_linear
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.functional.softplus import softplus_and_slope
from resfields_ns.layers.mlp import MLP, MakeLayers


class GeometricMLP(MLP):
    """Layers of rectifiers with skips of the input, initialised as the distance to a sphere.

    Output 0 is the distance (Gropp et al. 2020; Yariv et al. 2021). The first `num_coordinates` inputs are raw
    coordinates; what follows them (encodings) starts without effect.

    Args:
        num_coordinates: raw coordinates at the front of the input
        in_dim: size of the input
        hidden_dim: width
        num_hidden: hidden layers
        out_dim: size of the output
        skip_layers: hidden layers after the first; their input is joined by the MLP's input, the two divided by sqrt(2)
        radius: radius of the initial sphere
        make_layers: as for `MLP`

    Raises:
        ValueError: if a skip layer is no such layer, or `hidden_dim` leaves it no room beside the input
    """

    def __init__(
        self,
        num_coordinates: int,
        in_dim: int,
        hidden_dim: int,
        num_hidden: int,
        out_dim: int,
        skip_layers: Sequence[int],
        radius: float,
        make_layers: MakeLayers,
    ) -> None:
        if outside := [index for index in skip_layers if not 0 < index < num_hidden]:
            raise ValueError(f"skip_layers: expected 1 to {num_hidden - 1}, got {outside[0]}")
        if skip_layers and hidden_dim <= in_dim:
            raise ValueError(f"hidden_dim: expected above the {in_dim} inputs, got {hidden_dim}")
        self.num_coordinates = num_coordinates
        self.in_dim = in_dim
        self.skip_layers = tuple(skip_layers)
        self.radius = radius
        shapes = [(in_dim, hidden_dim)] + [(hidden_dim, hidden_dim)] * (num_hidden - 1) + [(hidden_dim, out_dim)]
        for index in skip_layers:
            shapes[index - 1] = (shapes[index - 1][0], hidden_dim - in_dim)
        super().__init__(shapes, make_layers)

    def reset_parameters(self) -> None:
        """Geometric initialisation: output 0 is |x| - radius, whatever the encodings hold."""
        for index, layer in enumerate(self.layers):  # the last one too, so that seeds mean what they always meant
            layer.initialise(partial(self._fill, sees_encodings=index == 0 or index in self.skip_layers))
            nn.init.zeros_(layer.bias)
        last = self.layers[-1]
        last.initialise(partial(nn.init.normal_, mean=math.sqrt(math.pi / last.in_features), std=1e-4))
        nn.init.constant_(last.bias, -self.radius)

    def _fill(self, weight: Float[Tensor, "out in"], sees_encodings: bool) -> None:
        nn.init.normal_(weight, 0.0, math.sqrt(2.0 / weight.shape[0]))
        if sees_encodings:
            nn.init.zeros_(weight[:, weight.shape[1] - (self.in_dim - self.num_coordinates) :])

    def turn_inside_out(self) -> None:
        """Let output 0 have the other sign: the initial sphere is positive inside, as a density is."""
        last = self.layers[-1]
        factors = last.bias.new_ones(last.out_features)
        factors[0] = -1.0
        last.scale_outputs(factors)

    @abstractmethod
    def activation_and_slope(
        self, z: Float[Tensor, "points hidden"]
    ) -> tuple[Float[Tensor, "points hidden"], Float[Tensor, "points hidden"]]:
        """The non-linearity between layers, and its derivative."""

    def activation(self, x: Float[Tensor, "points hidden"]) -> Float[Tensor, "points hidden"]:
        """The non-linearity between layers."""
        return self.activation_and_slope(x)[0]

    def forward(self, x: Float[Tensor, "points in"], segments: TimeSegments) -> Float[Tensor, "points out"]:
        """Evaluate at points that come in segments of equal time."""
        return self._evaluate(x, segments, self.compose(segments.times))[0]

    def forward_with_gradient(
        self, x: Float[Tensor, "points in"], segments: TimeSegments
    ) -> tuple[Float[Tensor, "points out"], Float[Tensor, "points in"]]:
        """Outputs, and the gradient of output 0 with respect to x.

        The gradient is an explicit backward sweep in ordinary operations, so training on it needs a first-order
        autograd graph only.
        """
        matrices = self.compose(segments.times)
        output, slopes = self._evaluate(x, segments, matrices)
        gradient = segments.expand(matrices[-1][:, 0].expand(len(segments.sizes), -1))
        input_gradient = torch.zeros_like(x)
        for index in reversed(range(len(slopes))):
            gradient = segment_linear(gradient * slopes[index], matrices[index].mT, segments.sizes)
            if index in self.skip_layers:
                gradient = gradient * math.sqrt(0.5)
                gradient, skipped = gradient.split((gradient.shape[1] - self.in_dim, self.in_dim), dim=1)
                input_gradient = input_gradient + skipped
        return output, input_gradient + gradient

    def _evaluate(
        self, x: Float[Tensor, "points in"], segments: TimeSegments, matrices: list[Tensor]
    ) -> tuple[Float[Tensor, "points out"], list[Tensor]]:
        """The output, and the slope of the activation behind every hidden layer."""
        hidden, slopes = x, []
        for index, (layer, weights) in enumerate(zip(self.layers, matrices, strict=True)):
            if index in self.skip_layers:
                hidden = torch.cat((hidden, x), dim=-1) * math.sqrt(0.5)
            hidden = segment_linear(hidden, weights, segments.sizes, layer.bias)
            if index < len(self.layers) - 1:
                hidden, slope = self.activation_and_slope(hidden)
                slopes.append(slope)
            hidden = layer.add_output_residual(hidden, segments)
        return hidden, slopes


class SoftplusGeometricMLP(GeometricMLP):
    """Softplus(100) between layers (Gropp et al. 2020)."""

    SHARPNESS = 100.0

    def activation_and_slope(
        self, z: Float[Tensor, "points hidden"]
    ) -> tuple[Float[Tensor, "points hidden"], Float[Tensor, "points hidden"]]:
        """log(1 + exp(100 z)) / 100, and its derivative."""
        return softplus_and_slope(z, self.SHARPNESS)


class ReLUGeometricMLP(GeometricMLP):
    """ReLU between layers, for which geometric initialisation was derived (Atzmon & Lipman 2020)."""

    def activation_and_slope(
        self, z: Float[Tensor, "points hidden"]
    ) -> tuple[Float[Tensor, "points hidden"], Float[Tensor, "points hidden"]]:
        """max(z, 0), and its derivative, 0 at the kink."""
        return torch.relu(z), (z > 0.0).to(z.dtype)
