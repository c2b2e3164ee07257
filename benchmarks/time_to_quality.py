"""What a run shows after how long: metrics of held-out pictures and surfaces, on the way and at the end.

    python -m benchmarks.run sooner --data CAPTURE          # the settings of benchmarks/tables/sooner.py, one run each
    python -m benchmarks.figures sooner                     # draws what their records say

Both clocks run from the start of the process, imports included, and stand still while somebody looks.
"""

import time
from typing import Any

import psutil
import torch
from nerfstudio.engine.trainer import Trainer


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


def watch(trainer: Trainer, looks: int) -> list[dict[str, Any]]:
    """Evaluate a run, once it trains, at so many equal parts of its steps, the last at its end.

    What is given back grows: the step, both clocks, and all that the evaluation says.
    """
    clocks, total, train_iteration = Clocks(), trainer.config.max_num_iterations, trainer.train_iteration
    when = {total * (look + 1) // looks for look in range(looks)}
    seen: list[dict[str, Any]] = []

    def iteration(step: int) -> Any:
        result = train_iteration(step)
        if step + 1 in when:
            shown = clocks.read()
            with torch.no_grad():
                seen.append({"step": step + 1, **shown, **trainer.pipeline.get_average_eval_image_metrics()})
            clocks.set_back(shown)
        return result

    trainer.train_iteration = iteration
    return seen
