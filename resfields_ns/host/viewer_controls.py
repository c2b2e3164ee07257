"""Controls in nerfstudio's viewer: frames that play, and what residual weights add."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from nerfstudio.viewer.viewer_elements import ViewerCheckbox, ViewerControl, ViewerSlider
from torch import nn

from resfields_ns import timeline

if TYPE_CHECKING:
    from nerfstudio.viewer.viewer import Viewer
    from viser import GuiEvent, GuiInputHandle


class TimeControls(nn.Module):
    """A frame slider and a player, for a model to hold.

    The viewer finds its elements on modules only, so this is a module, without parameters. The frame slider and the
    viewer's own time slider, which reaches times between frames, follow each other.

    Args:
        num_frames: frames of the capture; a single one needs no controls, and gets none that are visible
    """

    def __init__(self, num_frames: int) -> None:
        super().__init__()
        moving = num_frames > 1
        self.num_frames = num_frames
        self.viewer_control = _ConnectingViewerControl(self.connect)
        self.frame = ViewerSlider("Frame", 0, 0, num_frames - 1, 1, visible=moving)
        self.play = ViewerCheckbox("Play", False, visible=moving)
        self.frames_per_second = ViewerSlider("Frames per second", 10, 1, 60, 1, visible=moving)
        self.player: threading.Thread | None = None

    def connect(self, viewer: "Viewer") -> None:
        """Tie the controls to a viewer that has just installed them.

        The viewer runs the hooks of a model's elements under the training lock, which a long rendering holds. These
        hooks replace its own: they need no lock, and so can interrupt that rendering.
        """
        self.frame.cb_hook = self._set_time
        self.play.cb_hook = self._play
        viewer.control_panel._time.gui_handle.on_update(self._follow_time)

    def _set_time(self, frame: ViewerSlider) -> None:
        viewer = self.viewer_control.viewer
        if frame.value != self._nearest_frame(viewer.control_panel.time):
            viewer.control_panel.time = timeline.times_from_frames(torch.tensor(frame.value), self.num_frames).item()
            viewer._trigger_rerender()  # viser may skip the time slider's first callback, which would ask for this

    def _follow_time(self, event: "GuiEvent[GuiInputHandle[float]]") -> None:
        """Show the frame nearest to the time that somebody chose; a time that `_set_time` chose has no client."""
        if event.client is not None:
            self.frame.value = self._nearest_frame(event.target.value)

    def _nearest_frame(self, time_unit: float) -> int:
        return int(timeline.frames_from_times(torch.tensor(time_unit), self.num_frames))

    def _play(self, play: ViewerCheckbox) -> None:
        if play.value:
            self.player = threading.Thread(target=self._advance, daemon=True)
            self.player.start()

    def _advance(self) -> None:
        """Show one frame after the other, until unticked or followed by another player."""
        while self.play.value and self.player is threading.current_thread():
            self.frame.value = (self.frame.value + 1) % self.num_frames
            time.sleep(1.0 / self.frames_per_second.value)


class _ConnectingViewerControl(ViewerControl):
    """Tells when a viewer has been built around the model."""

    def __init__(self, on_connect: "Callable[[Viewer], None]") -> None:
        self.on_connect = on_connect

    def _setup(self, viewer: "Viewer") -> None:
        super()._setup(viewer)
        self.on_connect(viewer)


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
