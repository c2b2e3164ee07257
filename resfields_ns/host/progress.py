"""What a terminal tells of a training: one line with its steps, rate, time left and last evaluation; what to do next.

The host's table has ten lines and the time left of the last steps alone, neither evaluations nor what they cost.
"""

import sys
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from shutil import get_terminal_size
from time import monotonic
from typing import Any, Protocol, runtime_checkable

from nerfstudio.configs.base_config import LocalWriterConfig
from nerfstudio.utils import comms, writer
from nerfstudio.utils.decorators import check_main_thread
from nerfstudio.utils.rich_utils import CONSOLE

_EVALUATIONS = ("Eval Images Metrics", "Eval Images Metrics Dict (all images)")  # the host's names
_NO_MEASURES = ("num_rays", "fps")
_WINDOW = 30  # lines that a rate is taken over
_SECONDS_APART = 10.0  # of lines that stay, as in a file


class ProgressLine(writer.LocalWriter):
    """The host's writer to the terminal: in one, its line is written anew; elsewhere lines follow each other slowly."""

    def __init__(self, config: LocalWriterConfig, banner_messages: list[str] | None = None) -> None:
        super().__init__(config, banner_messages)
        self._banner = banner_messages or []
        self._moments: deque[tuple[int, float]] = deque(maxlen=_WINDOW)
        self._evaluation = ""
        self._written = float("-inf")

    @check_main_thread
    def write_stats_log(self, step: int) -> None:
        """Tell of a step whose events are stored, where it is one of those to tell of."""
        evaluation = next((told for event in writer.EVENT_STORAGE if (told := _told_of(event))), None)
        ends = any(event["name"] == writer.EventName.TOTAL_TRAIN_TIME.value for event in writer.EVENT_STORAGE)
        self._evaluation = evaluation or self._evaluation
        if not ends and evaluation is None and step % writer.GLOBAL_BUFFER["steps_per_log"] != 0:
            return
        steps, now = writer.GLOBAL_BUFFER["step"] + 1, monotonic()
        self._moments.append((steps, now))
        line = "  ".join(filter(None, (*self._counts(steps, writer.GLOBAL_BUFFER["max_iter"]), self._evaluation)))
        for banner in self._banner:
            print(banner)
        self._banner = []
        if sys.stdout.isatty():
            line = line[: get_terminal_size().columns - 1]
            print(f"\r\x1b[2K{line}", end="\n" if ends else "\r", flush=True)  # what else is printed stands over it
        elif ends or evaluation is not None or now - self._written >= _SECONDS_APART:
            print(line, flush=True)
            self._written = now

    def _counts(self, steps: int, last: int) -> tuple[str, ...]:
        """Steps, rate and time left, by the clock: evaluations and checkpoints count."""
        counts = f"step {steps} of {last} ({100 * steps // last}%)"
        (first, start), (_, now) = self._moments[0], self._moments[-1]
        if steps == first or now == start:
            return (counts,)
        rate = (steps - first) / (now - start)
        told = f"{rate:.3g} steps/s" if rate >= 1.0 else f"{1.0 / rate:.3g} s/step"
        return counts, told, f"{timedelta(seconds=round((last - steps) / rate))} left"


def _told_of(event: Mapping[str, Any]) -> str | None:
    """The PSNR of an evaluation, or its first measure where it has none; None for any other event."""
    if event["name"] not in _EVALUATIONS:
        return None
    measures = {name: value for name, value in event["event"].items() if name not in _NO_MEASURES}
    if not measures:
        return None
    name = next((name for name in measures if name.startswith("psnr")), next(iter(measures)))
    value = float(measures[name])
    measure = f"{name.replace('psnr', 'PSNR')} {value:.2f} dB" if name.startswith("psnr") else f"{name} {value:.4g}"
    return f"{measure} at step {event['step'] + 1}"


@runtime_checkable
class KnowsNext(Protocol):
    """A pipeline that knows what can be done with a run."""

    def next_commands(self, run: Path) -> dict[str, str]:
        """Commands by what they are for."""
        ...


def tell_what_is_next(pipeline: object, run: Path, step: int) -> None:
    """Print the commands that show and measure what a run has learnt: the host's callback after training."""
    del step
    if comms.is_main_process() and isinstance(pipeline, KnowsNext):
        commands = pipeline.next_commands(run)
        width = max(map(len, commands))
        CONSOLE.print("What is next:")
        for purpose, command in commands.items():
            CONSOLE.print(f"  {purpose:{width}}  {command}", soft_wrap=True, highlight=False, markup=False)
