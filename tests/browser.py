"""A headless Chromium, driven over the Chrome DevTools protocol."""

import base64
import io
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from PIL import Image
from websockets.sync.client import ClientConnection, connect

T = TypeVar("T")

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--use-angle=swiftshader",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--remote-debugging-port=0",
]


def require_browser() -> str:
    """The browser's program; without one, skip, or fail where CI=true promises one."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        reason = "needs chromium or google-chrome on PATH: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return program


def wait_for(what: str, get: Callable[[], T | None], seconds: float) -> T:
    """Ask until there is an answer other than None and False."""
    deadline = time.monotonic() + seconds
    while (answer := get()) is None or answer is False:
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.05)
    return answer


class Page:
    """One tab of the browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.ids = itertools.count()
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of one DevTools command."""
        call_id = next(self.ids)
        self.connection.send(json.dumps({"id": call_id, "method": method, "params": parameters}))
        while (answer := json.loads(self.connection.recv(timeout=60))).get("id") != call_id:
            self.events.append(answer)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def press(self, key: str) -> None:
        """Press a key, named as in KeyboardEvent.key, on the focused element."""
        for event in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=event, key=key, code=key)

    def screenshot(self, selector: str) -> np.ndarray:
        """What the first element of a CSS selector shows, as [height, width, 3] floats in 0..255."""
        box = self.evaluate(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")
        clip = {name: box[name] for name in ("x", "y", "width", "height")} | {"scale": 1}
        data = self.call("Page.captureScreenshot", format="png", clip=clip)["data"]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), dtype=np.float32)


@contextmanager
def open_page(url: str, width: int, height: int) -> Iterator[Page]:
    """Open an address in a browser of its own, and end that browser afterwards."""
    program = require_browser()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        size = f"--window-size={width},{height}"
        command = [program, *FLAGS, size, f"--user-data-dir={profile}", url]
        with end_process(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)):
            port_file = Path(profile) / "DevToolsActivePort"
            wait_for("the browser to start", lambda: port_file.is_file() and "\n" in port_file.read_text(), 30)
            port = int(port_file.read_text().splitlines()[0])
            address = wait_for("the browser's page", lambda: _page_address(port), 30)
            with connect(address, max_size=None) as connection:
                yield Page(connection)


@contextmanager
def end_process(process: subprocess.Popen) -> Iterator[subprocess.Popen]:
    """End a process on leaving, whatever happened."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _page_address(port: int) -> str | None:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=5) as answer:
        for target in json.load(answer):
            if target["type"] == "page":
                return target["webSocketDebuggerUrl"]
    return None
