"""What a run adds to the host's viewer, alone and on the pages that ns-train and ns-viewer serve."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import viser
from nerfstudio.viewer.control_panel import ControlPanel

from resfields_ns import timeline
from resfields_ns.viewer.time_panel import TimePanel
from tests.browser import open_page, require_browser, wait_for
from tests.viewer_pages import (
    SECONDS,
    WINDOW_WIDTH,
    changed_share,
    control,
    free_port,
    picture,
    press,
    scene,
    serve,
    shown_frame,
    slider,
    text,
)


@contextmanager
def time_panel(num_frames: int) -> Iterator[TimePanel]:
    """The time panel of a viewer without a page or a pipeline."""
    server = viser.ViserServer(host="127.0.0.1", port=free_port(), verbose=False)
    try:
        panel = ControlPanel(server, True, 10.0, lambda: None, lambda _: None, lambda _: None)
        pipeline = SimpleNamespace(model=None)
        viewer = SimpleNamespace(
            viser_server=server, control_panel=panel, pipeline=pipeline, _trigger_rerender=lambda: None
        )
        yield TimePanel(viewer, num_frames, None)  # pyright: ignore
    finally:
        server.stop()


def shown_time(panel: TimePanel) -> float:
    return panel.viewer.control_panel.time


def drag(handle: viser.GuiInputHandle, value: float | str) -> None:
    """Do what viser does when somebody moves a slider on the page, or presses one of a group of buttons."""
    handle._impl.value = value
    for callback in handle._impl.update_cb:
        callback(viser.GuiEvent(client=Mock(), client_id=0, target=handle))


def test_every_frame_is_shown_at_exactly_its_time() -> None:
    with time_panel(30) as panel:
        for frame in [*range(1, 30), 0]:
            drag(panel.frame, frame)
            own_time = timeline.times_from_frames(torch.tensor(frame), 30)
            wait_for(f"frame {frame}", lambda: torch.equal(torch.tensor(shown_time(panel)), own_time), SECONDS)  # noqa: B023


def test_the_frame_follows_the_time_and_leaves_it_between_frames() -> None:
    with time_panel(5) as panel:
        drag(panel.viewer.control_panel._time.gui_handle, 0.45)
        assert panel.frame.value == 2
        drag(panel.frame, 2)
        assert shown_time(panel) == 0.45


def test_steps_go_around_the_end_where_frames_loop() -> None:
    with time_panel(3) as panel:
        for loops, presses, frames in ((True, ("Previous", "Next", "Next"), (2, 0, 1)), (False, ("Next",) * 2, (2, 2))):
            drag(panel.loop, loops)
            for button, frame in zip(presses, frames, strict=True):
                drag(panel.step, button)
                assert panel.frame.value == frame


def test_playing_wraps_around_and_stops_when_unticked() -> None:
    with time_panel(3) as panel:
        panel.play.value = True
        for frame in (1, 2, 0, 1):
            wait_for(f"frame {frame}", lambda: panel.frame.value == frame, SECONDS)  # noqa: B023
        wait_for("a time to be set", lambda: shown_time(panel) > 0.0, SECONDS)
        panel.play.value = False
        assert panel.player is not None
        panel.player.join(SECONDS)
        assert not panel.player.is_alive()


def test_slow_motion_shows_moments_between_frames_and_ends_where_nothing_loops() -> None:
    with time_panel(3) as panel:
        shown: list[float] = []
        panel.viewer._trigger_rerender = lambda: shown.append(shown_time(panel))
        panel.loop.value, panel.slow_motion.value, panel.frames_per_second.value = False, 4, 60
        panel.play.value = True
        wait_for("the end", lambda: not panel.play.value, SECONDS)
        np.testing.assert_allclose(shown[:8], np.arange(1, 9) / 8, atol=1e-6)


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
