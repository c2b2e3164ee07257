"""How long training steps of a table's rows take beside each other.

    python -m benchmarks.step_ratio 2-small siren-128_plain siren-128_rank-10 --data fox.anime

All rows train in one process, a step of each in turn, so that a noisy machine disturbs them alike; ratios are to the
first row's step of the same round.
"""

import statistics
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import torch
import tyro

from benchmarks.measure import run_config
from benchmarks.tables import find_table
from resfields_ns.commands.command_line import run_command

WARM_UP = 5  # rounds that are not counted


def make_step(table: str, row: str, data: Path, output_dir: Path) -> Callable[[], float]:
    """A training step of a row, which returns its seconds."""
    grid = find_table(table)
    trainer = run_config(grid, grid.run_row(row), data, output_dir, seed=0).setup(local_rank=0, world_size=1)
    trainer.setup()
    step = count()

    def timed() -> float:
        start = time.perf_counter()
        trainer.train_iteration(next(step))
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter() - start

    return timed


def main(
    table: tyro.conf.Positional[str],
    rows: tyro.conf.Positional[tuple[str, ...]],
    data: Path,
    rounds: int = 50,
    output_dir: Path = Path("outputs/benchmarks"),
) -> None:
    """Time steps of rows of a table in turn.

    Args:
        table: its name, a file of benchmarks/tables
        rows: names of rows
        data: what they are trained on
        rounds: counted rounds; a round takes one step of every row
        output_dir: for the runs themselves
    """
    steps = [make_step(table, row, data, output_dir) for row in rows]
    times = [[step() for step in steps] for _ in range(WARM_UP + rounds)][WARM_UP:]
    for number, row in enumerate(rows):
        median = statistics.median(seconds[number] for seconds in times)
        ratio = statistics.median(seconds[number] / seconds[0] for seconds in times)
        print(f"{row:40s} median {median:.4f} s   median ratio to {rows[0]}: {ratio:.3f}")


if __name__ == "__main__":
    run_command(main)
