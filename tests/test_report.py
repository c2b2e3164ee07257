"""rf-report and rf-plot: pages that hold all that they show, and play what was exported."""

import base64
import gzip
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import trimesh
from matplotlib.figure import Figure
from PIL import Image

from resfields_ns.captures.meshes.gltf_file import GltfFile
from resfields_ns.commands import plot, report
from resfields_ns.report import run_parts
from resfields_ns.report.report_page import three_js, write_report
from resfields_ns.report.run_parts import RunParts, names_of_runs
from tests.browser import Page, open_page, require_browser, wait_for
from tests.methods import METHODS, family_of, tiny_config, trained

_NUM_FRAMES = 4
_WITHIN = ["--resolution", "16", "--seconds", "0.2"]


class _Elements(HTMLParser):
    """Every element of a page with its attributes, and the text of those that are named."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _report(patch: pytest.MonkeyPatch, *arguments: object) -> None:
    patch.setattr(sys, "argv", ["rf-report", *map(str, arguments)])
    report.entrypoint()


@pytest.fixture(scope="module")
def page(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on the tiny run, and once more on it."""
    path = tmp_path_factory.mktemp("report") / "two.html"
    with pytest.MonkeyPatch.context() as patch:
        _report(patch, tiny_run.parent, tiny_run, "--output-path", path, *_WITHIN)
    return path


@pytest.fixture(scope="module")
def browser(page: Path) -> Iterator[Page]:
    require_browser()
    with open_page(page.as_uri(), 1000, 900) as opened:
        wait_for("the players", lambda: opened.evaluate("window.players?.length === 2"), 60)
        opened.evaluate("setPlaying(false)")
        yield opened


def test_nothing_is_left_beside_a_report_that_is_whole(page: Path) -> None:
    assert [path.name for path in page.parent.iterdir()] == [page.name]
    assert page.stat().st_size < 3e6


def test_all_that_a_page_shows_is_in_it(page: Path) -> None:
    elements = _Elements(page).found
    for tag, attributes in elements:
        for name in ("src", "href", "data", "poster"):
            assert name not in attributes or str(attributes[name]).startswith("data:"), tag
    assert {"link", "iframe", "object"}.isdisjoint(tag for tag, _ in elements)
    assert [tag for tag, _ in elements].count("video") == 2


def test_a_browser_opens_it_from_a_file_without_a_complaint(browser: Page) -> None:
    """Nothing is asked for but what the page holds, and nothing stands on the console."""
    loaded = browser.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert all(name.startswith("data:") for name in loaded)
    browser.call("Log.enable")
    browser.call("Runtime.enable")
    browser.evaluate("1")
    said = [event for event in browser.events if event["method"] in ("Log.entryAdded", "Runtime.consoleAPICalled")]
    assert [event for event in said if "GL Driver Message" not in json.dumps(event)] == []
    assert not any(event["method"] == "Runtime.exceptionThrown" for event in browser.events)


