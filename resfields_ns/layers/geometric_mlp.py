"""The MLPs of signed distance fields: they start as a sphere and know their own gradient."""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.functional.segment_linear import segment_linear
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.functional.softplus import softplus, softplus_and_slope
from resfields_ns.layers.linear import TimeLinear
from resfields_ns.layers.mlp import MLP, MakeLayers

if TYPE_CHECKING:
    from resfields_ns.functional.fused_mlp import FusedWeights


HAS_TRITON = find_spec("triton") is not None
FUSED_WIDTHS = (64, 128, 256)
FUSED_POINTS_PER_SEGMENT = 16  # on average; below, the kernels' runs of points are mostly empty


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

    On a GPU, where there is Triton, the kernels of `functional/fused_mlp.py` evaluate widths of 64, 128 and 256 under
    autocast; float32 would gain nothing there: its products are TF32, cut off rather than rounded.

    Raises:
        ValueError: if a skip layer is no such layer, or `hidden_dim` leaves it no room beside the input
    """

    SHARPNESS: ClassVar[float]
    """Of the softplus; 0 for the rectifier."""

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

    def forward(self, x: Float[Tensor, "points in"], segments: TimeSegments) -> Float[Tensor, "points out"]:
        """Evaluate at points that come in segments of equal time."""
        matrices = self.compose(segments.times)
        if self._runs_fused(x, segments):
            return self._evaluate_fused(x, segments, matrices, with_gradient=False)[0]
        return self._evaluate(x, segments, matrices, self.activation)

    def forward_with_gradient(
        self, x: Float[Tensor, "points in"], segments: TimeSegments
    ) -> tuple[Float[Tensor, "points out"], Float[Tensor, "points in"]]:
        """Outputs, and the gradient of output 0 with respect to x.

        The gradient is an explicit backward sweep in ordinary operations, so training on it needs a first-order
        autograd graph only.
        """
        matrices = self.compose(segments.times)
        if self._runs_fused(x, segments):
            return self._evaluate_fused(x, segments, matrices, with_gradient=True)
        slopes = []

        def activation(z: Tensor) -> Tensor:
            value, slope = self.activation_and_slope(z)
            slopes.append(slope)
            return value

        output = self._evaluate(x, segments, matrices, activation)
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
        self,
        x: Float[Tensor, "points in"],
        segments: TimeSegments,
        matrices: list[Tensor],
        activation: Callable[[Tensor], Tensor],
    ) -> Float[Tensor, "points out"]:
        hidden = x
        for index, (layer, weights) in enumerate(zip(self.layers, matrices, strict=True)):
            if index in self.skip_layers:
                hidden = torch.cat((hidden, x), dim=-1) * math.sqrt(0.5)
            hidden = segment_linear(hidden, weights, segments.sizes, layer.bias)
            if index < len(self.layers) - 1:
                hidden = activation(hidden)
            hidden = layer.add_output_residual(hidden, segments)
        return hidden

    def _runs_fused(self, x: Float[Tensor, "points in"], segments: TimeSegments) -> bool:
        """Whether the kernels of `functional/fused_mlp.py` can take these points and this MLP."""
        return (
            HAS_TRITON
            and x.is_cuda
            and torch.is_autocast_enabled("cuda")
            and self.layers[-1].in_features in FUSED_WIDTHS
            and max(self.in_dim, self.layers[-1].out_features - 1) <= self.layers[-1].in_features
            and len(x) >= FUSED_POINTS_PER_SEGMENT * len(segments.sizes)
            and all(type(layer).add_output_residual is TimeLinear.add_output_residual for layer in self.layers)
        )

    def _evaluate_fused(
        self, x: Float[Tensor, "points in"], segments: TimeSegments, matrices: list[Tensor], with_gradient: bool
    ) -> tuple[Float[Tensor, "points out"], Float[Tensor, "some in"]]:
        """Output, and input gradient of all points or of none; products have the type of autocast, where that is on."""
        from resfields_ns.functional.fused_mlp import fused_mlp

        autocast = torch.is_autocast_enabled(x.device.type)
        kind = torch.get_autocast_dtype(x.device.type) if autocast else x.dtype
        bias = self.layers[-1].bias
        with torch.autocast(x.device.type, enabled=False):
            number, feature, gradient = fused_mlp(
                F.pad(x, (0, _padded(self.in_dim) - self.in_dim)).to(kind),
                self._fused_weights([matrix.float() for matrix in matrices], kind),
                segments.sizes,
                self.skip_layers,
                self.SHARPNESS,
                with_gradient,
            )
            feature = feature[:, : len(bias) - 1].to(number.dtype)
            output = torch.cat((number[:, None], feature), dim=1) + bias
        return output, gradient[:, : self.in_dim]

    def _fused_weights(self, matrices: list[Tensor], kind: torch.dtype) -> "FusedWeights":
        """The matrices, padded and stacked; those of skip layers are split by what they multiply."""
        from resfields_ns.functional.fused_mlp import FusedWeights

        width, in_padded, last = self.layers[-1].in_features, _padded(self.in_dim), matrices[-1]
        count = max(len(matrix) for matrix in matrices)
        inputs, hidden = [matrices[0]], []
        for index, matrix in enumerate(matrices[1:-1], start=1):
            if index in self.skip_layers:
                matrix, skipped = (math.sqrt(0.5) * matrix).split((width - self.in_dim, self.in_dim), dim=2)
                inputs.append(skipped)
            hidden.append(matrix)

        def stacked(parts: list[Tensor], columns: int) -> Tensor:
            padded = [F.pad(part, (0, columns - part.shape[2], 0, width - part.shape[1])) for part in parts]
            return torch.stack([part.expand(count, -1, -1) for part in padded], dim=1).to(kind)

        feature = F.pad(last[:, 1:], (0, 0, 0, _padded(last.shape[1] - 1) - (last.shape[1] - 1)))
        return FusedWeights(
            inputs=stacked(inputs, in_padded),
            hidden=stacked(hidden, width),
            biases=torch.stack([F.pad(layer.bias, (0, width - len(layer.bias))) for layer in self.layers[:-1]]),
            number=last[:, 0].expand(count, -1).contiguous(),
            feature=feature.expand(count, -1, -1).to(kind).contiguous(),
        )


def _padded(width: int) -> int:
    """The width that the kernels take for one."""
    return max(16, 2 ** math.ceil(math.log2(width)))


class SoftplusGeometricMLP(GeometricMLP):
    """Softplus(100) between layers (Gropp et al. 2020)."""

    SHARPNESS = 100.0

    def activation(self, x: Float[Tensor, "points hidden"]) -> Float[Tensor, "points hidden"]:
        """log(1 + exp(100 x)) / 100."""
        return softplus(x, self.SHARPNESS)

    def activation_and_slope(
        self, z: Float[Tensor, "points hidden"]
    ) -> tuple[Float[Tensor, "points hidden"], Float[Tensor, "points hidden"]]:
        """The same, and its derivative."""
        return softplus_and_slope(z, self.SHARPNESS)


class ReLUGeometricMLP(GeometricMLP):
    """ReLU between layers, for which geometric initialisation was derived (Atzmon & Lipman 2020)."""

    SHARPNESS = 0.0

    def activation(self, x: Float[Tensor, "points hidden"]) -> Float[Tensor, "points hidden"]:
        """max(x, 0)."""
        return torch.relu(x)

    def activation_and_slope(
        self, z: Float[Tensor, "points hidden"]
    ) -> tuple[Float[Tensor, "points hidden"], Float[Tensor, "points hidden"]]:
        """The same, and its derivative, 0 at the kink."""
        return torch.relu(z), (z > 0.0).to(z.dtype)
