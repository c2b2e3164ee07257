"""Runs what is missing of a table, and prints it beside the paper's.

    python -m benchmarks.run family --data CAPTURE --jobs 2

Every run is a process of its own and leaves one JSON in `benchmarks/results/TABLE`. On a machine with GPUs each job has
one of them to itself; `--engine submitit` gives the runs to a cluster.
"""

import sys
from pathlib import Path
from typing import Any, Literal

import tyro

from benchmarks.engines.cluster import ClusterConfig, run_on_cluster
from benchmarks.engines.local import run_locally, visible_gpus
from benchmarks.measure import row_settings
from benchmarks.records import RESULTS, read_record
from benchmarks.report import table_lines
from benchmarks.table import Row
from benchmarks.tables import find_table
from resfields_ns.commands.command_line import run_command


def check_record(path: Path, settings: dict[str, Any]) -> None:
    """Raise a ValueError if a record was made with other settings than its row has now; new options do not count."""
    found = read_record(path)["config"]
    for name in sorted(found.keys() & settings.keys()):
        if found[name] != settings[name]:
            raise ValueError(
                f"{path}: expected {name} {settings[name]}, found {found[name]}; "
                "the table or its method has changed: move the record away to run it again"
            )


def missing_runs(rows: list[Row], seeds: tuple[int, ...], folder: Path) -> dict[str, tuple[Row, int]]:
    """Rows and seeds without a record, by the record's name; configs are made here, so a mistake shows at once."""
    missing = {}
    for row in rows:
        settings = row_settings(row)
        for seed in seeds:
            path = folder / f"{row.record_name(seed)}.json"
            if path.exists():
                check_record(path, settings)
            else:
                missing[path.stem] = (row, seed)
    return missing


def main(
    table: tyro.conf.Positional[str],
    data: Path,
    only: tuple[str, ...] = (),
    seed: tuple[int, ...] = (0,),
    jobs: int | None = None,
    threads: int = 1,
    engine: Literal["local", "submitit"] = "local",
    cluster: ClusterConfig = ClusterConfig(),  # noqa: B008
    output_dir: Path = Path("outputs/benchmarks"),
    results: Path = RESULTS,
) -> None:
    """Run what is missing of a table, and print it; the exit code is 1 if a run failed.

    Args:
        table: its name, a file of benchmarks/tables
        data: what it is run on
        only: names of rows; all without
        seed: one run of every row for each
        jobs: runs at a time; one a GPU by default, or one
        threads: CPU threads of a run
        engine: where runs are: on this machine, or a cluster through submitit
        cluster: what a run asks of the cluster
        output_dir: for the runs themselves
        results: for the records
    """
    grid = find_table(table)
    rows = [grid.row(name) for name in only] or list(grid.rows)
    folder, output_dir, data = grid.records(results).resolve(), output_dir.resolve(), data.resolve()
    runs = missing_runs(rows, seed, folder)
    print(f"{grid.name}: {len(runs)} of {len(rows) * len(seed)} runs are missing", flush=True)
    commands = {
        name: [sys.executable, "-m", "benchmarks.measure", table, row.name]
        + [f"--data={data}", f"--record={folder / name}.json", f"--seed={number}", f"--output-dir={output_dir}"]
        for name, (row, number) in runs.items()
    }
    logs = output_dir / "logs" / grid.name
    failed: list[str] = []
    if commands and engine == "local":
        failed = run_locally(commands, logs, jobs, threads, visible_gpus())
    elif commands:
        failed = run_on_cluster(commands, logs, jobs, threads, cluster)
    print("\n".join(table_lines(grid, folder)))
    if failed:
        raise SystemExit(f"{len(failed)} of {len(runs)} runs failed: {', '.join(failed)}")


if __name__ == "__main__":
    run_command(main)
