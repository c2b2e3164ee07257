"""What a GPU does with captures, the most telling first: steps, pictures, limits, checks, a long run, all methods.

    python -m benchmarks.gpu gpu.jsonl

A line is written after each figure, so that a run that is cut short keeps the others. `--dry-run` does all of it in
small, without a GPU too.
"""

import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from nerfstudio.engine.trainer import Trainer

from benchmarks.measure import method_config, method_names
from benchmarks.memory import peak_memory_gb
from benchmarks.records import ROOT, commit_facts
from benchmarks.time_to_quality import Clocks, watch
from resfields_ns.captures.demo_capture import write_demo_capture
from resfields_ns.data.dynamic_data import DynamicDataManagerConfig
from resfields_ns.models.dynamic_model import DynamicModelConfig
from resfields_ns.pipelines.dynamic_pipeline import DynamicPipelineConfig
from resfields_ns.pipelines.sequence_pipeline import machine_facts

TNERF, SMALL = "tnerf-resfields", "tnerf-resfields-small"
MODES = {
    "float32": (False, False, False),
    "half": (True, False, False),
    "half, graph": (True, True, False),
    "half, compiled": (True, False, True),
}
"""Mixed precision, a CUDA graph, and torch.compile."""
CUDA = torch.cuda.is_available()


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    frames: int = 30
    size: int = 128
    repeats: int = 30
    learning_steps: int = 1500
    matrix: int = 8192
    looks: int = 4
    rays: int | None = None
    """Of a step, where it is not the method's own number."""


DRY = Sizes(frames=2, size=16, repeats=1, learning_steps=2, matrix=64, looks=2, rays=16)


def seconds(action: Callable[[], object], repeats: int, warm_up: int = 2) -> float:
    """Median wall-clock time."""
    times = []
    for _ in range(warm_up + repeats):
        start = time.perf_counter()
        action()
        if CUDA:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[warm_up:])


class Bench:
    """The stages, on one capture.

    Args:
        data: the capture
        output: for what runs leave
        sizes: how much is measured
    """

    def __init__(self, data: Path, output: Path, sizes: Sizes) -> None:
        self.data = data
        self.output = output
        self.sizes = sizes

    def limits(self) -> Iterator[dict[str, Any]]:
        """Bytes moved and operations done a second: a copy of size^2 numbers, products of two such matrices."""
        size = self.sizes.matrix
        source = torch.randn(size, size, device="cuda" if CUDA else "cpu")
        target = torch.empty_like(source)
        yield {"limit": "copy", "tb_per_s": 8e-12 * size**2 / seconds(lambda: target.copy_(source), 10)}
        for kind in (torch.float32, torch.float16) if CUDA else (torch.float32,):
            matrix = source.to(kind)
            yield {"limit": f"products {kind}", "tflop_per_s": 2e-12 * size**3 / seconds(lambda m=matrix: m @ m, 5)}

    def trainer(self, name: str, mode: str, steps: int) -> Trainer:
        """A method's trainer, before its first step, without evaluations on the way."""
        config = deepcopy(method_config(name))
        pipeline = config.pipeline
        assert isinstance(pipeline, DynamicPipelineConfig) and isinstance(pipeline.model, DynamicModelConfig)
        config.mixed_precision, pipeline.cuda_graph, pipeline.model.compile = MODES[mode]
        config.data = pipeline.datamanager.data = self.data
        config.output_dir, config.vis, config.max_num_iterations = self.output, "tensorboard", steps
        config.steps_per_eval_batch = config.steps_per_eval_image = config.steps_per_eval_all_images = steps + 1
        config.steps_per_save = steps + 1
        config.machine.device_type = "cuda" if CUDA else "cpu"
        pipeline.model.hull_start_steps = min(pipeline.model.hull_start_steps, steps)
        if name == TNERF:
            pipeline.model.window_steps = min(pipeline.model.window_steps, steps // 8)  # the paper's share
        if self.sizes.rays is not None:
            assert isinstance(pipeline.datamanager, DynamicDataManagerConfig)
            pipeline.datamanager.train_num_rays_per_batch = self.sizes.rays
            pipeline.chamfer_resolution = 8
        config.set_timestamp()
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        torch.manual_seed(0)
        trainer = config.setup(local_rank=0, world_size=1)
        trainer.setup()
        return trainer

    def steps(self, name: str, mode: str) -> Iterator[dict[str, Any]]:
        """A training step of a method, and a picture by it, which is float32 in every mode."""
        if CUDA:
            torch.cuda.reset_peak_memory_stats()
        trainer = self.trainer(name, mode, self.sizes.repeats)
        pipeline: Any = trainer.pipeline
        pipeline._start_from_hull(0)

        def step() -> None:
            trainer.train_iteration(1)

        figures = {
            "ms_per_step": 1e3 * seconds(step, self.sizes.repeats, warm_up=5),
            "peak_memory_gb": peak_memory_gb(),
        }
        pipeline.eval()
        camera, _ = next(iter(pipeline.datamanager.fixed_indices_eval_dataloader))
        with torch.no_grad():
            figures["s_per_picture"] = seconds(lambda: pipeline.model.get_outputs_for_camera(camera), 2, warm_up=1)
        yield {"method": name, "mode": mode, **figures, "pixels": int(camera.height) * int(camera.width)}

    def learning(self, name: str, mode: str, steps: int, looks: int = 1) -> Iterator[dict[str, Any]]:
        """What a run shows on its way, and after how long; its start-up counts, looking does not."""
        before, start = Clocks().read()["wall_s"], time.perf_counter()
        trainer = self.trainer(name, mode, steps)
        seen = watch(trainer, looks)
        trainer.train()
        for look in seen:
            metrics = {key: value for key, value in look.items() if isinstance(value, int | float)}
            metrics["wall_s"] -= before
            yield {"method": name, "mode": mode, "steps": steps, **metrics}
        yield {"method": name, "mode": mode, "steps": steps, "s_with_looks": time.perf_counter() - start}

    def checks(self) -> Iterator[dict[str, Any]]:
        """The tests that need a GPU: every method trains and is evaluated on it, and its numbers are the CPU's."""
        command = [sys.executable, "-m", "pytest", "--color=no", "tests/test_cuda.py"]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)  # noqa: S603
        counts = {kind: int(count) for count, kind in re.findall(r"(\d+) (passed|failed|skipped|error)", run.stdout)}
        last = (run.stdout + run.stderr).strip().splitlines()[-1:]
        yield {"checks": "tests/test_cuda.py", **counts, **({} if counts else {"error": last[0] if last else ""})}


