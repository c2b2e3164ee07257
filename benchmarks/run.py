"""Runs what is missing of a table, and prints it beside the paper's.

    python -m benchmarks.run family --data CAPTURE --jobs 2

Every run is a process of its own and leaves one line in `benchmarks/results/TABLE.jsonl`. On a machine with GPUs each
job has one of them to itself; `--engine submitit` gives the runs to a cluster.
"""

import sys
from pathlib import Path
from typing import Any, Literal

import tyro

from benchmarks.measure import row_settings
from benchmarks.records import RESULTS, Record, read_records
from benchmarks.report import table_lines
from benchmarks.table import Row
from benchmarks.tables import find_table
from resfields_ns.commands.command_line import run_command
from resfields_ns.engines.cluster import ClusterConfig, run_on_cluster
from resfields_ns.engines.local import run_locally, visible_gpus


def check_record(name: str, record: Record, settings: dict[str, Any]) -> None:
    """Raise a ValueError if a record was made with other settings than its row has now; new options do not count."""
    found = record["config"]
    for option in sorted(found.keys() & settings.keys()):
        if found[option] != settings[option]:
            raise ValueError(
                f"{name}: expected {option} {settings[option]}, found {found[option]}; "
                "the table or its method has changed: move the record away to run it again"
            )


def missing_runs(rows: list[Row], seeds: tuple[int, ...], path: Path) -> dict[str, tuple[Row, int]]:
    """Rows and seeds without a record, by the run's name; configs are made here, so a mistake shows at once."""
    missing, records = {}, read_records(path)
    for row in rows:
        settings = row_settings(row)
        for seed in seeds:
            name = row.run_name(seed)
            if record := records.get((row.name, seed)):
                check_record(f"{path}, {name}", record, settings)
            else:
                missing[name] = (row, seed)
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
    rows = [grid.run_row(name) for name in only] or grid.runs
    path, output_dir, data = grid.records(results).resolve(), output_dir.resolve(), data.resolve()
    runs = missing_runs(rows, seed, path)
    print(f"{grid.name}: {len(runs)} of {len(rows) * len(seed)} runs are missing", flush=True)
    commands = {
        name: [sys.executable, "-m", "benchmarks.measure", table, row.name]
        + [f"--data={data}", f"--record={path}", f"--seed={number}", f"--output-dir={output_dir}"]
        for name, (row, number) in runs.items()
    }
    logs = output_dir / "logs" / grid.name
    failed: list[str] = []
    if commands and engine == "local":
        failed = run_locally(commands, logs, jobs, threads, visible_gpus())
    elif commands:
        failed = run_on_cluster(commands, logs, jobs, threads, cluster)
    print("\n".join(table_lines(grid, read_records(path))))
    if failed:
        raise SystemExit(f"{len(failed)} of {len(runs)} runs failed: {', '.join(failed)}")


if __name__ == "__main__":
    run_command(main)
