"""nerfstudio's viewer: commands that serve its pages, what is on them in a browser, and what somebody does there."""

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import viser

from tests.browser import Page, end_process, wait_for

SECONDS = 180  # for anything that may be slow on a busy machine
CHANGED = 60.0  # grey levels, of 255
WINDOW_WIDTH, SCENE_WIDTH = 1000, 650  # pixels; the panel covers the rest


def free_port() -> int:
    with socket.socket() as a_socket:
        a_socket.bind(("127.0.0.1", 0))
        return a_socket.getsockname()[1]


def drag(handle: Any, value: float | str) -> None:
    """Do what viser does when somebody moves a slider on the page, or presses one of a group of buttons."""
    handle._impl.value = value
    for callback in handle._impl.update_cb:
        callback(viser.GuiEvent(client=Mock(), client_id=0, target=handle))


@contextmanager
def serve(log: Path, module: str, *arguments: str) -> Iterator[str]:
    """The address of a nerfstudio command's page; on leaving, the command ends and its log is printed."""
    port = free_port()
    viewer = ["--viewer.websocket-host", "127.0.0.1", "--viewer.websocket-port", str(port)]
    command = [sys.executable, "-m", module, *arguments, *viewer]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    try:
        with (
            log.open("w") as output,
            end_process(subprocess.Popen(command, env=environment, stdout=output, stderr=output)) as process,
        ):
            url = f"http://127.0.0.1:{port}"
            wait_for("the page or an error", lambda: answers(url) or process.poll() is not None, SECONDS)
            assert process.poll() is None, f"{module} ended with exit code {process.returncode}"
            yield url
    finally:
        print(log.read_text())


def answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=5):
        return True
    return False


def text(page: Page) -> str:
    return page.evaluate("document.body?.innerText ?? ''")


def control(label: str) -> str:
    """JavaScript for the part of the page that a label names."""
    return (
        f"[...document.querySelectorAll('label')].find(l => l.innerText === '{label}')?.closest('.mantine-Flex-root')"
    )


def slider(label: str) -> str:
    """JavaScript for the thumb of a slider."""
    return f"{control(label)}?.querySelector('[role=slider]')"


def press(page: Page, label: str, key: str) -> None:
    """Move a slider by the keyboard."""
    page.evaluate(f"{slider(label)}.focus()")
    page.press(key)


def click(page: Page, label: str) -> None:
    """Tick a box, or untick it."""
    page.evaluate(f"{control(label)}.querySelector('input').click()")


def shown_frame(page: Page) -> int:
    return int(page.evaluate(f"{slider('Frame')}.ariaValueNow"))


def picture(page: Page) -> np.ndarray:
    return page.screenshot("canvas")[:, :SCENE_WIDTH]


def scene(page: Page) -> np.ndarray | None:
    """The picture, once something stands out from its background."""
    drawn = picture(page)
    return drawn if changed_share(np.median(drawn, axis=(0, 1)), drawn) > 0.02 else None


def changed_share(before: np.ndarray, after: np.ndarray) -> float:
    """Share of the pixels that changed clearly."""
    return float((np.abs(after - before).max(axis=-1) > CHANGED).mean())
