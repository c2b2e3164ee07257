"""What a run has logged while it was trained, where it was trained with `--vis tensorboard`."""

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from resfields_ns.report.plots import Curve

_TOTAL = "Train Total (time)"


def read_log(run: Path) -> dict[str, Curve]:
    """Steps and values of every scalar, by its name; nothing where there is no log."""
    log = EventAccumulator(str(run), size_guidance={"scalars": 2_000})
    log.Reload()
    curves = {}
    for name in log.Tags()["scalars"]:
        events = log.Scalars(name)
        curves[name] = ([float(event.step) for event in events], [event.value for event in events])
    return curves


def losses_of(log: dict[str, Curve]) -> dict[str, Curve]:
    """The loss of training and its parts."""
    whole = {"all": log["Train Loss"]} if "Train Loss" in log else {}
    return whole | _below(log, "Train Loss Dict/")


def psnr_of(log: dict[str, Curve]) -> dict[str, Curve]:
    """PSNR in the evaluations while training."""
    names = {"Eval Images Metrics/": "one image", "Eval Images Metrics Dict (all images)/": "all images"}
    found = {text: _below(log, name).get("psnr") for name, text in names.items()}
    return {text: curve for text, curve in found.items() if curve is not None}


def training_seconds(log: dict[str, Curve]) -> float | None:
    """How long training took, where it ended."""
    return log[_TOTAL][1][-1] if _TOTAL in log else None


def _below(log: dict[str, Curve], folder: str) -> dict[str, Curve]:
    return {name.removeprefix(folder): curve for name, curve in log.items() if name.startswith(folder)}
