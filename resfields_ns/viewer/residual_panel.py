"""What residual weights add to pictures and meshes, and how their coefficients go over time (paper, Figure A.1)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn

from resfields_ns.layers import coefficients_of_frames, largest_rank, shown_parts
from resfields_ns.models.joined_model import JoinedModel
from resfields_ns.viewer.residual_figures import coefficients_figure, similarity_figure

if TYPE_CHECKING:
    from nerfstudio.viewer.viewer import Viewer
    from viser import GuiFolderHandle, GuiPlotlyHandle


def add_residual_panel(viewer: "Viewer", numbers: Sequence[int]) -> None:
    """Add a folder to the panel where the model has a field with coefficients over time; training does not see what it
    sets.

    Args:
        viewer: the host's
        numbers: of the frames, by which plots call them
    """
    if isinstance(viewer.pipeline.model, JoinedModel):
        return  # its fields are of chunks of the time
    field = viewer.pipeline.model.field
    assert isinstance(field, nn.Module)
    if not coefficients_of_frames(field, len(numbers)):
        return
    gui = viewer.viser_server.gui
    with gui.add_folder("Residuals", order=-0.7, expand_by_default=False) as folder:
        if shown_parts(field):
            _add_shown(viewer, field)
        _add_plots(viewer, field, numbers, folder)


def _add_shown(viewer: "Viewer", field: nn.Module) -> None:
    """Switches and sliders for what is shown of the residuals."""
    gui = viewer.viser_server.gui
    rank = largest_rank(field)
    base = gui.add_checkbox("Base weights alone", False, hint="What all frames share")
    scale = gui.add_slider("Residual scale", 0.0, 2.0, 0.05, 1.0)
    most = gui.add_slider("Residual rank", 0, rank, 1, rank, hint="The best approximation of at most this rank")
    layers = {name: gui.add_checkbox(name, True, hint="This layer's residual") for name in shown_parts(field)}

    def show() -> None:
        for name, part in shown_parts(field).items():
            is_shown = layers[name].value and not base.value
            part.show_residual(scale.value if is_shown else 0.0, most.value)
        viewer._trigger_rerender()

    for handle in (base, scale, most, *layers.values()):
        handle.on_update(lambda _: show())


def _add_plots(viewer: "Viewer", field: nn.Module, numbers: Sequence[int], folder: "GuiFolderHandle") -> None:
    """A button that plots the coefficients of a layer as they are now."""
    gui = viewer.viser_server.gui
    names = tuple(coefficients_of_frames(field, len(numbers)))
    layer = gui.add_dropdown("Layer", names)
    button = gui.add_button("Plot coefficients", hint="As they are now")
    plots: list[GuiPlotlyHandle] = []

    def plot() -> None:
        coefficients: Tensor = coefficients_of_frames(field, len(numbers))[layer.value].cpu()
        figures = coefficients_figure(coefficients, numbers), similarity_figure(coefficients, numbers)
        if plots:
            for handle, figure in zip(plots, figures, strict=True):
                handle.figure = figure
            return
        with folder:
            plots.extend(gui.add_plotly(figure) for figure in figures)  # brings plotly to pages, hence not before

    button.on_click(lambda _: plot())
    layer.on_update(lambda _: plot() if plots else None)
