"""Figures of coefficients over time (paper, Figure A.1)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from resfields_ns.functional.residual_weights import frame_similarity

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_LINES = 40
_MARGINS = {"l": 40, "r": 10, "t": 40, "b": 40}


def coefficients_figure(coefficients: Float[Tensor, "frames width"], numbers: Sequence[int]) -> "Figure":
    """A line for every coefficient v_r(t), of very many the first; `numbers` are those of the frames."""
    import plotly.graph_objects as go

    shown = coefficients[:, :MOST_LINES].T.tolist()
    lines = [go.Scatter(x=list(numbers), y=line, mode="lines", name=f"v{index}") for index, line in enumerate(shown)]
    width = coefficients.shape[1]
    title = "v(t)" if width <= MOST_LINES else f"v(t), the first {MOST_LINES} of {width}"
    return go.Figure(lines).update_layout(title=title, xaxis_title="frame", showlegend=False, margin=_MARGINS)


def similarity_figure(coefficients: Float[Tensor, "frames width"], numbers: Sequence[int]) -> "Figure":
    """Cosines between the coefficients of every two frames."""
    import plotly.graph_objects as go

    frames = list(numbers)
    cosines = frame_similarity(coefficients).tolist()
    image = go.Heatmap(x=frames, y=frames, z=cosines, zmin=-1.0, zmax=1.0, colorscale="RdBu")
    title = "similarity of v between frames"
    return go.Figure(image).update_layout(title=title, xaxis_title="frame", yaxis_title="frame", margin=_MARGINS)
