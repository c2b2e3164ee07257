"""The host's pictures of the field: how much of the training's time they may take, and when they are sent."""

import math
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from nerfstudio.utils import writer
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO

if TYPE_CHECKING:
    from nerfstudio.viewer.viewer import Viewer
    from viser import ClientHandle

_LONGEST_NAP = 0.1  # seconds between looks at whether training still goes on
_FARTHEST = 167.0  # viser's units: it sends depth in 24 bits of 1e-5
_LONGEST_STALL = 2.0  # seconds that a picture may keep training waiting


class Turns:
    """The lock between training steps and pictures, in the viewer's place; each thread learns how long it had it.

    Args:
        lock: of the training; None where there is none
    """

    def __init__(self, lock: AbstractContextManager[Any] | None) -> None:
        self._lock = nullcontext() if lock is None else lock
        self._mine = threading.local()

    def __enter__(self) -> None:
        self._lock.__enter__()
        self._mine.since = time.monotonic()

    def __exit__(self, *error: Any) -> None:
        self._mine.seconds = time.monotonic() - self._mine.since
        self._lock.__exit__(*error)

    def seconds(self) -> float:
        """How long the last turn of this thread was, without its wait for it."""
        return getattr(self._mine, "seconds", 0.0)


def turns_of(viewer: "Viewer") -> Turns:
    """Those that stand in for the viewer's lock."""
    if not isinstance(viewer.train_lock, Turns):
        viewer.train_lock = Turns(viewer.train_lock)  # pyright: ignore[reportAttributeAccessIssue]
    return viewer.train_lock  # pyright: ignore[reportReturnType]


def is_training(viewer: "Viewer") -> bool:
    """Whether training goes on, neither paused nor ended."""
    return viewer.trainer is not None and viewer.trainer.training_state == "training"


def leave_to_training(viewer: "Viewer") -> None:
    """Wait until training has had its share, the viewer's Train Util, after the last turn of this thread."""
    waited_from, seconds = time.monotonic(), turns_of(viewer).seconds()
    while is_training(viewer):
        share = viewer.control_panel.train_util
        left = seconds * share - (time.monotonic() - waited_from) * (1.0 - share)
        if left <= 0.0:
            return
        time.sleep(_LONGEST_NAP if share == 1.0 else min(left / (1.0 - share), _LONGEST_NAP))


class PicturesOfPage:
    """What the host's thread that draws for a page asks before and after a picture.

    While training goes on, a picture has as many pixels as are drawn in two seconds, and the next one follows as soon
    as training has had its share. The host would draw all pixels, a minute or more of them on a CPU, and count the next
    one's time as if it had a million.

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
        self.pixels, self.pixels_per_second = 0, math.inf
        self.thread = viewer.render_statemachines[client.client_id]
        self.is_wanted, self.is_rough_wanted, self.on_sent = is_wanted, is_rough_wanted, on_sent
        self._act, self._draw, self._send, self._size = (
            self.thread.action,
            self.thread._render_img,
            self.thread._send_output_to_viewer,
            self.thread._calculate_image_res,
        )
        self.thread.action = self.act
        self.thread._render_img = self.draw
        self.thread._send_output_to_viewer = self.send
        self.thread._calculate_image_res = self.size
        client.camera.on_update(lambda _: self._keep_training())

    def act(self, action: Any) -> None:
        """Take what moved or rests, if pictures are wanted."""
        if self.is_wanted():
            self._act(action)

    def draw(self, camera_state: Any) -> dict[str, Any]:
        """Draw, and leave training its share afterwards, even where the picture was broken off."""
        try:
            outputs = self._draw(camera_state)
            self.pixels_per_second = self.pixels / max(turns_of(self.viewer).seconds(), 1e-6)
            return outputs
        finally:
            if self.viewer.trainer is None:
                writer.EVENT_STORAGE.clear()  # the host notes how long each picture took, for a trainer to write
            leave_to_training(self.viewer)
            self.viewer.last_step = -math.inf  # pyright: ignore[reportAttributeAccessIssue] # the next step draws anew

    def size(self, aspect_ratio: float) -> tuple[int, int]:
        """Height and width of the next picture."""
        height, width = self._size(aspect_ratio)
        if is_training(self.viewer):
            share = min(1.0, math.sqrt(_LONGEST_STALL * self.pixels_per_second / (height * width)))
            height, width = max(1, round(share * height)), max(1, round(share * width))
        self.pixels = height * width
        return height, width

    def send(self, outputs: dict[str, Any], static_render: bool = True) -> None:
        """Send a picture to the page, if it is wanted."""
        if self.is_wanted() and (self.thread.state == "high" or self.is_rough_wanted()):
            _show_what_is_behind(outputs)
            self._send(outputs, static_render)
            self.on_sent()

    def _keep_training(self) -> None:
        """The host lets training stand still while a camera moves; its pictures have their share without that."""
        self.viewer.last_move_time = 0


def _show_what_is_behind(outputs: dict[str, Any]) -> None:
    """Let a picture hide what lies behind its subject alone, and nothing where that is too far for viser's numbers.

    Rays that hit nothing have the depth of the box's far side, beyond which cameras stand.
    """
    depth = outputs.get("gl_z_buf_depth")
    if depth is None:
        return
    hit = outputs["accumulation"] > 0.5
    outputs["gl_z_buf_depth"] = depth.where(hit, math.inf)
    if hit.any() and VISER_NERFSTUDIO_SCALE_RATIO * depth[hit].max() > _FARTHEST:
        del outputs["gl_z_buf_depth"]