def main(
    output: tyro.conf.Positional[Path], data: Path | None = None, minutes: float = 8.0, dry_run: bool = False
) -> None:
    """Measure, and write a JSON line for every figure; the exit code is 1 if a stage failed.

    Args:
        output: the file of lines; must not exist
        data: a capture; the demo's creature where none is given
        minutes: of all of it, about; two fifths of what steps, limits and checks leave train `tnerf-resfields`
        dry_run: all of it in small, to see that it runs
    """
    begin, sizes = time.perf_counter(), DRY if dry_run else Sizes()
    modes = ("float32", "half", "half, graph") if CUDA else ("float32",)
    fastest = modes[-1]
    failed = False
    told: list[dict[str, Any]] = []

    with output.open("x", encoding="utf8") as lines, tempfile.TemporaryDirectory() as folder:

        def tell(figures: dict[str, Any]) -> None:
            line = {**figures, "after_s": round(time.perf_counter() - begin, 1)}
            print(line, flush=True)
            lines.write(json.dumps(line) + "\n")
            lines.flush()
            told.append(figures)

        def stage(figures: Iterator[dict[str, Any]], name: str) -> None:
            nonlocal failed
            try:
                for found in figures:
                    tell(found)
            except Exception as error:  # the other stages are worth as much without it
                failed = True
                tell({"stage": name, "error": f"{type(error).__name__}: {error}"})

        if data is None:
            data = Path(folder) / "demo"
            write_demo_capture(data, seed=0, num_frames=sizes.frames, size=sizes.size)
        bench = Bench(data, Path(folder), sizes)
        tell({**machine_facts(), **commit_facts(), "data": data.name, "dry_run": dry_run})
        for name in (TNERF, SMALL):
            for mode in modes:
                stage(bench.steps(name, mode), f"steps of {name}, {mode}")
        stage(bench.limits(), "limits")
        stage(bench.checks(), "checks")
        if ms := [line["ms_per_step"] for line in told if (line.get("method"), line.get("mode")) == (TNERF, fastest)]:
            left = 60.0 * minutes - (time.perf_counter() - begin)
            count = sizes.learning_steps if dry_run else max(sizes.looks, int(400.0 * left / ms[0]))
            stage(bench.learning(TNERF, fastest, count, sizes.looks), "a long run")
        for mode in modes:
            stage(bench.learning(SMALL, mode, sizes.learning_steps), f"learning, {mode}")
        for name in method_names(DynamicPipelineConfig):
            if name not in (TNERF, SMALL):
                stage(bench.steps(name, "float32"), f"steps of {name}")
        if CUDA:
            stage(bench.steps(TNERF, "half, compiled"), f"steps of {TNERF}, compiled")
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    tyro.cli(main)
