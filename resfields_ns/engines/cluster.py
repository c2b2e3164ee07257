"""Runs on a cluster through submitit: Slurm where there is one, else processes of this machine."""

import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ClusterConfig:
    """What a run asks of the cluster."""

    partition: str | None = None
    """Of Slurm."""
    minutes: int = 24 * 60
    """After which a run is stopped."""
    gpus: int = 1


@dataclass(frozen=True)
class _Job:
    """A command that is stopped by SIGTERM, and waited for, where its job has to end: runs save a checkpoint first."""

    command: list[str]

    def __call__(self) -> None:
        with subprocess.Popen(self.command, preexec_fn=_hear_no_warning) as process:
            try:
                process.wait()
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            raise RuntimeError(f"ended with status {process.returncode}")


def _hear_no_warning() -> None:
    """Ignore what submitit has Slurm send to all processes of a job 90 s before its time ends, and is for submitit."""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def run_on_cluster(
    commands: Mapping[str, Sequence[str]], logs: Path, jobs: int | None, threads: int, config: ClusterConfig
) -> list[str]:
    """Run commands by name, wait for all, and return the names of those that failed.

    Where this process is stopped, the jobs are cancelled.

    Args:
        commands: what to run
        logs: folder for what each prints
        jobs: how many run at a time; None for as many as the cluster gives
        threads: CPU cores of each
        config: what else each asks for

    Raises:
        ValueError: if submitit is not installed
    """
    try:
        import submitit
    except ImportError as error:
        raise ValueError(
            "--engine submitit: expected the package submitit, found none: pip install 'resfields-ns[cluster]'"
        ) from error
    executor = submitit.AutoExecutor(folder=logs)
    executor.update_parameters(
        name="resfields-ns",
        timeout_min=config.minutes,
        cpus_per_task=threads,
        gpus_per_node=config.gpus,
        **({} if config.partition is None else {"slurm_partition": config.partition}),
        **({} if jobs is None else {"slurm_array_parallelism": jobs}),
    )
    submitted: dict[str, submitit.Job[None]] = {}
    failed = []
    try:
        with executor.batch():
            submitted |= {name: executor.submit(_Job(list(command))) for name, command in commands.items()}
        for name, job in submitted.items():
            error = job.exception()
            print(f"{name}: " + (f"failed, see {job.paths.stderr}" if error else "done"), flush=True)
            if error:
                failed.append(name)
    except BaseException:
        for job in submitted.values():
            job.cancel(check=False)
        raise
    return failed
