"""Controls that show what residual weights add to a field."""

from collections.abc import Callable

from nerfstudio.viewer.viewer_elements import ViewerSlider
from torch import nn


class ResidualControls(nn.Module):
    """Sliders for the scale and the rank of the residuals that pictures show; training does not see them.

    Args:
        rank: the residuals' own rank; 0, for none, gets no visible sliders
        show: takes the scale and the rank to show
    """

    def __init__(self, rank: int, show: Callable[[float, int], None]) -> None:
        super().__init__()

        def update(slider: ViewerSlider) -> None:
            del slider
            show(self.scale.value, self.rank.value)

        self.scale = ViewerSlider("Residual scale", 1.0, 0.0, 2.0, 0.05, cb_hook=update, visible=rank > 0)
        self.rank = ViewerSlider("Residual rank", rank, 0, max(rank, 1), 1, cb_hook=update, visible=rank > 0)
