"""Runs on this machine, several at a time, each on a GPU of its own where there are any."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import torch


def visible_gpus() -> list[str]:
    """What `CUDA_VISIBLE_DEVICES` may name, one entry a GPU."""
    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return (named.split(",") if named else [str(index) for index in range(count)])[:count]


def run_locally(
    commands: Mapping[str, Sequence[str]], logs: Path, jobs: int | None, threads: int, gpus: Sequence[str]
) -> list[str]:
    """Run commands by name and return the names of those that failed; the others go on.

    Where this process is stopped, so are those that run (SIGTERM), which are waited for; no others are started.

    Args:
        commands: what to run
        logs: folder for what each prints
        jobs: how many run at a time; None for one a GPU, or one
        threads: CPU threads of each
        gpus: GPUs that the jobs take in turn
    """
    jobs = jobs or max(1, len(gpus))
    free: SimpleQueue[dict[str, str]] = SimpleQueue()
    for job in range(jobs):
        free.put({"CUDA_VISIBLE_DEVICES": gpus[job % len(gpus)]} if gpus else {})
    running: set[subprocess.Popen[bytes]] = set()
    logs.mkdir(parents=True, exist_ok=True)

    def fails(name: str) -> bool:
        device, log = free.get(), logs / f"{name}.log"
        print(f"{name}: started", flush=True)
        with log.open("w", encoding="utf8") as file:
            environment = {**os.environ, "OMP_NUM_THREADS": str(threads), **device}
            with subprocess.Popen(commands[name], env=environment, stdout=file, stderr=subprocess.STDOUT) as process:
                running.add(process)
        running.remove(process)
        code = process.returncode
        free.put(device)
        print(f"{name}: " + (f"failed, see {log}: {_last_line(log)}" if code else "done"), flush=True)
        return code != 0

    with ThreadPoolExecutor(jobs) as pool:
        try:
            return [name for name, failed in zip(commands, pool.map(fails, commands), strict=True) if failed]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                process.terminate()
            raise


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "nothing printed")
