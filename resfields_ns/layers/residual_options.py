"""The options of residual layers, and the layers that they stand for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from resfields_ns.layers import alternatives
from resfields_ns.layers.coefficients import Coefficients, cubic_spline, frame_table
from resfields_ns.layers.linear import PlainLinear, ResidualLinear, TimeLinear
from resfields_ns.layers.low_rank import ChunkedLinear, CoefficientLinear, ResFieldLinear
from resfields_ns.layers.mlp import MakeLayers
from resfields_ns.options import Options, option, unless, when, when_any


@dataclass(frozen=True)
class Place:
    """Where a residual layer stands: its inputs and outputs, and how many residual layers are before it."""

    shape: tuple[int, int]
    num_frames: int
    level: int


COEFFICIENTS: dict[str, Callable[[int, int, float, float], Coefficients]] = {
    "linear": frame_table,
    "spline": cubic_spline,
}
MakeResidual = Callable[["ResidualOptions", Place], ResidualLinear]


def _of_coefficients(kind: type[CoefficientLinear]) -> MakeResidual:
    def make(options: "ResidualOptions", place: Place) -> ResidualLinear:
        return kind(*place.shape, place.num_frames, options.rank, make_coefficients=options.make_coefficients)

    return make


def _low_rank(options: "ResidualOptions", place: Place) -> ResidualLinear:
    if options.weight_chunks == options.residual_chunks == 1:
        return _of_coefficients(ResFieldLinear)(options, place)
    return ChunkedLinear(
        *place.shape,
        place.num_frames,
        options.rank,
        make_coefficients=options.make_coefficients,
        weight_chunks=options.weight_chunks,
        residual_chunks=options.residual_chunks,
    )


def _hypernetwork(options: "ResidualOptions", place: Place) -> ResidualLinear:
    return alternatives.HyperNetworkLinear(*place.shape, place.num_frames, options.rank)


def _tucker(options: "ResidualOptions", place: Place) -> ResidualLinear:
    return alternatives.TuckerLinear(
        *place.shape,
        place.num_frames,
        options.rank,
        make_coefficients=options.make_coefficients,
        matrix_rank=options.matrix_rank,
    )


def _experts(options: "ResidualOptions", place: Place) -> ResidualLinear:
    return alternatives.ExpertsLinear(*place.shape, place.num_frames, options.rank * 2**place.level)


RESIDUALS: dict[str, MakeResidual] = {
    "low-rank": _low_rank,
    "output": _of_coefficients(alternatives.OutputResidualLinear),
    "modulated": _of_coefficients(alternatives.ModulatedLinear),
    "direct": _of_coefficients(alternatives.DirectLinear),
    "frame-matrices": _of_coefficients(alternatives.FrameMatricesLinear),
    "matrix-matrix": _of_coefficients(alternatives.MatrixMatrixLinear),
    "hypernetwork": _hypernetwork,
    "cp": _of_coefficients(alternatives.CPLinear),
    "tucker": _tucker,
    "experts": _experts,
}
"""A line for each way in which weights may depend on time; its name is a choice on the command line."""
if TYPE_CHECKING:
    ResidualName = str
else:
    ResidualName = Literal[tuple(RESIDUALS)]


_HAS_LAYERS = when_any("residual_layers")
_HAS_COEFFICIENTS = (_HAS_LAYERS, unless("residual", "hypernetwork", "experts"))
_OVER_TIME = "second frame"


@dataclass
class ResidualOptions(Options):
    """Which layers of an MLP are residual, and how; the base of configs of fields that have such an MLP.

    A config says in its `check_options` how many layers its MLP has: `self.check_residual_layers(num_layers)`.
    """

    prefix: ClassVar[str] = "field."

    residual_layers: tuple[int, ...] = option((1, 2, 3), data=_OVER_TIME)
    """Layers, counted from 0, whose weights carry a time-dependent residual; none is the plain baseline."""
    residual: ResidualName = option("low-rank", acts=_HAS_LAYERS, data=_OVER_TIME)
    """How weights depend on time: the paper's way, or one of those that it compares with (Tables 6 and 7)."""
    rank: int = option(10, least=1, acts=(_HAS_LAYERS, unless("residual", "output", "frame-matrices")), data=_OVER_TIME)
    """Rank of the residuals (R_i). 'output' and 'frame-matrices' have none; 'experts' has as many in the first residual
    layer, and twice as many in each that follows."""
    matrix_rank: int = option(64, least=1, acts=(_HAS_LAYERS, when("residual", "tucker")))
    """'tucker' alone: rank over the inputs and outputs of a layer."""
    coefficient_fraction: float = option(1.0, above=0, most=1, acts=_HAS_COEFFICIENTS, data=_OVER_TIME)
    """Coefficient rows per residual layer as a share of the frames (T_i)."""
    coefficients: Literal["linear", "spline"] = option("linear", acts=_HAS_COEFFICIENTS, data=_OVER_TIME)
    """Between their rows, coefficients run along straight lines (the paper), or are a cubic spline over time."""
    smoothness_weight: float = option(0.0, least=0, acts=_HAS_COEFFICIENTS, data=_OVER_TIME)
    """Weight of a loss on the coefficients' second differences over time."""
    weight_chunks: int = option(1, least=1, acts=(_HAS_LAYERS, when("residual", "low-rank")), data=_OVER_TIME)
    """Long sequences: chunks of consecutive frames with shared weights of their own ('low-rank' alone)."""
    residual_chunks: int = option(1, least=1, acts=(_HAS_LAYERS, when("residual", "low-rank")), data=_OVER_TIME)
    """Long sequences: chunks of consecutive frames with residuals of their own ('low-rank' alone)."""

    def check_residual_layers(self, num_layers: int) -> None:
        """Raise ValueError if one of the residual layers is none of an MLP's `num_layers`."""
        if outside := [index for index in self.residual_layers if not 0 <= index < num_layers]:
            raise ValueError(f"field.residual-layers: expected 0 to {num_layers - 1}, got {outside[0]}")

    def layer_maker(self, num_frames: int) -> MakeLayers:
        """What an `MLP` over a sequence of `num_frames` frames makes its layers with.

        Raises ValueError if there are more chunks than frames.
        """
        for name, chunks in (("weight-chunks", self.weight_chunks), ("residual-chunks", self.residual_chunks)):
            if chunks > num_frames:
                raise ValueError(f"field.{name}: expected at most the {num_frames} frames, got {chunks}")
        return partial(self._make_layers, num_frames)

    def _make_layers(self, num_frames: int, shapes: Sequence[tuple[int, int]]) -> list[TimeLinear]:
        self.check_residual_layers(len(shapes))
        levels = {index: level for level, index in enumerate(sorted(set(self.residual_layers)))}
        return [
            RESIDUALS[self.residual](self, Place(shape, num_frames, levels[index]))
            if index in levels
            else PlainLinear(*shape)
            for index, shape in enumerate(shapes)
        ]

    def make_coefficients(self, num_frames: int, width: int) -> Coefficients:
        """Coefficients over a sequence, or over a chunk of one."""
        return COEFFICIENTS[self.coefficients](num_frames, width, self.coefficient_fraction, self.smoothness_weight)
