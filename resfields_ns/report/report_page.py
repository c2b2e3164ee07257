"""Pages that hold all that they show: the report on runs, and the coefficients of one."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from resfields_ns.files import write_aside
from resfields_ns.report.run_parts import RunParts
from resfields_ns.report.three_js import three_js


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
