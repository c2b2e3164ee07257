"""Figures of the paper, drawn from records and from short runs, into `docs/figures`.

python -m benchmarks.figures layers                              # Table A.3 in a picture, from its records
python -m benchmarks.figures methods                             # Figure 5, from the records of `family`
python -m benchmarks.figures curves --data bikes.mp4             # Figure 4: runs what has no record, then draws
python -m benchmarks.figures scaling                             # what residual layers add to a step, from its records
python -m benchmarks.figures base --data ANIMATION.anime         # Figure A.1: a run of minutes, drawn as it ends
python -m benchmarks.figures sooner                              # quality over seconds of processor, from its records
python -m benchmarks.figures long                                # frames of a long motion, from runs of `width-128`
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from torch import Tensor

from benchmarks.captures import CHAMFER, METHODS, PSNR, TABLE_3
from benchmarks.measure import measured, row_settings, run_config, set_up
from benchmarks.records import RESULTS, ROOT, Record, commit_facts, read_records, write_record
from benchmarks.report import Records, of_row, our_figure
from benchmarks.scaling import BASE, SWEPT
from benchmarks.table import Column, Row, Table
from benchmarks.tables import find_table
from benchmarks.video import TEST
from resfields_ns.commands.command_line import run_command
from resfields_ns.host.trained_run import TrainedRun, load_trained_run
from resfields_ns.layers import largest_rank, show_residuals

FIGURES = ROOT / "docs" / "figures"
LOOKS = 10


def layers(data: Path | None, output_dir: Path) -> Figure:
    """Held-out PSNR over parameters, of one residual layer and of three: the paper's and ours."""
    del data, output_dir
    table = find_table("a3-small")
    records = read_records(table.records(RESULTS))
    drawing, axes = _panels(("the paper", "here, small"))
    parameters, psnr = table.columns[:2]
    for label in ("2", "1, 2, 3"):
        rows = [row for row in table.rows if row.labels[0] == label]
        name = "one residual layer" if label == "2" else "three residual layers"
        theirs = [(row.paper[parameters.title], row.paper[psnr.title]) for row in rows]
        ours = [(our_figure(of_row(records, row), parameters), our_figure(of_row(records, row), psnr)) for row in rows]
        for panel, points in zip(axes, (theirs, ours), strict=True):
            panel.plot(*zip(*points, strict=True), marker="o", label=name)
            panel.set_xlabel("parameters")
            panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes[0].set_ylabel(f"{TEST} (dB)")
    axes[1].legend()
    return drawing


def methods(data: Path | None, output_dir: Path) -> Figure:
    """PSNR and Chamfer distance of every dynamic method, plain and with residual layers: the paper's and ours."""
    del data, output_dir
    table = find_table("family")
    records = read_records(table.records(RESULTS))
    drawing, axes = _panels(("the paper", "here, small", "the paper", "here, small"))
    for index, column in enumerate(column for column in table.columns if column.title in (PSNR, CHAMFER)):
        _bars(axes[2 * index], [_of_paper(method, column) for method in METHODS])
        _bars(axes[2 * index + 1], [_of_ours(table, records, method, column) for method in METHODS])
        axes[2 * index].set_ylabel(column.title)
    axes[2].legend()
    for panel in axes[:2]:
        panel.set_ylim(bottom=18.0)
    return drawing


def scaling(data: Path | None, output_dir: Path) -> Figure:
    """What residual layers add to a training step, over its sizes."""
    del data, output_dir
    records = read_records(RESULTS / "scaling.jsonl")
    drawing, axes = _panels(tuple(SWEPT))
    for panel, (name, values) in zip(axes, SWEPT.items(), strict=True):
        ratios = [records[replace(BASE, **{name: value}).name, 0]["results"]["ratio"] for value in values]
        panel.plot(values, [100.0 * (ratio - 1.0) for ratio in ratios], marker="o")
        panel.set_xscale("log", base=2)
        panel.set_xticks(values, [str(value) for value in values])
        panel.set_ylim(bottom=min(0.0, panel.get_ylim()[0]))
    axes[0].set_ylabel("added to a step (%)")
    return drawing


def curves(data: Path | None, output_dir: Path) -> Figure:
    """Training and test PSNR of a clip over steps, as the networks of Table 1 learn it."""
    table, path = find_table("1-small"), RESULTS / "curves.jsonl"
    drawing, axes = _panels(("training", "test"))
    for row in table.runs:
        if (record := read_records(path).get((row.name, 0))) is None:
            record = _learn(table, row, _needed(data, "curves"), output_dir)
            write_record(path, record)
        for panel, part in zip(axes, ("train", "test"), strict=True):
            steps, values = zip(*((look["step"], look[f"psnr_{part}_pooled"]) for look in record["curve"]), strict=True)
            panel.plot(steps, values, marker=".", label=row.labels[0])
            panel.set_xlabel("steps")
    axes[0].set_ylabel("PSNR (dB)")
    axes[1].legend()
    return drawing


