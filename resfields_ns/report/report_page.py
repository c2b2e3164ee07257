"""Pages that hold all that they show: the report on runs, and the coefficients of one."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import trimesh
from jinja2 import Environment
from markupsafe import Markup
from trimesh.viewer.notebook import scene_to_html

from resfields_ns.files import write_aside
from resfields_ns.report.run_parts import RunParts

_LAST_OF_THREE_JS = "THREE.GLTFLoader=GLTFLoader;})();"


def write_report(runs: list[RunParts], path: Path) -> None:
    """Write what is known of runs, in columns, to one HTML file that loads nothing."""
    metrics = list(dict.fromkeys(name for run in runs for name in run.means))
    data = [{"views": run.views, "meshes": run.meshes, "view": run.view} for run in runs]
    most_views = max(1, *(len(run.views) for run in runs))
    script = {"three": Markup(three_js()), "script": Markup(_file("page.js"))}
    title = f"Report on {', '.join(run.name for run in runs)}"
    _write(path, title=title, runs=runs, metrics=metrics, data=data, most_views=most_views, **script)


def write_plots(name: str, coefficients: dict[str, str], path: Path) -> None:
    """Write plots of coefficients, as addresses that hold them, of the run of a name, to one HTML file."""
    _write(path, title=f"Coefficients of {name}", runs=[{"name": name, "coefficients": coefficients}], metrics=[])


def _write(path: Path, **content: Any) -> None:
    page = Environment(autoescape=True, trim_blocks=True).from_string(_file("page.html"))
    with write_aside(path) as partial:
        partial.write_text(page.render(style=Markup(_file("page.css")), **content), encoding="utf-8")


def _file(name: str) -> str:
    return (files("resfields_ns.report") / name).read_text(encoding="utf-8")


def three_js() -> str:
    """three.js with its loader of glTF and its camera controls, as trimesh brings it for its own viewer (MIT licence).

    One script, which defines `THREE`.
    """
    page = scene_to_html(trimesh.Scene(trimesh.creation.box()))
    found = re.search(rf"<script>(.*?{re.escape(_LAST_OF_THREE_JS)})", page, re.DOTALL)
    if found is None:
        raise RuntimeError(f"expected three.js in the viewer of trimesh, found none in {trimesh.__version__}")
    return found[1]
