"""The viewer's time controls, alone and on the pages that ns-train and ns-viewer serve."""

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import viser
from nerfstudio.viewer.control_panel import ControlPanel
from nerfstudio.viewer.utils import parse_object
from nerfstudio.viewer.viewer_elements import ViewerElement
from torch import nn

from resfields_ns import timeline
from resfields_ns.host.viewer_controls import ResidualControls, TimeControls
from tests.browser import Page, end_process, open_page, require_browser, wait_for

SECONDS = 60  # for anything that may be slow on a busy machine
CHANGED = 60.0  # grey levels, of 255
WINDOW_WIDTH, SCENE_WIDTH = 1000, 650  # pixels; the panel covers the rest


def free_port() -> int:
    with socket.socket() as a_socket:
        a_socket.bind(("127.0.0.1", 0))
        return a_socket.getsockname()[1]


@contextmanager
def installed(controls: TimeControls) -> Iterator[ControlPanel]:
    """The panel of a viewer without a page or a pipeline, in which the controls are installed."""
    server = viser.ViserServer(host="127.0.0.1", port=free_port(), verbose=False)
    try:
        panel = ControlPanel(server, True, 10.0, lambda: None, lambda _: None, lambda _: None)
        for _, element in parse_object(controls, ViewerElement, ""):
            element.install(server)
        viewer = SimpleNamespace(viser_server=server, control_panel=panel, _trigger_rerender=lambda: None)
        controls.viewer_control._setup(viewer)  # pyright: ignore
        yield panel
    finally:
        server.stop()


def drag(handle: viser.GuiInputHandle, value: float) -> None:
    """Do what viser does when somebody moves a slider on the page."""
    handle._impl.value = value
    for callback in handle._impl.update_cb:
        callback(viser.GuiEvent(client=Mock(), client_id=0, target=handle))


def test_the_viewer_finds_the_controls_on_a_model() -> None:
    model = nn.Module()
    model.time_controls = TimeControls(5)
    found = parse_object(model, ViewerElement, "")
    assert [element.name for _, element in found] == ["Frame", "Frames per second", "Play"]
    assert not model.state_dict()


@pytest.mark.parametrize("rank", [0, 10])
def test_residual_sliders_show_what_they_say(rank: int) -> None:
    shown: list[tuple[float, int]] = []
    model = nn.Module()
    model.residual_controls = ResidualControls(rank, lambda scale, rank: shown.append((scale, rank)))
    elements = [element for _, element in parse_object(model, ViewerElement, "")]
    assert [element.name for element in elements] == ["Residual rank", "Residual scale"]
    server = viser.ViserServer(port=free_port(), verbose=False)
    try:
        for element in elements:
            element.install(server)
        assert [element.gui_handle.visible for element in elements] == [rank > 0] * 2
        drag(model.residual_controls.scale.gui_handle, 0.5)
        assert shown[-1] == (0.5, rank)
    finally:
        server.stop()


def test_every_frame_is_shown_at_exactly_its_time() -> None:
    controls = TimeControls(30)
    with installed(controls) as panel:
        for frame in [*range(1, 30), 0]:
            controls.frame.value = frame
            own_time = timeline.times_from_frames(torch.tensor(frame), 30)
            wait_for(f"frame {frame}", lambda: torch.equal(torch.tensor(panel.time), own_time), SECONDS)  # noqa: B023


def test_the_frame_follows_the_time_and_leaves_it_between_frames() -> None:
    controls = TimeControls(5)
    with installed(controls) as panel:
        drag(panel._time.gui_handle, 0.45)
        assert controls.frame.value == 2
        controls.frame.cb_hook(controls.frame)
        assert panel.time == 0.45


def test_playing_wraps_around_and_stops_when_unticked() -> None:
    controls = TimeControls(3)
    with installed(controls) as panel:
        controls.play.value = True
        for frame in (1, 2, 0, 1):
            wait_for(f"frame {frame}", lambda: controls.frame.value == frame, SECONDS)  # noqa: B023
        wait_for("a time to be set", lambda: panel.time > 0.0, SECONDS)
        controls.play.value = False
        assert controls.player is not None
        controls.player.join(SECONDS)
        assert not controls.player.is_alive()


def test_a_single_frame_and_no_viewer_need_nothing() -> None:
    with installed(TimeControls(1)) as panel:
        assert panel.time == 0.0
    assert TimeControls(4).player is None


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


@pytest.fixture(scope="module")
def training(demo_capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address and the config of a short training that keeps its page after the last step."""
    require_browser()
    folder = tmp_path_factory.mktemp("viewer")
    arguments = ["--data", str(demo_capture), "--output-dir", str(folder), "--max-num-iterations", "3"]
    arguments += ["--vis", "viewer", "--viewer.quit-on-train-completion", "False"]
    arguments += ["--pipeline.model.hull-start-steps", "100"]
    with serve(folder / "train.log", "nerfstudio.scripts.train", "tnerf-resfields-small", *arguments) as url:
        wait_for("the training's end", lambda: any(folder.glob("**/*.ckpt")), SECONDS)
        yield url, next(folder.glob("**/config.yml"))


def test_ns_train_shows_the_frame_of_the_slider(training: tuple[str, Path]) -> None:
    url, _ = training
    check_page(url)


def test_ns_viewer_shows_the_frame_of_the_slider(training: tuple[str, Path], tmp_path: Path) -> None:
    _, config = training
    arguments = ["--load-config", str(config)]
    with serve(tmp_path / "viewer.log", "nerfstudio.scripts.viewer.run_viewer", *arguments) as url:
        check_page(url)


def check_page(url: str) -> None:
    """A page draws the scene, moves it with the frame slider, and plays it.

    The training has hardly begun, but starts from the visual hull of each frame's masks, which moves with the creature.
    """
    with open_page(url, WINDOW_WIDTH, 700) as page:
        wait_for("the connection", lambda: "Connected" in text(page), SECONDS)
        wait_for("the frame slider", lambda: page.evaluate(f"{slider('Frame')} !== undefined"), SECONDS)
        assert [page.evaluate(f"{slider('Frame')}.ariaValue{end}") for end in ("Min", "Max")] == ["0", "3"]

        press(page, "Max res", "Home")
        wait_for("a small picture", lambda: "Resolution: 64x" in text(page), SECONDS)
        first = wait_for("a scene", lambda: scene(page), SECONDS)
        press(page, "Frame", "ArrowRight")
        press(page, "Frame", "ArrowRight")
        assert shown_frame(page) == 2
        wait_for("another picture", lambda: changed_share(first, picture(page)) > 0.03, SECONDS)
        press(page, "Frame", "Home")
        wait_for("the first picture again", lambda: changed_share(first, picture(page)) < 0.01, SECONDS)

        press(page, "Time", "End")
        wait_for("the frame to follow the time", lambda: shown_frame(page) == 3, SECONDS)
        page.evaluate(f"{control('Play')}.querySelector('input').click()")
        for frame in range(4):
            wait_for(f"frame {frame} to be played", lambda: shown_frame(page) == frame, SECONDS)  # noqa: B023


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
