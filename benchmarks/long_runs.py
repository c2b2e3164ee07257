"""Long runs and large data: what they hold in memory.

    python -m benchmarks.long_runs n3v FOLDER
    python -m benchmarks.long_runs clip clip.mp4
    python -m benchmarks.long_runs watch -- rf-check n3v -- --image-scale 0.5
    python -m benchmarks.long_runs steps -- tnerf-resfields-small --data CAPTURE --max-num-iterations 20000
    python -m benchmarks.long_runs pictures RUN/config.yml

The first two make data, `watch` runs any command. On Linux, with glibc.
"""

import gc
import math
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
import psutil
import tyro
from nerfstudio.scripts import train
from torch import Tensor
from viser._messages import GuiUpdateMessage, Message, ViewerCameraMessage
from viser.transforms import SO3
from websockets.sync.client import ClientConnection, connect

from benchmarks.large_data import write_clip, write_n3v
from benchmarks.memory import allocated_mb, resident_mb
from resfields_ns.captures.poses import camera_around_origin
from resfields_ns.host.trainer import ResFieldsTrainer
from tests.browser import end_process, wait_for
from tests.viewer_pages import SECONDS, answers, free_port

DISTANCE = 30.0  # of cameras from the middle, as the viewer counts
LOOKS = 100  # pictures from one look at the memory to the next
RESTS = 10  # every so manyth picture, the page rests, and gets a fine one


def described(held: dict[str, float]) -> str:
    """In words."""
    return ", ".join(f"{megabytes:.1f} MB {kind}" for kind, megabytes in held.items())


def steps(arguments: tuple[str, ...], every: int) -> None:
    """Train with arguments of `ns-train`, and tell the memory every so many steps."""
    iterate = ResFieldsTrainer.train_iteration

    def told(self: ResFieldsTrainer, step: int) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        if step % every == 0 or step == self.total_steps - 1:
            gc.collect()
            print(f"step {step}: {described(resident_mb())}, {allocated_mb():.1f} MB allocated", flush=True)
        return iterate(self, step)

    ResFieldsTrainer.train_iteration = told
    sys.argv = ["ns-train", *arguments]
    train.entrypoint()


def watch(arguments: tuple[str, ...]) -> int:
    """Run a command, and tell the most that it held in memory, its children included, and how long it took."""
    began, most = time.monotonic(), {"anonymous": 0.0, "files": 0.0}
    with psutil.Popen(arguments) as command:
        while command.poll() is None:
            with suppress(OSError, LookupError, psutil.Error):
                held = [resident_mb(process.pid) for process in (command, *command.children(recursive=True))]
                most = {kind: max(most[kind], sum(each[kind] for each in held)) for kind in most}
            time.sleep(0.2)
    print(f"{time.monotonic() - began:.0f} s, at most {described(most)}; exit status {command.returncode}")
    return command.returncode


def pictures(config: Path, count: int) -> None:
    """Look at a run through `ns-viewer`, by a page that moves its camera and the frame, and tell the viewer's memory.

    The page gets `count` pictures of up to 64 pixels a side.
    """
    port = free_port()
    command = [sys.executable, "-m", "nerfstudio.scripts.viewer.run_viewer", "--load-config", str(config)]
    command += ["--viewer.websocket-host", "127.0.0.1", "--viewer.websocket-port", str(port)]
    with (
        tempfile.TemporaryFile() as log,
        end_process(subprocess.Popen(command, stdout=log, stderr=log)) as viewer,
    ):
        wait_for("the viewer", lambda: answers(f"http://127.0.0.1:{port}"), SECONDS)
        with connect(f"ws://127.0.0.1:{port}", max_size=None) as connection:
            page = Page(connection)
            for picture in range(1, count + 1):
                if picture % RESTS:
                    page.move(picture)
                page.wait_for_picture()
                if picture % LOOKS == 0:
                    print(f"{picture} pictures: {described(resident_mb(viewer.pid))}", flush=True)


class Page:
    """What a browser would do with a page of the viewer that shows pictures of the training's frames."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.messages: list[dict[str, Any]] = []
        self.sliders: dict[str, dict[str, Any]] = {}
        self._look(0.0)
        while "Frame" not in self.sliders or "Max res" not in self.sliders:
            self._receive()
        self._set("Max res", 64)

    def move(self, picture: int) -> None:
        """Look at another frame from another side."""
        self._set("Frame", picture % (round(self.sliders["Frame"]["max"]) + 1))
        self._look(7.0 * picture)

    def wait_for_picture(self) -> None:
        """Until the viewer has sent one."""
        while self._receive() != "BackgroundImageMessage":
            pass

    def _receive(self) -> str:
        """The kind of the next message."""
        if not self.messages:
            window = self.connection.recv(timeout=SECONDS)
            assert isinstance(window, bytes)
            self.messages = list(msgspec.msgpack.decode(window))
        message = self.messages.pop(0)
        if message["type"] == "GuiAddSliderMessage":
            self.sliders[message["label"]] = message
        return message["type"]

    def _look(self, azimuth: float) -> None:
        pose = camera_around_origin(azimuth, 15.0, DISTANCE, (4, 3), 4.0).pose
        quaternion = SO3.from_matrix(pose[:, :3]).wxyz
        up, centre, fov = (0.0, 1.0, 0.0), (0.0, 0.0, 0.0), math.radians(40.0)
        self._send(ViewerCameraMessage(tuple(quaternion), tuple(pose[:, 3]), fov, 4 / 3, centre, up))

    def _set(self, label: str, value: int) -> None:
        self._send(GuiUpdateMessage(self.sliders[label]["id"], {"value": value}))

    def _send(self, message: Message) -> None:
        self.connection.send(msgspec.msgpack.encode(message.as_serializable_dict()))


def main(
    part: tyro.conf.Positional[Literal["n3v", "clip", "watch", "steps", "pictures"]],
    arguments: tyro.conf.Positional[tuple[str, ...]],
    count: int | None = None,
) -> None:
    """Make large data, or look at the memory of what runs long.

    Args:
        part: n3v writes a capture of 300 frames, clip a video of 5,000; watch runs a command; steps trains; pictures
            looks at a run through the viewer, 1,000 times
        arguments: where to write to; the command; those of `ns-train`; the run's config.yml
        count: another number of frames or pictures; steps from one look to the next, else 1,000
    """
    if part == "n3v":
        write_n3v(Path(*arguments), count or 300)
    elif part == "clip":
        write_clip(Path(*arguments), count or 5000)
    elif part == "watch":
        raise SystemExit(watch(arguments))
    elif part == "steps":
        steps(arguments, count or 1000)
    else:
        pictures(Path(*arguments), count or 1000)


if __name__ == "__main__":
    tyro.cli(main)