def test_three_js_plays_the_exported_meshes(
    browser: Page, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as frames, over as many seconds, each within the box of the mesh that rf-export writes."""
    from resfields_ns.commands import export

    arguments = ["--load-config", str(tiny_run), "--output-dir", str(tmp_path), "--resolution", "16", "--animated"]
    monkeypatch.setattr(sys, "argv", ["rf-export", *arguments])
    export.entrypoint()
    files = sorted(tmp_path.glob("mesh_*"))
    assert browser.evaluate("players[0].view.frames") == [int(file.stem[5:]) for file in files]
    np.testing.assert_allclose(browser.evaluate("players[0].clip.duration"), _NUM_FRAMES / 24.0, rtol=1e-5)
    for index, file in enumerate(files):
        browser.evaluate(f"showMoment(players[0].view.starts[{index}])")
        assert browser.evaluate("frame.textContent") == f"frame {int(file.stem[5:])}"
        box = browser.evaluate(
            "(() => { const all = new THREE.Box3(); players[1].scene.updateMatrixWorld(true);"
            " players[1].scene.traverse((node) => {"
            "  if (node.isMesh && node.parent.scale.x * node.scale.x > 0) all.expandByObject(node, true); });"
            " return [all.min.toArray(), all.max.toArray()]; })()"
        )
        np.testing.assert_allclose(box, trimesh.load_mesh(file, process=False).bounds, atol=1e-5)


def test_arrows_and_the_slider_show_other_frames(browser: Page) -> None:
    browser.evaluate("showMoment(0)")
    first = browser.screenshot(".player")
    assert (np.ptp(first, axis=(0, 1)) > 30).any()  # something before the background
    browser.press("ArrowRight")
    assert browser.evaluate("placeOf(Number(moment.value))") == 1
    browser.press("ArrowLeft")
    browser.press("ArrowLeft")
    assert browser.evaluate("placeOf(Number(moment.value))") == _NUM_FRAMES - 1
    shown = []
    for view in range(_NUM_FRAMES):
        browser.evaluate(f"view.value = {view}; view.dispatchEvent(new Event('input'))")
        shown.append(browser.evaluate("document.querySelectorAll('#views .title')[1].textContent"))
        sources = browser.evaluate("[...document.querySelectorAll('#views .run img')].map((picture) => picture.src)")
        assert len(sources) == 6 and sources[:3] == sources[3:]
    assert shown == [f"cam_test, frame {frame}" for frame in range(_NUM_FRAMES)]


_NO_ROOM = "expected room for it on the disk, found none"


def test_a_stopped_report_goes_on(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_parts, "export_meshes", stop)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            _report(patch, tiny_run.parent, "--output-path", path, *_WITHIN)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html.partial"]
    with monkeypatch.context() as patch:
        patch.setattr(run_parts, "evaluate_run", stop)
        patch.setattr(run_parts, "render_movie", stop)
        _report(patch, tiny_run.parent, "--output-path", path, *_WITHIN)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_full_disk_costs_nothing_that_is_made(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says where there is no room, and what is kept."""

    def fill(*_: object, **__: object) -> None:
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"0")

    report_at, plots = tmp_path / "report.html", tmp_path / "plots"
    with monkeypatch.context() as patch:
        patch.setattr(run_parts, "export_meshes", fill)
        with pytest.raises(SystemExit):
            _report(patch, tiny_run.parent, "--output-path", report_at, *_WITHIN)
    kept = f"what is made is kept in {report_at}.partial, from which the same command goes on"
    assert capsys.readouterr().err.splitlines()[-1] == f"Error: {report_at}: {_NO_ROOM}; {kept}"
    with monkeypatch.context() as patch:
        patch.setattr(Figure, "savefig", fill)
        patch.setattr(sys, "argv", ["rf-plot", str(tiny_run.parent), "--output-dir", str(plots)])
        with pytest.raises(SystemExit):
            plot.entrypoint()
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith(f"Error: {plots}/") and line.endswith(f".png: {_NO_ROOM}; nothing of it is left")


