"""One run of a table, in a process of its own: train, evaluate, write the record.

    python -m benchmarks.measure table6-small siren --data bikes.mp4 --record table6-small.jsonl

`benchmarks.run` starts these.
"""

import random
import statistics
import time
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from nerfstudio.engine.trainer import Trainer, TrainerConfig

from benchmarks.memory import peak_memory_gb
from benchmarks.overrides import flatten, override
from benchmarks.records import commit_facts, write_record
from benchmarks.table import Row, Table
from benchmarks.tables import find_table
from benchmarks.time_to_quality import watch
from resfields_ns.commands.command_line import run_command

SETTINGS = ("pipeline", "optimizers", "max_num_iterations", "mixed_precision", "gradient_accumulation_steps")


def method_config(name: str) -> TrainerConfig:
    """The config of a registered method.

    Raises:
        ValueError: if there is none of that name
    """
    methods = _methods()
    if name not in methods:
        raise ValueError(f"method: expected one of {', '.join(sorted(methods))}, got {name}")
    return methods[name].load().config


def method_names(pipeline: type) -> list[str]:
    """The registered methods whose pipeline's config is of a class."""
    return [name for name in sorted(_methods()) if isinstance(method_config(name).pipeline, pipeline)]


@cache
def _methods() -> dict[str, EntryPoint]:
    """Those that are registered: found once, as a table asks for every row."""
    return {entry.name: entry for entry in entry_points(group="nerfstudio.method_configs")}


def row_config(row: Row) -> TrainerConfig:
    """The config of a row's method with the row's overrides."""
    return override(deepcopy(method_config(row.method)), row.overrides)


def row_settings(row: Row) -> dict[str, Any]:
    """What a row's config says about the run, as its record keeps it: all but machine, paths and logging.

    Schedules are as long as the run, to which the trainer sets them.
    """
    config = flatten(row_config(row))
    lengths = {path: config["max_num_iterations"] for path in config if path.endswith(".scheduler.max_steps")}
    return {path: value for path, value in (config | lengths).items() if path.split(".")[0] in SETTINGS}


def run_config(table: Table, row: Row, data: Path, output_dir: Path, seed: int) -> TrainerConfig:
    """The config of a run: a row's, on data below a folder or file, without evaluations or checkpoints on the way."""
    config = row_config(row)
    config.data = config.pipeline.datamanager.data = data / row.data  # pyright: ignore[reportAttributeAccessIssue]
    config.output_dir, config.experiment_name = output_dir, f"{table.name}-{row.run_name(seed)}"
    config.machine.seed = seed
    config.machine.device_type = "cuda" if torch.cuda.is_available() else "cpu"
    config.vis = "tensorboard"
    never = config.max_num_iterations + 1
    config.steps_per_eval_batch = config.steps_per_eval_image = config.steps_per_eval_all_images = never
    config.steps_per_save = never
    config.set_timestamp()
    return config


def set_up(config: TrainerConfig) -> Trainer:
    """A trainer, ready to train, of a config that is saved; one seed, the same run."""
    config.save_config()
    seed = config.machine.seed
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)
    trainer = config.setup(local_rank=0, world_size=1)
    trainer.setup()
    return trainer


def measured(config: TrainerConfig, more_metrics: Callable[[Any], dict[str, float]], looks: int = 0) -> dict[str, Any]:
    """Train and evaluate: metrics and the largest of a frame, median seconds a step, peak memory of training, facts.

    With `looks`, also metrics over seconds on the way.
    """
    trainer = set_up(config)
    pipeline = trainer.pipeline
    seen = watch(trainer, looks) if looks > 0 else []
    starts: list[float] = []
    step_losses = pipeline.get_train_loss_dict

    def timed(step: int) -> Any:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        starts.append(time.perf_counter())
        return step_losses(step)

    pipeline.get_train_loss_dict = timed
    trainer.train()
    peak = peak_memory_gb()
    with torch.no_grad():
        results = {**(seen[-1] if seen else pipeline.get_average_eval_image_metrics()), **more_metrics(pipeline)}
    numbers = _numbers(results)
    return {
        "results": numbers,
        **({"curve": [_numbers(look) for look in seen]} if seen else {}),
        "largest": _largest(results.get("per_frame", ()), numbers),
        "seconds_per_step": statistics.median(np.diff(starts).tolist()),
        "peak_memory_gb": peak,
        "facts": results["facts"],
    }


def _numbers(results: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in results.items() if isinstance(value, int | float)}


def _largest(frames: Iterable[dict[str, Any]], names: Iterable[str]) -> dict[str, float]:
    """The largest number of a frame by the name of the metric, of those that some frame has."""
    frames = list(frames)
    values = {name: [frame[name] for frame in frames if frame.get(name) is not None] for name in names}
    return {name: float(max(numbers)) for name, numbers in values.items() if numbers}


def main(
    table: tyro.conf.Positional[str],
    row: tyro.conf.Positional[str],
    data: Path,
    record: Path,
    seed: int = 0,
    output_dir: Path = Path("outputs"),
) -> None:
    """Run a row of a table and write its record.

    Args:
        table: name of the table
        row: name of its row
        data: what the table is run on
        record: the file of JSON lines that its record joins
        seed: of weights and batches
        output_dir: for the run itself
    """
    commit = commit_facts()
    grid = find_table(table)
    chosen = grid.run_row(row)
    config = run_config(grid, chosen, data, output_dir, seed)
    run = {"table": grid.name, "row": row, "method": chosen.method, "config": row_settings(chosen), "seed": seed}
    run |= {"data": chosen.data or data.name, **commit}
    write_record(record, {**run, **measured(config, grid.more_metrics, grid.looks)})


if __name__ == "__main__":
    run_command(main)
