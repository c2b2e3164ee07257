"""What residual layers add to a training step, over rank, frames, rays, samples and width.

    python -m benchmarks.scaling                # measures what has no record
    python -m benchmarks.figures scaling        # draws the records

Of every setting a step with plain layers and one with residual layers see the same points in turn, in one process, so
that a noisy machine disturbs both alike; the ratio is the median of those of the rounds. Seconds are the processor's,
or, where a GPU computes, those of the wall.
"""

import statistics
import time
from dataclasses import dataclass, replace

import torch

from benchmarks.records import RESULTS, commit_facts, read_records, write_record
from benchmarks.step_time import step_of_field
from resfields_ns.commands.command_line import run_command
from resfields_ns.fields.dynamic_field import DynamicField, DynamicFieldConfig
from resfields_ns.pipelines.sequence_pipeline import machine_facts

WARM_UP = 2  # rounds that are not counted


@dataclass(frozen=True)
class Setting:
    """Sizes of a step of `tnerf-resfields`' field, a fourteenth of the paper's."""

    rank: int = 10
    frames: int = 50
    rays: int = 256
    samples: int = 64
    width: int = 128

    @property
    def name(self) -> str:
        """What tells its record."""
        return " ".join(f"{name} {value}" for name, value in vars(self).items())


BASE = Setting()
SWEPT: dict[str, tuple[int, ...]] = {
    "rank": (1, 10, 20, 40),
    "frames": (10, 50, 200, 1000),
    "rays": (64, 128, 256, 512),
    "samples": (16, 32, 64, 128),
    "width": (64, 128, 256),
}


def measured(setting: Setting, rounds: int) -> dict[str, float]:
    """Medians of the seconds of a plain and of a residual step, and of their ratio."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    plain = DynamicFieldConfig(
        residual_layers=(), rank=setting.rank, hidden_dim=setting.width, feature_dim=setting.width
    )
    configs = (plain, replace(plain, residual_layers=DynamicFieldConfig.residual_layers))
    sizes = (setting.rays, setting.samples, setting.frames, min(16, setting.frames))
    steps = [step_of_field(DynamicField, config, *sizes, seed=0, device=device) for config in configs]
    clock = time.perf_counter if device == "cuda" else time.process_time
    times = []
    for _ in range(WARM_UP + rounds):
        seconds = []
        for step in steps:
            start = clock()
            step()
            if device == "cuda":
                torch.cuda.synchronize()
            seconds.append(clock() - start)
        times.append(seconds)
    kept = times[WARM_UP:]
    return {
        "plain_s": statistics.median(first for first, _ in kept),
        "residual_s": statistics.median(second for _, second in kept),
        "ratio": statistics.median(second / first for first, second in kept),
    }


def main(rounds: int = 9) -> None:
    """Measure what has no record.

    Args:
        rounds: counted rounds of every setting
    """
    path = RESULTS / "scaling.jsonl"
    for setting in dict.fromkeys(replace(BASE, **{name: value}) for name, values in SWEPT.items() for value in values):
        if (setting.name, 0) in read_records(path):
            continue
        run = {"table": path.stem, "row": setting.name, "seed": 0, "config": {**vars(setting), "rounds": rounds}}
        results = measured(setting, rounds)
        print(setting.name, *(f"{name} {value:.4f}" for name, value in results.items()), sep="   ")
        write_record(path, {**run, **commit_facts(), "results": results, **machine_facts()})


if __name__ == "__main__":
    run_command(main)
