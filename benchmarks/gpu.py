"""What a GPU does with captures: its limits, steps, pictures and learning, the most telling first.

    python -m benchmarks.gpu gpu.jsonl

About five minutes on an H100; a line is written after each figure, so that a run that is cut short keeps the others.
Without a GPU it runs in float32 alone.
"""

import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from nerfstudio.engine.trainer import Trainer

from benchmarks.measure import method_config
from benchmarks.memory import peak_memory_gb
from benchmarks.records import commit_facts
from resfields_ns.captures.demo_capture import write_demo_capture
from resfields_ns.models.dynamic_model import DynamicModelConfig
from resfields_ns.pipelines.dynamic_pipeline import DynamicPipelineConfig
from resfields_ns.pipelines.sequence_pipeline import machine_facts

METHODS = ("tnerf-resfields", "tnerf-resfields-small")
MODES = {"float32": (False, False), "half": (True, False), "half, graph": (True, True)}
"""Mixed precision, and a CUDA graph."""
CUDA = torch.cuda.is_available()


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


def limits(size: int) -> Iterator[dict[str, Any]]:
    """Bytes moved and operations done a second: a copy of size^2 numbers, products of two such matrices."""
    device = "cuda" if CUDA else "cpu"
    source = torch.randn(size, size, device=device)
    target = torch.empty_like(source)
    yield {"limit": "copy", "tb_per_s": 8e-12 * size**2 / seconds(lambda: target.copy_(source), 10)}
    for kind in (torch.float32, torch.float16) if CUDA else (torch.float32,):
        matrix = source.to(kind)
        yield {"limit": f"products {kind}", "tflop_per_s": 2e-12 * size**3 / seconds(lambda m=matrix: m @ m, 5)}


def make_trainer(name: str, mode: str, data: Path, output: Path, steps: int) -> Trainer:
    """A method's trainer, before its first step, without evaluations on the way."""
    config = deepcopy(method_config(name))
    pipeline = config.pipeline
    assert isinstance(pipeline, DynamicPipelineConfig) and isinstance(pipeline.model, DynamicModelConfig)
    config.mixed_precision, pipeline.cuda_graph = MODES[mode]
    config.data = pipeline.datamanager.data = data
    config.output_dir, config.vis, config.max_num_iterations = output, "tensorboard", steps
    config.steps_per_eval_batch = config.steps_per_eval_image = config.steps_per_eval_all_images = steps + 1
    config.machine.device_type = "cuda" if CUDA else "cpu"
    pipeline.model.hull_start_steps = min(pipeline.model.hull_start_steps, steps)
    config.set_timestamp()
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    trainer = config.setup(local_rank=0, world_size=1)
    trainer.setup()
    return trainer


def steps(name: str, mode: str, data: Path, output: Path, count: int) -> dict[str, Any]:
    """A training step of a method, and a picture by it, which is float32 in every mode."""
    if CUDA:
        torch.cuda.reset_peak_memory_stats()
    trainer = make_trainer(name, mode, data, output, count)
    pipeline: Any = trainer.pipeline
    pipeline._start_from_hull(0)

    def step() -> None:
        trainer.train_iteration(1)

    figures = {"ms_per_step": 1e3 * seconds(step, count, warm_up=5), "peak_memory_gb": peak_memory_gb()}
    pipeline.eval()
    camera, _ = next(iter(pipeline.datamanager.fixed_indices_eval_dataloader))
    with torch.no_grad():
        figures["s_per_picture"] = seconds(lambda: pipeline.model.get_outputs_for_camera(camera), 2, warm_up=1)
    return {"method": name, "mode": mode, **figures, "pixels": int(camera.height) * int(camera.width)}


def learning(name: str, mode: str, data: Path, output: Path, count: int) -> dict[str, Any]:
    """What a run reaches, and how long it takes."""
    trainer = make_trainer(name, mode, data, output, count)
    start = time.perf_counter()
    trainer.train()
    trained = time.perf_counter() - start
    with torch.no_grad():
        results = trainer.pipeline.get_average_eval_image_metrics()
    metrics = {key: value for key, value in results.items() if isinstance(value, float)}
    times = {"s_training": trained, "s_evaluation": time.perf_counter() - start - trained}
    return {"method": name, "mode": mode, "steps": count, **times, **metrics}


def main(
    output: tyro.conf.Positional[Path],
    data: Path | None = None,
    repeats: int = 30,
    learning_steps: int = 1500,
    matrix: int = 8192,
) -> None:
    """Measure, and write a JSON line for every figure.

    Args:
        output: the file of lines; must not exist
        data: a capture; the demo's creature where none is given
        repeats: steps that are timed
        learning_steps: of the run of `tnerf-resfields-small` in float32 and in half precision
        matrix: side of the matrices that the limits are taken with
    """
    modes = MODES if CUDA else {"float32": MODES["float32"]}

    with output.open("x", encoding="utf8") as lines, tempfile.TemporaryDirectory() as folder:

        def tell(figures: dict[str, Any]) -> None:
            print(figures, flush=True)
            lines.write(json.dumps(figures) + "\n")
            lines.flush()

        runs = Path(folder)
        if data is None:
            data = runs / "demo"
            write_demo_capture(data, seed=0, num_frames=30, size=128)
        tell({**machine_facts(), **commit_facts(), "repeats": repeats, "data": data.name})
        for name in METHODS:
            for mode in modes:
                tell(steps(name, mode, data, runs, repeats))
        for figures in limits(matrix):
            tell(figures)
        for mode in modes:
            tell(learning("tnerf-resfields-small", mode, data, runs, learning_steps))


if __name__ == "__main__":
    tyro.cli(main)
