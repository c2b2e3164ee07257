"""The host's pictures of the field: how much of the training's time they may take, and when they are sent."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nerfstudio.utils import writer

if TYPE_CHECKING:
    from nerfstudio.viewer.viewer import Viewer
    from viser import ClientHandle

_LONGEST_NAP = 0.1  # seconds between looks at whether training still goes on


def leave_to_training(viewer: "Viewer", seconds: float) -> None:
    """Wait until training has had its share, the viewer's Train Util, after something else took its lock so long."""
    waited_from = time.monotonic()
    while viewer.trainer is not None and viewer.trainer.training_state == "training":
        share = viewer.control_panel.train_util
        left = seconds * share - (time.monotonic() - waited_from) * (1.0 - share)
        if left <= 0.0:
            return
        time.sleep(_LONGEST_NAP if share == 1.0 else min(left / (1.0 - share), _LONGEST_NAP))


class PicturesOfPage:
    """What the host's thread that draws for a page asks before and after a picture.

    Args:
        viewer: the host's
        client: the page, to which the host has given its thread
        is_wanted: whether a picture is to be drawn at all now
        is_rough_wanted: whether pages see pictures of few pixels, which come first
        on_sent: told of a picture that was sent
    """

    def __init__(
        self,
        viewer: "Viewer",
        client: "ClientHandle",
        is_wanted: Callable[[], bool],
        is_rough_wanted: Callable[[], bool],
        on_sent: Callable[[], None],
    ) -> None:
        self.viewer = viewer
        self.thread = viewer.render_statemachines[client.client_id]
        self.is_wanted, self.is_rough_wanted, self.on_sent = is_wanted, is_rough_wanted, on_sent
        self._act, self._draw, self._send = (
            self.thread.action,
            self.thread._render_img,
            self.thread._send_output_to_viewer,
        )
        self.thread.action = self.act
        self.thread._render_img = self.draw
        self.thread._send_output_to_viewer = self.send
        client.camera.on_update(lambda _: self._keep_training())

    def act(self, action: Any) -> None:
        """Take what moved or rests, if pictures are wanted."""
        if self.is_wanted():
            self._act(action)

    def draw(self, camera_state: Any) -> dict[str, Any]:
        """Draw, and leave training its share afterwards, even where the picture was broken off."""
        started = time.monotonic()
        try:
            return self._draw(camera_state)
        finally:
            if self.viewer.trainer is None:
                writer.EVENT_STORAGE.clear()  # the host notes how long each picture took, for a trainer to write
            leave_to_training(self.viewer, time.monotonic() - started)

    def send(self, outputs: dict[str, Any], static_render: bool = True) -> None:
        """Send a picture to the page, if it is wanted."""
        if self.is_wanted() and (self.thread.state == "high" or self.is_rough_wanted()):
            self._send(outputs, static_render)
            self.on_sent()

    def _keep_training(self) -> None:
        """The host lets training stand still while a camera moves; its pictures have their share without that."""
        self.viewer.last_move_time = 0
