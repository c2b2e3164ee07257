"""The family of dynamic methods on one capture at one small size: every method with and without residual layers.

    python -m benchmarks.family --data CAPTURE --jobs 2

Every run is a process of its own and leaves one JSON in `benchmarks/results/family`; runs that have theirs are not
repeated. The table is written from these files: `python -m benchmarks.family_table`.
"""

import json
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro
from nerfstudio.plugins.types import MethodSpecification

from resfields_ns.engine.trainer import ResFieldsTrainerConfig
from resfields_ns.fields.conditions import CodeConditionConfig
from resfields_ns.method_configs import dynamic
from resfields_ns.models.samplers import SamplerConfig
from resfields_ns.pipelines.evaluation import evaluate_frames, mean_metrics

METHODS: dict[str, MethodSpecification] = {
    str(method.config.method_name): method
    for method in (
        dynamic.tnerf_resfields,
        dynamic.dynerf_resfields,
        dynamic.dnerf_resfields,
        dynamic.nerfies_resfields,
        dynamic.hypernerf_resfields,
        dynamic.ndr_resfields,
        dynamic.hexplane_resfields,
    )
}
RESULTS = Path(__file__).parent / "results" / "family"


@dataclass(frozen=True)
class Size:
    """What is the same for all rows."""

    width: int = 48
    layers: int = 4
    """Hidden layers of every MLP; HexPlane keeps its own three."""
    rank: int = 10
    code: int = 8
    steps: int = 2000
    hull_steps: int = 300
    rays: int = 384
    samples: int = 24
    learning_rate: float = 1e-3


def small_config(method: MethodSpecification, residual: bool, size: Size) -> ResFieldsTrainerConfig:
    """The method at a size that a CPU holds, trained as `tnerf-resfields-small` is."""
    config = deepcopy(method.config)
    assert isinstance(config, ResFieldsTrainerConfig)
    pipeline: Any = config.pipeline
    field = pipeline.model.field
    layers = min(size.layers, field.num_layers)
    condition = field.condition
    if isinstance(condition, CodeConditionConfig):
        condition = replace(condition, dim=size.code)
    warp = replace(field.warp, hidden_dim=size.width) if hasattr(field.warp, "hidden_dim") else field.warp
    pipeline.model = replace(
        pipeline.model,
        field=replace(
            field,
            condition=condition,
            warp=warp,
            residual_layers=tuple(range(1, layers)) if residual else (),
            rank=size.rank,
            num_layers=layers,
            hidden_dim=size.width,
            skip_layers=(),
            feature_dim=size.width,
        ),
        sampler=SamplerConfig(kind="occupancy", num_samples=size.samples),
        initial_beta=0.01,
        eikonal_fraction=0.25,
        window_steps=0,
        hull_start_steps=size.hull_steps,
    )
    pipeline.datamanager.train_num_rays_per_batch = size.rays
    pipeline.datamanager.background_margin = 0.025
    config.max_num_iterations = size.steps
    config.steps_per_eval_batch = config.steps_per_eval_image = config.steps_per_eval_all_images = size.steps + 1
    config.steps_per_save = size.steps
    config.optimizers["field"]["optimizer"] = replace(config.optimizers["field"]["optimizer"], lr=size.learning_rate)
    config.machine.device_type = "cuda" if torch.cuda.is_available() else "cpu"
    config.vis = "tensorboard"
    return config


def train_and_measure(config: ResFieldsTrainerConfig) -> dict[str, Any]:
    """Metrics of the test camera, PSNR of the training cameras, seconds a step and peak memory."""
    config.set_timestamp()
    config.save_config()
    torch.manual_seed(config.machine.seed)
    trainer = config.setup(local_rank=0, world_size=1)
    trainer.setup()
    pipeline: Any = trainer.pipeline
    durations: list[float] = []
    step_losses = pipeline.get_train_loss_dict

    def timed(step: int) -> Any:
        durations.append(time.perf_counter())
        return step_losses(step)

    pipeline.get_train_loss_dict = timed
    trainer.train()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    pipeline.eval()
    with torch.no_grad():
        frames = evaluate_frames(pipeline.model, pipeline.datamanager, pipeline.config.chamfer_resolution, None)
        training_psnr = _training_psnr(pipeline)
    return {
        "results": {**mean_metrics(frames), "training_psnr": training_psnr},
        "seconds_per_step": (durations[-1] - durations[0]) / (len(durations) - 1),
        "peak_memory_gb": peak,
        "facts": pipeline._facts(),
    }


def _training_psnr(pipeline: Any, every: int = 10) -> float:
    """Mean PSNR of every tenth training image."""
    dataset, values = pipeline.datamanager.train_dataset, []
    for image in range(0, len(dataset), every):
        outputs = pipeline.model.get_outputs_for_camera(dataset.cameras[image : image + 1].to(pipeline.device))
        values.append(pipeline.model.get_image_metrics_and_images(outputs, dataset[image])[0]["psnr"])
    return sum(values) / len(values)


def result_path(method: str, residual: bool, seed: int, folder: Path) -> Path:
    """Where a run leaves its figures."""
    return folder / f"{method}_{'residual' if residual else 'plain'}_seed{seed}.json"


def main(
    data: Path,
    size: Size,
    only: str | None = None,
    residual: bool = True,
    seed: int = 0,
    jobs: int = 1,
    threads: int = 1,
    output_dir: Path = Path("outputs"),
    results: Path = RESULTS,
) -> None:
    """Run what is missing of the family, or one row of it.

    Args:
        data: a capture with masks and clouds
        size: what is the same for all rows
        only: this method alone
        residual: with `only`, whether its layers are residual
        seed: of the runs
        jobs: runs at the same time
        threads: threads of each run
        output_dir: for the runs themselves
        results: for their figures
    """
    if only is not None:
        torch.set_num_threads(threads)
        config = small_config(METHODS[only], residual, size)
        config.data = config.pipeline.datamanager.data = data  # pyright: ignore[reportAttributeAccessIssue]
        config.output_dir, config.machine.seed = output_dir, seed
        record = {"method": only, "residual": residual, "size": vars(size), **train_and_measure(config)}
        results.mkdir(parents=True, exist_ok=True)
        text = json.dumps(record, indent=2) + "\n"
        result_path(only, residual, seed, results).write_text(text, encoding="utf8")
        return

    rows = [(method, flag) for method in METHODS for flag in (True, False)]
    missing = [row for row in rows if not result_path(*row, seed, results).exists()]
    shared = [f"--size.{name.replace('_', '-')}={value}" for name, value in vars(size).items()]
    shared += [f"--data={data}", f"--seed={seed}", f"--threads={threads}"]
    shared += [f"--output-dir={output_dir}", f"--results={results}"]

    def run(row: tuple[str, bool]) -> None:
        method, flag = row
        print(f"{method}, {'residual' if flag else 'plain'}", flush=True)
        command = [sys.executable, "-m", "benchmarks.family", f"--only={method}"]
        command += ["--residual" if flag else "--no-residual", *shared]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(run, missing))


if __name__ == "__main__":
    tyro.cli(main)
