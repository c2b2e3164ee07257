"""Frames that are chosen, played and slowed down in the host's viewer."""

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import torch

from resfields_ns import timeline
from resfields_ns.viewer.frame_shapes import FrameShapes
from resfields_ns.viewer.shape_panel import ShapePanel

if TYPE_CHECKING:
    from nerfstudio.viewer.viewer import Viewer
    from viser import GuiEvent, GuiInputHandle

USUAL_RATE = 30
_SECONDS_OF_RATE = 2.0  # over which pictures a second are counted


class TimePanel:
    """The first thing in the panel: a frame slider and a player.

    The frame slider and the viewer's own time slider, which reaches times between frames, follow each other.

    Args:
        viewer: the host's
        num_frames: frames of the sequence; a single one needs no elements but those of shapes, and shows no others, nor
            the viewer's own time slider
        rate: frames a second that it was taken at; None where nothing tells
        shapes: what browsers can play by themselves
    """

    def __init__(self, viewer: "Viewer", num_frames: int, rate: float | None, shapes: FrameShapes | None) -> None:
        self.viewer = viewer
        self.num_frames = num_frames
        self.player: threading.Thread | None = None
        self._position = 0.0
        self._picture_times: deque[float] = deque()
        gui = viewer.viser_server.gui
        moves = num_frames > 1
        with gui.add_folder("Time", order=-0.9):  # the host's elements are counted from 1
            self.frame = gui.add_slider("Frame", 0, num_frames - 1, 1, 0, hint="Keys: arrows", visible=moves)
            self.step = gui.add_button_group("Step", ("Previous", "Next"), visible=moves)
            self.play = gui.add_checkbox("Play", False, hint="Key: space", visible=moves)
            self.loop = gui.add_checkbox("Loop", True, hint="Begin again after the last frame", visible=moves)
            usual = USUAL_RATE if rate is None else max(1, round(rate))
            self.frames_per_second = gui.add_slider("Frames per second", 1, max(60, usual), 1, usual, visible=moves)
            self.slow_motion = gui.add_slider("Slow motion", 1, 10, 1, 1, hint="Moments for each frame", visible=moves)
            self.shapes = None if shapes is None else ShapePanel(viewer, shapes, num_frames)
            self.reached = gui.add_markdown("")
        self.frame.on_update(self._follow_frame)
        self.step.on_click(lambda event: self.show(float(self._stepped(1 if event.target.value == "Next" else -1))))
        self.play.on_update(lambda _: self._start_or_stop())
        if self.shapes is not None:
            self.shapes.in_browser.on_update(lambda _: self._start_or_stop())
        viewer.control_panel._time.gui_handle.on_update(self._follow_time)
        viewer.control_panel._time_enabled = moves
        viewer.control_panel._time.set_hidden(not moves)

    def show(self, position: float) -> None:
        """Show a moment: frame i at position i, in between what lies between."""
        self._show_time(position)
        self.frame.value = self._nearest_frame(self.viewer.control_panel.time)

    @property
    def pages_play(self) -> bool:
        """Whether pages play by themselves, and need no pictures."""
        return self.play.value and self.shows_shapes

    @property
    def shows_shapes(self) -> bool:
        """Whether pages show shapes while something moves."""
        return self.shapes is not None and self.shapes.in_browser.value and self.shapes.are_there

    def for_pages(self) -> dict[str, Any]:
        """Ids of elements, and names of shapes by their frames."""
        names = ("frame", "play", "loop", "frames_per_second", "slow_motion")
        ids = {name: getattr(self, name)._impl.id for name in names} | {"reached": self.reached._id}
        frames = [] if self.shapes is None else self.shapes.frames
        return {
            **ids,
            "num_frames": self.num_frames,
            "in_browser": None if self.shapes is None else self.shapes.in_browser._impl.id,
            "shape_frames": frames,
            "shape_names": {} if self.shapes is None else {frame: self.shapes.name(frame) for frame in frames},
        }

    def count_picture(self) -> None:
        """Note that a picture was sent, and tell how many a second are while they play."""
        if not self.play.value:
            return
        now = time.monotonic()
        self._picture_times.append(now)
        while self._picture_times[0] < now - _SECONDS_OF_RATE:
            self._picture_times.popleft()
        if len(self._picture_times) > 1:
            rate = (len(self._picture_times) - 1) / (now - self._picture_times[0])
            self.reached.content = f"Reaches {rate:.1f} pictures a second"

    def _follow_frame(self, event: "GuiEvent[GuiInputHandle[int]]") -> None:
        """Show the frame that somebody chose; one that `show` chose has no client, and may be out of date by now.

        Nothing is sent back: it could come after the page's next choice, and undo it.
        """
        if event.client is not None and event.target.value != self._nearest_frame(self.viewer.control_panel.time):
            self._show_time(float(event.target.value))

    def _follow_time(self, event: "GuiEvent[GuiInputHandle[float]]") -> None:
        """Show the frame nearest to the time that somebody chose; a time that `show` chose has no client."""
        if event.client is not None:
            self._position = event.target.value * (self.num_frames - 1)
            self.frame.value = self._nearest_frame(event.target.value)

    def _show_time(self, position: float) -> None:
        self._position = position
        self.viewer.control_panel.time = timeline.times_from_frames(torch.tensor(position), self.num_frames).item()
        self.viewer._trigger_rerender()  # viser may skip the time slider's first callback, which would ask for this

    def _nearest_frame(self, time_unit: float) -> int:
        return int(timeline.frames_from_times(torch.tensor(time_unit), self.num_frames))

    def _stepped(self, frames: int) -> int:
        """The frame so many on, around the end where frames loop."""
        frame = self.frame.value + frames
        return frame % self.num_frames if self.loop.value else min(max(frame, 0), self.num_frames - 1)

    def _start_or_stop(self) -> None:
        if not self.play.value or self.pages_play:
            self.viewer._trigger_rerender()
            return
        self._picture_times.clear()
        self.player = threading.Thread(target=self._advance, daemon=True)
        self.player.start()

    def _advance(self) -> None:
        """Show one moment after the other, until unticked, at the end or followed by another player."""
        last = self.num_frames - 1
        if not self.loop.value and self.frame.value == last:
            self.show(0.0)
        while self.play.value and not self.pages_play and self.player is threading.current_thread():
            position = self._position + 1.0 / self.slow_motion.value
            if position > last + timeline.FRAME_TOLERANCE:
                if not self.loop.value:
                    self.play.value = False
                    return
                position = 0.0
            self.show(position)
            time.sleep(1.0 / self.frames_per_second.value)
