"""What a run adds to the host's viewer, alone and on the pages that ns-train and ns-viewer serve."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import viser
from nerfstudio.viewer.control_panel import ControlPanel
from viser._messages import GuiUpdateMessage, Message

from resfields_ns import timeline
from resfields_ns.viewer.time_panel import TimePanel
from tests.browser import Page, open_page, require_browser, wait_for
from tests.viewer_pages import (
    CHANGED,
    SECONDS,
    WINDOW_WIDTH,
    changed_share,
    click,
    control,
    drag,
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
        viewer = SimpleNamespace(viser_server=server, control_panel=panel, _trigger_rerender=lambda: None)
        yield TimePanel(viewer, num_frames, None, None)  # pyright: ignore
    finally:
        server.stop()


def shown_time(panel: TimePanel) -> float:
    return panel.viewer.control_panel.time


@pytest.mark.parametrize("num_frames", [1, 2])
def test_one_frame_has_no_sliders_of_time(num_frames: int) -> None:
    with time_panel(num_frames) as panel:
        host = panel.viewer.control_panel
        host.update_control_panel()
        assert {panel.frame.visible, panel.play.visible, host._time.gui_handle.visible} == {num_frames > 1}


def test_every_frame_is_shown_at_exactly_its_time() -> None:
    with time_panel(30) as panel:
        for frame in [*range(1, 30), 0]:
            drag(panel.frame, frame)
            own_time = timeline.times_from_frames(torch.tensor(frame), 30)
            wait_for(f"frame {frame}", lambda: torch.equal(torch.tensor(shown_time(panel)), own_time), SECONDS)  # noqa: B023


def test_a_chosen_frame_is_not_sent_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would come after the page's next choice, and undo it."""
    with time_panel(5) as panel:
        sent: list[Message] = []
        monkeypatch.setattr(panel.viewer.viser_server._websock_server, "queue_message", sent.append)
        drag(panel.frame, 3)
        updated = {message.id for message in sent if isinstance(message, GuiUpdateMessage)}
        assert updated == {panel.viewer.control_panel._time.gui_handle._impl.id}
        panel.show(1.0)
        assert panel.frame._impl.id in {message.id for message in sent if isinstance(message, GuiUpdateMessage)}


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


def test_the_page_of_ns_train(training: tuple[str, Path]) -> None:
    url, _ = training
    with viewed(url) as page:
        check_first_view(page)
        check_frames(page)


def test_the_page_of_ns_viewer(training: tuple[str, Path], tmp_path: Path) -> None:
    _, config = training
    arguments = ["--load-config", str(config)]
    with (
        serve(tmp_path / "viewer.log", "nerfstudio.scripts.viewer.run_viewer", *arguments) as url,
        viewed(url) as page,
    ):
        check_first_view(page)
        check_keys(page)
        check_meshes(page)


@contextmanager
def viewed(url: str) -> Iterator[Page]:
    """A page that is connected, with time in its panel without scrolling, and small pictures.

    The training has hardly begun, but starts from the visual hull of each frame's masks, which moves with the creature.
    """
    with open_page(url, WINDOW_WIDTH, 700) as page:
        wait_for("the connection", lambda: "Connected" in text(page), SECONDS)
        wait_for("the frame slider", lambda: page.evaluate(f"{slider('Frame')} !== undefined"), SECONDS)
        assert page.evaluate(f"{control('Slow motion')}.getBoundingClientRect().bottom < window.innerHeight"), "time"
        press(page, "Max res", "Home")
        wait_for("a small picture", lambda: "Resolution: 64x" in text(page), SECONDS)
        page.evaluate("document.activeElement.blur()")
        yield page


def check_first_view(page: Page) -> None:
    """The subject is in the picture as a whole."""
    drawn = wait_for("a scene", lambda: scene(page), SECONDS)
    differs = np.abs(drawn - np.median(drawn, axis=(0, 1))).max(axis=-1) > CHANGED
    differs[-LOGO:, :LOGO] = False
    rows, columns = differs.any(axis=1).nonzero()[0], differs.any(axis=0).nonzero()[0]
    for places, length in ((rows, drawn.shape[0]), (columns, drawn.shape[1])):
        assert 0.05 * length < places[0] and places[-1] < 0.95 * length
        assert abs(places.mean() - 0.5 * length) < 0.25 * length
    assert differs.mean() > 0.03


def check_frames(page: Page) -> None:
    """A page moves the scene with the frame slider, and plays it."""
    assert [page.evaluate(f"{slider('Frame')}.ariaValue{end}") for end in ("Min", "Max")] == ["0", "3"]
    first = picture(page)
    press(page, "Frame", "ArrowRight")
    press(page, "Frame", "ArrowRight")
    assert shown_frame(page) == 2
    wait_for("another picture", lambda: changed_share(first, picture(page)) > MOVED, SECONDS)
    press(page, "Frame", "Home")
    wait_for("the first picture again", lambda: changed_share(first, picture(page)) < 0.3 * MOVED, SECONDS)

    press(page, "Time", "End")
    wait_for("the frame to follow the time", lambda: shown_frame(page) == 3, SECONDS)
    press(page, "Frames per second", "Home")
    click(page, "Play")
    for frame in range(4):
        wait_for(f"frame {frame} to be played", lambda: shown_frame(page) == frame, SECONDS)  # noqa: B023


def check_keys(page: Page) -> None:
    """Arrows step, and the space bar plays; the camera stays where it is."""
    first = picture(page)
    for key, frame in (("ArrowLeft", 3), ("ArrowRight", 0), ("ArrowRight", 1), ("ArrowLeft", 0)):
        page.press(key)
        wait_for(f"frame {frame}", lambda: shown_frame(page) == frame, SECONDS)  # noqa: B023
    wait_for("the first picture again", lambda: changed_share(first, picture(page)) < 0.3 * MOVED, SECONDS)
    page.press(" ")
    wait_for("another frame", lambda: shown_frame(page) > 0, SECONDS)
    page.press(" ")
    wait_for("rest", lambda: not page.evaluate(f"{control('Play')}.querySelector('input').checked"), SECONDS)


def check_meshes(page: Page) -> None:
    """Meshes look like pictures, play fluently, and make way for pictures at rest."""
    press(page, "Frame", "Home")
    wait_for("a picture", lambda: "Resolution: 64x" in text(page), SECONDS)
    first = picture(page)
    click(page, "Play as meshes")
    wait_for("progress", lambda: page.evaluate(PROGRESS), SECONDS)
    wait_for("all meshes", lambda: not page.evaluate(PROGRESS), SECONDS)
    click(page, "Play")
    wait_for("20 frames a second", lambda: reached_rate(page) >= 20.0, SECONDS)
    assert 0.0 < changed_share(first, picture(page)) < 10.0 * MOVED
    click(page, "Play")
    press(page, "Frame", "Home")
    wait_for("the first picture again", lambda: changed_share(first, picture(page)) < 0.3 * MOVED, SECONDS)


MOVED = 0.01  # share of the pixels that another frame changes at least
LOGO = 70  # pixels of viser's mark at the lower left
PROGRESS = "document.querySelector('[role=progressbar]') !== null"


def reached_rate(page: Page) -> float:
    """Of meshes that play, in frames a second, as the page tells."""
    found = re.search(r"Reaches ([\d.]+) frames a second", text(page))
    return 0.0 if found is None else float(found[1])
