"""Plots of a run: curves over steps and frames, and coefficients of residuals over time."""

import base64
from collections.abc import Mapping
from io import BytesIO
from typing import Literal

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor, nn

from resfields_ns.functional.residual_weights import frame_similarity
from resfields_ns.host.trained_run import TrainedRun
from resfields_ns.layers import coefficients_of_frames
from resfields_ns.models.joined_model import JoinedModel

Curve = tuple[list[float], list[float]]
"""Places and values."""


def plot_curves(curves: Mapping[str, Curve], along: str, scale: Literal["linear", "log"] = "linear") -> Figure:
    """Curves over steps or frames, as `along` says, in one picture."""
    figure = Figure(figsize=(5.0, 2.6), layout="constrained")
    axes = figure.add_subplot(xlabel=along, yscale=scale)
    for name, (places, values) in curves.items():
        axes.plot(places, values, label=name, linewidth=1.0, marker="." if len(places) < 60 else None, markersize=3.0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize="x-small")
    axes.grid(alpha=0.3)
    return figure


def coefficient_figures(run: TrainedRun) -> dict[str, Figure]:
    """`plot_coefficients` of every layer of a run whose residual is made of some, by its name; none of a joined run."""
    if isinstance(run.model, JoinedModel):
        return {}
    field = run.model.field
    assert isinstance(field, nn.Module)
    numbers = list(run.sequence.frames.numbers)
    found = coefficients_of_frames(field, run.num_frames)
    return {name: plot_coefficients(name, values, numbers) for name, values in found.items()}


def plot_coefficients(name: str, coefficients: Float[Tensor, "frames width"], numbers: list[int]) -> Figure:
    """The coefficients v(t) of a layer over the frames, and how alike frames are by them (paper, Figure A.1).

    Args:
        name: of the layer
        coefficients: at every frame
        numbers: of the frames
    """
    values, similarity = coefficients.cpu(), frame_similarity(coefficients).cpu()
    figure = Figure(figsize=(9.0, 3.0), layout="constrained")
    figure.suptitle(f"{name}: {values.shape[1]} coefficients", fontsize="medium")
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    left.plot(numbers, values.numpy(), linewidth=0.9)
    left.set(xlabel="frame", ylabel="v(t)")
    left.grid(alpha=0.3)
    edges = _edges(np.array(numbers, np.float64))
    shown = right.pcolormesh(edges, edges, similarity.numpy(), vmin=-1.0, vmax=1.0, cmap="RdBu_r", rasterized=True)
    right.set(xlabel="frame", ylabel="frame", aspect="equal")
    right.invert_yaxis()
    for axis in (left.xaxis, right.xaxis, right.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    figure.colorbar(shown, ax=right, label="cosine similarity")
    return figure


def _edges(places: Float[np.ndarray, "frames"]) -> Float[np.ndarray, "edges"]:
    """Between the places and around them."""
    middles = (places[:-1] + places[1:]) / 2.0
    first, last = (middles[0], middles[-1]) if len(middles) else (places[0] - 0.5, places[0] - 0.5)
    return np.concatenate([[2.0 * places[0] - first], middles, [2.0 * places[-1] - last]])


def as_uri(figure: Figure) -> str:
    """A figure as a picture that a page can hold."""
    content = BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    return data_uri("image/svg+xml", content.getvalue())


def data_uri(kind: str, content: bytes) -> str:
    """Bytes of a media type as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
