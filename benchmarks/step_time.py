"""One training step of the default field: residual layers against plain ones, ours against the paper's formula.

    python -m benchmarks.step_time --output step_time.json

All variants see the same rays in one process, in turn, so that a noisy machine disturbs them alike; the peak memory of
each is read in a process of its own.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.memory import peak_memory_gb
from benchmarks.paper_formula import PaperFormulaField
from benchmarks.records import commit_facts, read_records, write_record
from resfields_ns.commands.command_line import run_command
from resfields_ns.fields.densities import LaplaceDensity
from resfields_ns.fields.dynamic_field import DynamicField, DynamicFieldConfig
from resfields_ns.functional import losses
from resfields_ns.functional.segments import TimedPoints, TimeSegments
from resfields_ns.functional.volume import composite, compositing_weights
from resfields_ns.pipelines.sequence_pipeline import machine_facts

VARIANTS = {
    "ours, plain": (DynamicField, ()),
    "ours, residual 1-7": (DynamicField, tuple(range(1, 8))),
    "paper's formula, plain": (PaperFormulaField, ()),
    "paper's formula, residual 1-7": (PaperFormulaField, tuple(range(1, 8))),
}


def draw_times(rays: int, frames: int, frames_per_batch: int) -> torch.Tensor:
    """Times of a batch: equally many rays of each drawn frame, or, where all frames are drawn, any number of each."""
    if frames_per_batch >= frames:
        index = torch.randint(frames, (rays,)).sort().values
    else:
        chosen = torch.randperm(frames)[:frames_per_batch].sort().values
        index = chosen[torch.arange(rays) * frames_per_batch // rays]
    return index / (frames - 1)


def make_step(
    name: str, rays: int, samples: int, frames: int, frames_per_batch: int, seed: int, device: str
) -> Callable[[], None]:
    """A closure that takes one training step: forward, losses, backward, Adam."""
    kind, residual_layers = VARIANTS[name]
    config = DynamicFieldConfig(residual_layers=residual_layers)
    return step_of_field(kind, config, rays, samples, frames, frames_per_batch, seed, device)


def step_of_field(
    kind: type[DynamicField],
    config: DynamicFieldConfig,
    rays: int,
    samples: int,
    frames: int,
    frames_per_batch: int,
    seed: int,
    device: str,
) -> Callable[[], None]:
    """The same of any field."""
    torch.manual_seed(seed)
    field = kind(config, frames, LaplaceDensity(0.1)).to(device)
    optimizer = torch.optim.Adam(field.parameters(), lr=5e-4, fused=True)
    times = draw_times(rays, frames, frames_per_batch).to(device)
    points = (2.0 * torch.rand(rays, samples, 3) - 1.0).to(device)
    deltas = torch.full((rays, samples), 2.0 / samples, device=device)
    target, mask = torch.rand(rays, 3).to(device), (torch.rand(rays) < 0.5).float().to(device)

    def step() -> None:
        segments = TimeSegments.from_times(times).repeat(samples)
        flat = points.flatten(end_dim=1)
        sdf, gradient, feature = field.raw_gradient_and_feature(TimedPoints(flat, segments))
        weights = compositing_weights(field.density(sdf).view(rays, samples), deltas)
        rgb = composite(weights, field.colour(feature, flat).view(rays, samples, 3))
        loss = losses.masked_l1(rgb, target, mask)
        loss = loss + 0.1 * losses.opacity_cross_entropy(weights.sum(dim=-1), mask) + 0.1 * losses.eikonal(gradient)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def seconds(step: Callable[[], None], device: str) -> float:
    """Wall-clock time of a step."""
    start = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_memory_of(name: str, arguments: list[str]) -> float:
    """Peak memory of a process that takes three steps, in GB."""
    command = [sys.executable, "-m", "benchmarks.step_time", "--only", name, *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def main(
    rays: int = 256,
    samples: int = 64,
    frames: int = 50,
    frames_per_batch: int = 16,
    repeats: int = 15,
    seed: int = 0,
    output: Path | None = None,
    only: str | None = None,
) -> None:
    """Time the step's variants.

    Args:
        rays: rays a step
        samples: samples a ray
        frames: frames of the sequence
        frames_per_batch: frames that the rays of a step are drawn from; as many as there are is what the paper does
        repeats: counted rounds; a round takes one step of every variant
        seed: of weights and rays
        output: the file of JSON lines that a new record joins
        only: print the peak memory of this variant alone
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    PaperFormulaField.samples_per_ray = samples
    if only is not None:
        step = make_step(only, rays, samples, frames, frames_per_batch, seed, device)
        for _ in range(3):
            step()
        print(peak_memory_gb())
        return

    row = f"{frames_per_batch} of {frames} frames"
    if output is not None and (row, seed) in read_records(output):
        raise ValueError(f"--output: expected no record of {row}, seed {seed}, in {output}, found one")
    commit = commit_facts()
    # before this process grows: Linux lets a child inherit its parent's peak
    sizes = {"rays": rays, "samples": samples, "frames": frames, "frames_per_batch": frames_per_batch, "seed": seed}
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in sizes.items()]
    memory = {name: peak_memory_of(name, arguments) for name in VARIANTS}
    steps = {name: make_step(name, rays, samples, frames, frames_per_batch, seed, device) for name in VARIANTS}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for round_number in range(repeats + 2):
        for name, step in steps.items():
            duration = seconds(step, device)
            if round_number >= 2:
                times[name].append(duration)
    results = {
        name: {
            "median_s": statistics.median(values),
            "min_s": min(values),
            "median_ratio_to_plain": statistics.median(
                own / plain for own, plain in zip(values, times["ours, plain"], strict=True)
            ),
            "peak_memory_gb": memory[name],
        }
        for name, values in times.items()
    }
    for name, row in results.items():
        print(f"{name:32s}" + "".join(f"{key} {value:7.3f}   " for key, value in row.items()))
    if output is not None:
        config = {**sizes, "repeats": repeats, "device": device}
        run = {"table": output.stem, "row": row, "seed": seed, "config": config, **commit}
        write_record(output, {**run, "results": results, **machine_facts()})


if __name__ == "__main__":
    run_command(main)
