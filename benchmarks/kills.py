"""Kills at random moments: no half file has a final name, nothing is lost, and all goes on to the same result.

    python -m benchmarks.kills --kills 30 --seed 7

Commands run in copies of one process that has imported all they need, so that kills find them at work. SIGKILL, SIGINT
and SIGTERM take turns at random. After each the folder is looked over; then the same command goes on (for training,
`rf-resume` from the first checkpoint on), is killed again or left alone, and must end with what it writes undisturbed.
"""

import atexit
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import torch
import tyro
from nerfstudio.scripts import train

from resfields_ns.captures.demo_capture import write_demo_capture
from resfields_ns.commands import export, kinect, render, resume, videos
from resfields_ns.files import is_hidden
from resfields_ns.host.checkpoints import load_checkpoint
from resfields_ns.host.config_file import read_config
from tests.kinect_scene import DEVICES, write_recordings
from tests.video_scene import DISTORTION, make_cameras, write_opencv_yaml, write_videos

SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
STATUS = {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}
SLOWEST = 60.0  # seconds from a signal to the end
BOX = ("-0.6", "-0.1", "-0.6", "0.6", "1.2", "0.6")
TINY = (
    *("--experiment-name", "run", "--timestamp", "run", "--vis", "tensorboard", "--machine.device-type", "cpu"),
    *("--max-num-iterations", "12", "--pipeline.datamanager.train-num-rays-per-batch", "64"),
    *("--pipeline.model.sampler.num-samples", "8", "--pipeline.model.hull-start-steps", "3"),
)

Command = Literal["train", "rf-videos", "rf-kinect", "rf-render", "rf-export"]
Call = tuple[Callable[[], None], list[str]]


def run_of(out: Path) -> Path:
    """The folder of a training."""
    return out / "run" / "tnerf-resfields-small" / "run"


@dataclass
class Work:
    """A command that is killed."""

    first: Callable[[Path], Call]
    """What starts it, to write to a folder."""
    again: Callable[[Path], Call]
    """What goes on with it."""
    wholes: Callable[[Path], dict[str, str]]
    """The files that have final names, and a digest of each; an error for half ones."""
    seconds: float = 0.0
    """How long it runs undisturbed."""
    result: dict[str, str] = field(default_factory=dict)
    """The files that it writes undisturbed, and all that may be seen on the way."""


@dataclass
class Told:
    """What there is to tell of the kills of a command."""

    kills: Counter[str] = field(default_factory=Counter)
    ends: int = 0
    slowest: float = 0.0


def files_of(out: Path) -> dict[str, str]:
    """Files with final names, by their bytes; what tells of a set of files has to be JSON alone."""
    found = {}
    for path in sorted(out.rglob("*")):
        names = path.relative_to(out)
        if path.is_file() and not any(is_unfinished(Path(part)) for part in names.parts):
            is_list = path.name == "meshes.json"
            found[str(names)] = digest(
                json.dumps(sorted(json.loads(path.read_text()))) if is_list else path.read_bytes()
            )
    return found


def is_unfinished(path: Path) -> bool:
    """Whether a name is one of those that files and folders have until they are whole."""
    return is_hidden(path) or path.suffix == ".partial"


def checkpoints_of(out: Path) -> dict[str, str]:
    """Checkpoints by all tensors that they hold; the config and the record of the run have to be whole."""
    run = run_of(out)
    if (run / "config.yml").exists():
        read_config(run / "config.yml", "RUN")
    if (run / "sequence.json").exists():
        json.loads((run / "sequence.json").read_text())
    found = {}
    for path in sorted(run.glob("nerfstudio_models/*")):
        state = load_checkpoint(path)
        found[path.name] = digest(repr(plain((state["pipeline"], state["optimizers"], state["random_state"]))))
    return found


def plain(state: Any) -> Any:
    """What a checkpoint holds, with a digest in the place of each tensor."""
    if isinstance(state, torch.Tensor):
        return state.shape, digest(state.numpy().tobytes())
    if isinstance(state, dict):
        return {name: plain(part) for name, part in state.items()}
    return [plain(part) for part in state] if isinstance(state, list | tuple) else state