def base(data: Path | None, output_dir: Path) -> Figure:
    """The surface of the base weights alone beside frames of an animation, after a third of the small steps."""
    table = find_table("strays")
    row = table.run_row("fox_10_30")
    row = replace(row, data="", overrides={**row.overrides, "max_num_iterations": 500})
    trainer = set_up(run_config(table, row, _needed(data, "base"), output_dir, seed=0))
    trainer.train()
    pipeline: Any = trainer.pipeline.eval()
    model, cameras = pipeline.model, pipeline.datamanager.eval_dataset.cameras
    shown = range(0, len(cameras), max(1, len(cameras) // 3))[:3]
    drawing, axes = _panels([*(f"time {float(cameras.times[index]):.2f}" for index in shown), "base weights alone"])
    for panel, index in zip(axes, (*shown, shown[0]), strict=True):
        alone = panel is axes[-1]
        show_residuals(model.field, 0.0 if alone else 1.0, largest_rank(model.field))
        with torch.no_grad():
            panel.imshow(model.get_outputs_for_camera(cameras[index : index + 1])["rgb"].numpy())
        panel.axis("off")
    return drawing


def sooner(data: Path | None, output_dir: Path) -> Figure:
    """Quality of held-out pictures and surfaces over seconds of processor."""
    del data, output_dir
    table = find_table("sooner")
    drawing, axes = _panels([column.title for column in table.columns[:3]])
    for row in table.runs:
        for record in of_row(read_records(table.records(RESULTS)), row):
            for panel, column in zip(axes, table.columns, strict=False):
                name = column.figure.removeprefix("results.")
                looks = [(look["processor_s"], look[name]) for look in record["curve"] if name in look]
                panel.plot(*zip(*looks, strict=True), marker=".", label=row.labels[0])
                panel.set_xlabel("seconds of processor")
    axes[0].legend()
    return drawing


def long(data: Path | None, output_dir: Path) -> Figure:
    """A long motion from the held-out camera: as it is, by plain and residual layers, and by the base weights alone."""
    del data
    plain, residual = (_trained(f"tnerf-resfields_{layers}", output_dir) for layers in ("plain", "1-7"))
    shown = (10, 60, 160)
    drawing = Figure(figsize=(10.0, 7.8), layout="constrained")
    for panels, frame in zip(drawing.subplots(len(shown), 4, squeeze=False), shown, strict=True):
        truth = plain.eval_dataset[frame]
        pictures = {
            f"frame {frame}": torch.where(truth["mask"], truth["image"], 1.0),
            "plain layers": _picture(plain, frame),
            "layers 1 to 7 residual": _picture(residual, frame),
            "their base weights alone": _picture(residual, frame, residual_scale=0.0),
        }
        for panel, (name, picture) in zip(panels, pictures.items(), strict=True):
            panel.set_title(name, fontsize=9)
            panel.imshow(picture.numpy())
            panel.axis("off")
    return drawing


@torch.no_grad()
def _picture(run: TrainedRun, frame: int, residual_scale: float = 1.0) -> Tensor:
    run.show_residuals(residual_scale, None)
    camera = run.eval_dataset.cameras[frame : frame + 1].to(run.model.device)
    return run.model.get_outputs_for_camera(camera)["rgb"].cpu()


def _trained(row: str, output_dir: Path) -> TrainedRun:
    """The run of a row of `width-128`, seed 0."""
    runs = sorted(output_dir.glob(f"width-128-{row}_seed0/*/*/config.yml"))
    if not runs:
        command = f"python -m benchmarks.run width-128 --data DATA --only {row}"
        raise ValueError(f"--output-dir: expected a run of {row} in {output_dir}, found none; {command}")
    return load_trained_run(runs[-1])


DRAWN: dict[str, Callable[[Path | None, Path], Figure]] = {
    drawn.__name__: drawn for drawn in (layers, methods, curves, base, sooner, scaling, long)
}


def _learn(table: Table, row: Row, data: Path, output_dir: Path) -> Record:
    """A run that is evaluated at equal parts of its steps."""
    run = {"table": "curves", "row": row.name, "method": row.method, "config": row_settings(row), "seed": 0}
    config = run_config(table, row, data, output_dir, seed=0)
    return {**run, "data": data.name, **commit_facts(), **measured(config, table.more_metrics, LOOKS)}


def _of_paper(method: str, column: Column) -> tuple[float | None, float | None]:
    best = "1-3" if method == "HexPlane" else "1-7"
    return TABLE_3[method, "plain"]["mean"][column.title], TABLE_3[method, best]["mean"][column.title]


def _of_ours(table: Table, records: Records, method: str, column: Column) -> tuple[float | None, float | None]:
    rows = [table.run_row(f"{METHODS[method]}_{layers}") for layers in ("plain", "residual")]
    plain, residual = (our_figure(of_row(records, row), column) for row in rows)
    return plain, residual


def _bars(panel: Axes, pairs: Sequence[tuple[float | None, float | None]]) -> None:
    places = np.arange(len(pairs))
    for shift, name, values in zip((-0.2, 0.2), ("plain", "residual layers"), zip(*pairs, strict=True), strict=True):
        panel.bar(places + shift, [np.nan if value is None else value for value in values], 0.4, label=name)
    panel.set_xticks(places, list(METHODS), rotation=60)


def _panels(titles: Sequence[str]) -> tuple[Figure, list[Axes]]:
    drawing = Figure(figsize=(3.2 * len(titles) + 0.4, 3.4), layout="constrained")
    axes = list(drawing.subplots(1, len(titles), squeeze=False)[0])
    for panel, title in zip(axes, titles, strict=True):
        panel.set_title(title)
    return drawing, axes


def _needed(data: Path | None, name: str) -> Path:
    if data is None:
        raise ValueError(f"--data: expected what {name} is run on, found none")
    return data.resolve()


def main(
    name: tyro.conf.Positional[str],
    data: Path | None = None,
    output_dir: Path = Path("outputs/benchmarks"),
    folder: Path = FIGURES,
) -> None:
    """Draw a figure.

    Args:
        name: layers, methods, curves, base, sooner, scaling or long
        data: what a figure is run on that no record gives
        output_dir: for the runs themselves
        folder: where the picture goes
    """
    if name not in DRAWN:
        raise ValueError(f"figure: expected one of {', '.join(DRAWN)}, got {name}")
    drawing = DRAWN[name](data, output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    drawing.savefig(folder / f"{name}.png", dpi=110, facecolor="white", metadata={"Software": None})


if __name__ == "__main__":
    run_command(main)
