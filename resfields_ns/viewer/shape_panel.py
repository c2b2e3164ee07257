"""Shapes of all frames, made behind the viewer, which its pages play by themselves."""

import math
import threading
from typing import TYPE_CHECKING

from resfields_ns.viewer.frame_shapes import FrameShapes, Put
from resfields_ns.viewer.pictures import leave_to_training, turns_of

if TYPE_CHECKING:
    from nerfstudio.viewer.viewer import Viewer

MOST_SHAPES = 150  # of longer sequences, every second frame has one, or every third


class ShapePanel:
    """Elements of the time panel, within which it is made, and the making of shapes.

    Args:
        viewer: the host's
        shapes: those of its model
        num_frames: frames of its sequence
    """

    def __init__(self, viewer: "Viewer", shapes: FrameShapes, num_frames: int) -> None:
        self.viewer, self.shapes = viewer, shapes
        self.frames = list(range(0, num_frames, math.ceil(num_frames / MOST_SHAPES)))
        self.maker: threading.Thread | None = None
        self.are_there = False
        gui = viewer.viser_server.gui
        hint = f"Made of all frames, {shapes.label} are played by the browser; the field is drawn when nothing moves"
        self.in_browser = gui.add_checkbox(f"Play as {shapes.label}", False, hint=hint)
        self.anew = gui.add_button(f"Make {shapes.label} anew", visible=False, hint="As the field is now")
        self.progress = gui.add_progress_bar(0.0, visible=False)
        self.in_browser.on_update(lambda _: self._switch())
        self.anew.on_click(lambda _: self.make())

    def name(self, frame: int) -> str:
        """Of a frame's shape in the scene."""
        return f"/{self.shapes.label}/frame_{frame:05d}"

    def make(self) -> None:
        """Make all shapes; what was begun before ends."""
        self.maker = threading.Thread(target=self._make, daemon=True)
        self.maker.start()

    def _switch(self) -> None:
        if self.in_browser.value and self.maker is None:
            self.make()
        self.anew.visible = self.in_browser.value

    def _make(self) -> None:
        self.progress.visible = True
        wanted = [(resolution, frame) for resolution in self.shapes.resolutions for frame in self.frames]
        for count, (resolution, frame) in enumerate(wanted):
            self.progress.value = 100.0 * count / len(wanted)
            put = self._made(frame, resolution)
            if self.maker is not threading.current_thread():
                return
            put(self.viewer.viser_server.scene, self.name(frame))
            self.are_there = True
            leave_to_training(self.viewer)
        self.progress.visible = False

    def _made(self, frame: int, resolution: int) -> Put:
        """A frame's shape, between two training steps."""
        with turns_of(self.viewer):
            model = self.viewer.pipeline.model
            was_training = model.training
            model.eval()
            try:
                return self.shapes.make(frame, resolution)
            finally:
                model.train(was_training)