def digest(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def launch(call: Call, log: Path) -> int:
    """Run a command in a copy of this process; returns its id."""
    if (child := os.fork()) != 0:
        return child
    status = 1
    try:
        os.setpgid(0, 0)
        with log.open("a") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        entrypoint, arguments = call
        sys.argv = [entrypoint.__module__, *arguments]
        print(f"\n$ {' '.join(sys.argv)}", flush=True)
        entrypoint()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(status)


def wait(child: int, seconds: float) -> int | None:
    """The exit status of a process, below 0 for a signal; None if it has not ended by then."""
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= end:
            return None
        time.sleep(0.002)


def end(child: int) -> None:
    """End what a process has left behind."""
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        return


def finish(call: Call, log: Path) -> float:
    """Run a command undisturbed; returns how long it took."""
    began = time.monotonic()
    if (status := wait(launch(call, log), 600.0)) != 0:
        raise AssertionError(f"ended with {status}:\n{log.read_text()[-3000:]}")
    return time.monotonic() - began


def kill_once(work: Work, call: Call, out: Path, log: Path, dice: random.Random, told: Told) -> bool:
    """Kill a command, and look over what is left; returns whether it had ended before."""
    before = work.wholes(out) if out.exists() else {}
    child = launch(call, log)
    status, number = wait(child, dice.uniform(0.0, work.seconds)), dice.choice(SIGNALS)
    if status is None:
        os.kill(child, number)
        began = time.monotonic()
        status = wait(child, SLOWEST)
        end(child)
        assert status is not None, f"{number.name}: still at work after {SLOWEST} s"
        told.slowest = max(told.slowest, time.monotonic() - began)
        told.kills[number.name] += 1
        assert status in (0, STATUS[number], -number), f"{number.name}: ended with {status}"
    else:
        assert status == 0, f"ended with {status}"
    after = work.wholes(out) if out.exists() else {}
    for name, content in after.items():
        assert work.result.get(name) == content, f"{name} is not what it is undisturbed"
    lost = before.keys() - after.keys()
    assert not lost or work.wholes is checkpoints_of and max(after, default="") >= max(lost), f"{lost} are lost"
    return status == 0 or after == work.result


def kill(work: Work, kills: int, folder: Path, dice: random.Random) -> Told:
    """Kill a command so many times, and let it come to its end ever and again."""
    told, out, log = Told(), folder / "out", folder / "log"
    while sum(told.kills.values()) < kills:
        shutil.rmtree(out, ignore_errors=True)
        log.unlink(missing_ok=True)
        has_ended = False
        try:
            for _ in range(dice.randint(1, 3)):
                call = work.again(out) if out.exists() else work.first(out)
                has_ended = kill_once(work, call, out, log, dice, told)
                if has_ended:
                    break
            if not has_ended:
                finish(work.again(out) if out.exists() else work.first(out), log)
            last = max(work.result) if work.wholes is checkpoints_of else None
            found = work.wholes(out)
            assert found[last] == work.result[last] if last else found == work.result, "another result"
            left = [path for path in out.rglob("*") if is_unfinished(path)]
            assert not left, f"{left} are left"
        except (AssertionError, ValueError) as error:
            content = log.read_text()[-3000:] if log.exists() else ""
            raise AssertionError(f"kill {sum(told.kills.values())}: {error}\n{content}") from error
        told.ends += 1
    return told


def works(folder: Path, commands: Sequence[str]) -> dict[str, Work]:
    """Some of the commands, with what they read in a folder."""
    recorded, cameras = [folder / f"{name}.mkv" for name in DEVICES], make_cameras(DISTORTION)

    def prepare() -> None:
        write_demo_capture(folder / "capture", seed=0, num_frames=4, size=32)
        write_recordings(folder, DEVICES)
        write_videos(folder / "videos", cameras)
        write_opencv_yaml(folder / "calibration", cameras)

    finish((prepare, []), folder / "log")
    trained = folder / "trained"
    data = ["tnerf-resfields-small", "--data", str(folder / "capture"), *TINY]
    config = ["--load-config", str(run_of(trained) / "config.yml")]

    def again(out: Path) -> Call:
        has_begun = list(run_of(out).glob("nerfstudio_models/*"))
        return (resume.entrypoint, [str(run_of(out))]) if has_begun else training(out, 2)

    def training(out: Path, each: int, *more: str) -> Call:
        return train.entrypoint, [*data, "--output-dir", str(out), "--steps-per-save", str(each), *more]

    def written(call: Callable[[Path], Call]) -> Work:
        return Work(call, call, files_of)

    made = {
        "train": Work(lambda out: training(out, 2), again, checkpoints_of),
        "rf-videos": written(
            lambda out: (
                videos.entrypoint,
                [str(folder / "videos"), str(out / "capture"), "--calibration", str(folder / "calibration")]
                + ["--size", "64", "48", "--box", *BOX],
            )
        ),
        "rf-kinect": written(
            lambda out: (
                kinect.entrypoint,
                [str(out / "capture"), "--recordings", *map(str, recorded), "--rig", str(folder / "rig.json")]
                + ["--masks", "--box", *BOX],
            )
        ),
        "rf-render": written(
            lambda out: (render.entrypoint, ["time", *config, "--output-path", str(out / "movie.mp4")])
        ),
        "rf-export": written(
            lambda out: (export.entrypoint, [*config, "--output-dir", str(out / "meshes"), "--resolution", "48"])
        ),
    }
    if {"rf-render", "rf-export"} & set(commands):
        finish(training(trained, 6), folder / "log")
    for name in commands:
        work = made[name]
        out = folder / f"undisturbed {name}"
        is_training = name == "train"
        every = training(out, 1, "--save-only-latest-checkpoint", "False")
        work.seconds = finish(every if is_training else work.first(out), folder / "log")
        work.result = work.wholes(out)
        shutil.rmtree(out)
    return {name: made[name] for name in commands}


def main(kills: int = 30, seed: int | None = None, commands: tuple[Command, ...] = get_args(Command)) -> None:
    """Kill commands at random moments.

    Args:
        kills: Kills of each command.
        seed: Of the moments and signals; by default another one each time.
        commands: Which of them.
    """
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    print(f"seed {seed}")
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp())  # no TemporaryDirectory, which every copy of this process would delete
    try:
        for name, work in works(folder, commands).items():
            told = kill(work, kills, folder, random.Random(f"{seed} {name}"))
            counts = ", ".join(f"{count} {signal}" for signal, count in sorted(told.kills.items()))
            print(
                f"{name}: {counts}; {told.ends} results, all the same as undisturbed ({work.seconds:.1f} s); "
                f"ended within {told.slowest:.1f} s of a signal",
                flush=True,
            )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    tyro.cli(main)
