"""What a run shows after how long: pictures and surface of held-out cameras, on the way and at the end.

    python -m benchmarks.time_to_quality default seed0.jsonl --data CAPTURE --seed 0

A line is written at every look. Both clocks run from the start of the process, imports included, and stand still while
somebody looks. `--data` is a capture with a held-out camera, such as `rf-demo-data` makes.
"""

import json
import time
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import torch
import tyro
from nerfstudio.engine.trainer import TrainerConfig

from benchmarks.measure import method_config, set_up
from benchmarks.overrides import override
from benchmarks.records import commit_facts
from resfields_ns.commands.command_line import run_command
from resfields_ns.pipelines.sequence_pipeline import machine_facts


@dataclass(frozen=True)
class Setting:
    """What is compared: a method, and what it is changed in."""

    method: str = "tnerf-resfields-small"
    overrides: dict[str, Any] = field(default_factory=dict)


_MODEL = "pipeline.model."
_AT_SURFACE = {
    "max_num_iterations": 1000,
    "pipeline.datamanager.train_num_rays_per_batch": 1024,
    f"{_MODEL}sampler.num_samples": 12,
    f"{_MODEL}sampler.num_surface_samples": 6,
}
SETTINGS = {
    "default": Setting(),
    "plain": Setting(overrides={f"{_MODEL}field.residual_layers": ()}),
    "surface": Setting(overrides=_AT_SURFACE),
    "hexplane": Setting(
        overrides={
            f"{_MODEL}field": method_config("hexplane-resfields").pipeline.model.field,  # pyright: ignore
        }
    ),
}
"""The small method, with plain layers, with samples at the surface, and with HexPlane's field."""


class Clocks:
    """Seconds of wall and of processor since the process began, but for those that are taken out."""

    def __init__(self) -> None:
        self.begin = {"wall_s": psutil.Process().create_time(), "processor_s": 0.0}

    def read(self) -> dict[str, float]:
        """Both clocks."""
        now = {"wall_s": time.time(), "processor_s": time.process_time()}
        return {name: now[name] - begin for name, begin in self.begin.items()}

    def set_back(self, to: dict[str, float]) -> None:
        """Take out what has passed since a reading."""
        self.begin = {name: begin + self.read()[name] - to[name] for name, begin in self.begin.items()}


def run_config(setting: Setting, data: Path, output_dir: Path, seed: int, steps: int | None) -> TrainerConfig:
    """The config of a run that neither evaluates nor saves on the way."""
    config = override(deepcopy(method_config(setting.method)), {"preset": None, **setting.overrides})
    config.data = config.pipeline.datamanager.data = data
    config.output_dir, config.vis, config.machine.seed = output_dir, "tensorboard", seed
    config.max_num_iterations = steps or config.max_num_iterations
    never = config.max_num_iterations + 1
    config.steps_per_eval_batch = config.steps_per_eval_image = config.steps_per_eval_all_images = never
    config.steps_per_save = never
    config.set_timestamp()
    return config


def main(
    setting: tyro.conf.Positional[str],
    lines: tyro.conf.Positional[Path],
    data: Path,
    seed: int = 0,
    looks: int = 4,
    steps: int | None = None,
    output_dir: Path = Path("outputs"),
) -> None:
    """Train, look at equal parts of the steps, and write a JSON line for each.

    Args:
        setting: default, plain, surface or hexplane
        lines: the file of lines, which grows
        data: a capture
        seed: of weights and batches
        looks: how often, the last at the end
        steps: of the run; by default the setting's own
        output_dir: for the run itself
    """
    clocks = Clocks()
    if setting not in SETTINGS:
        raise ValueError(f"setting: expected one of {', '.join(SETTINGS)}, got {setting}")
    config = run_config(SETTINGS[setting], data, output_dir, seed, steps)
    trainer = set_up(config)
    pipeline, total = trainer.pipeline, config.max_num_iterations
    when = {total * (look + 1) // looks for look in range(looks)}
    train_iteration = trainer.train_iteration

    def look(step: int) -> None:
        shown = clocks.read()
        with torch.no_grad():
            results = pipeline.get_average_eval_image_metrics()
        facts = {"setting": setting, "data": data.name, "seed": seed, "step": step, "of": total, **shown}
        facts["evaluation_processor_s"] = clocks.read()["processor_s"] - shown["processor_s"]
        facts |= {name: value for name, value in results.items() if isinstance(value, float)}
        facts |= {**commit_facts(), "hardware": machine_facts()["hardware"]}
        with lines.open("a", encoding="utf8") as file:
            file.write(json.dumps(facts) + "\n")
        clocks.set_back(shown)

    def iteration(step: int) -> Any:
        result = train_iteration(step)
        if step + 1 in when:
            look(step + 1)
        return result

    trainer.train_iteration = iteration
    trainer.train()


if __name__ == "__main__":
    run_command(main)