def test_a_run_whose_data_are_gone_is_shown_without_test_views(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = shutil.copytree(tiny_run.parent, tmp_path / "run")
    for name in ("sequence.json", "config.yml"):
        text = (run / name).read_text()
        (run / name).write_text(text.replace(json.loads((run / "sequence.json").read_text())["data"], "/gone/capture"))
    config = (run / "config.yml").read_text()
    data = Path(json.loads((tiny_run.parent / "sequence.json").read_text())["data"])
    (run / "config.yml").write_text(config.replace("\n- " + "\n- ".join(data.parts) + "\n", "\n- /\n- gone\n"))
    _report(monkeypatch, run, "--output-path", tmp_path / "report.html", *_WITHIN)
    assert "left out: Test views and metrics: /gone" in capsys.readouterr().err.replace("\n", "")
    assert "Test views and metrics: /gone" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("method", "metric", "moves"),
    [
        ("video-resfields", "psnr", None),
        ("sdf-resfields", "chamfer", "scale"),
        ("sceneflow-resfields", "epe", "weights"),
    ],
)
def test_every_task_has_a_report(
    method: str,
    metric: str,
    moves: str | None,
    tiny_data: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Meshes of surfaces are switched, those of scene flow move, and a video has none, which the page says."""
    config = tiny_config(METHODS[method], tiny_data(family_of(METHODS[method])), tmp_path / "run")
    trained(config)
    _report(monkeypatch, config.get_base_dir(), "--output-path", tmp_path / "report.html", *_WITHIN)
    page = (tmp_path / "report.html").read_text()
    assert metric in page.partition('id="facts"')[0]
    assert ("Meshes: the run has no surface" in page) == (moves is None)
    assert ("left out: Meshes" in capsys.readouterr().err) == (moves is None)
    if moves is not None:
        packed = re.findall(r'"meshes": "([^"]+)"', page)[0]
        (tmp_path / "animation.glb").write_bytes(gzip.decompress(base64.b64decode(packed)))
        channels = GltfFile(tmp_path / "animation.glb").json["animations"][0]["channels"]
        assert {channel["target"]["path"] for channel in channels} == {moves}


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["/a/e/m/1", "/a/e/m/2"], ["e/m/1", "e/m/2"]),
        (["/a/s0/e/m/1", "/a/s1/e/m/1"], ["s0/e/m/1", "s1/e/m/1"]),
        (["/a/s0/x/e/m/1", "/a/s1/x/e/m/1", "/a/s0/x/e/m/1"], ["s0/x/e/m/1", "s1/x/e/m/1", "s0/x/e/m/1"]),
        (["/e/m/1", "/a/e/m/1"], ["/e/m/1", "a/e/m/1"]),
        (["/m/1"], ["/m/1"]),
    ],
)
def test_runs_have_the_shortest_names_that_tell_them_apart(folders: list[str], names: list[str]) -> None:
    assert names_of_runs([Path(folder) for folder in folders]) == names


def test_names_and_configs_are_text(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><img src=http://a.b/c onerror=alert(1)>"
    of_name = {evil: "data:,"}
    view = {"title": evil, "pictures": {evil: "data:,"}}
    parts = RunParts(
        evil, {evil: evil}, {evil: 1.0}, [view], of_name, of_name, of_name, "data:,", None, {}, evil, [evil]
    )
    write_report([parts], tmp_path / "report.html")
    elements = _Elements(tmp_path / "report.html").found
    assert [tag for tag, _ in elements].count("script") == 3
    assert not any("onerror" in attributes or attributes.get("src", "data:,") != "data:," for _, attributes in elements)


def test_three_js_comes_with_its_licence() -> None:
    assert "Three.js Authors" in three_js()[:300] and "SPDX-License-Identifier: MIT" in three_js()[:300]


def test_plots_are_pictures_of_layers_and_a_page(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["rf-plot", str(tiny_run.parent), "--output-dir", str(tmp_path / "plots")])
    plot.entrypoint()
    pictures = sorted((tmp_path / "plots").glob("*.png"))
    assert pictures and all(np.array(Image.open(path)).std() > 10 for path in pictures)
    shown = [
        attributes["alt"]
        for tag, attributes in _Elements(tmp_path / "plots" / "coefficients.html").found
        if tag == "img"
    ]
    assert sorted(map(str, shown)) == [path.stem for path in pictures]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "RUN: expected the config.yml of a run, found no file nowhere"),
        (["nowhere", "--output-path", "report.pdf"], "--output-path: expected a name in .html, found report.pdf"),
        (["nowhere", "--resolution", "1"], "--resolution: expected at least 2, got 1"),
        (["nowhere", "--seconds", "0"], "--seconds: expected above 0, got 0.0"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        _report(monkeypatch, *arguments)
    assert stopped.value.code == 1
    assert capsys.readouterr().err.strip().endswith(message)
