"""`rf-chunks`: a long capture as chunks of frames that are trained side by side, and joined to one run."""

import sys
from typing import Annotated, Literal

import tyro

from resfields_ns.commands.command_line import run_command
from resfields_ns.engines.cluster import ClusterConfig, run_on_cluster
from resfields_ns.options import Limits


def chunks(
    arguments: Annotated[tuple[str, ...], tyro.conf.Positional],
    chunks: int,
    jobs: int | None = None,
    threads: int = 1,
    engine: Literal["local", "submitit"] = "local",
    cluster: ClusterConfig = ClusterConfig(),  # noqa: B008
) -> None:
    """Train a capture in chunks of frames, each a run of its own, and join them to one run.

    The same command once more goes on where the last one was stopped: chunks that are finished stay. Where a chunk
    fails, the others go on, and the exit code is 1; its log says why.

    Example: rf-chunks --chunks 10 --jobs 2 -- tnerf-resfields --data CAPTURE owlii --frames 0:1000

    Args:
        arguments: What ns-train would be told, after --: method, options, and a dataparser with frames to use.
        chunks: How many, as even as they can be.
        jobs: How many are trained at a time; by default one a GPU, or one.
        threads: CPU threads of each.
        engine: Where: on this machine, or on a cluster through submitit (pip install 'resfields-ns[cluster]').
        cluster: What a chunk asks of the cluster.
    """
    Limits(least=1).check("--threads", threads)
    if jobs is not None:
        Limits(least=1).check("--jobs", jobs)
    if engine == "local" and cluster != ClusterConfig():
        raise ValueError("--cluster: expected nothing with --engine local, where it does nothing; submitit asks for it")
    from resfields_ns.engines.local import run_locally, visible_gpus  # these are slow to import
    from resfields_ns.host.chunk_plan import plan_chunks
    from resfields_ns.host.joined_run import join_runs

    plans = plan_chunks(arguments, chunks)
    runs = [plan.config.get_base_dir() for plan in plans]
    commands: dict[str, list[str]] = {}
    for plan, run in zip(plans, runs, strict=True):
        plan.prepare()
        if not plan.is_finished:
            commands[run.name] = [sys.executable, "-m", "resfields_ns.commands.resume", str(run)]
    print(f"{len(commands)} of {len(runs)} chunks are not finished", flush=True)
    logs = runs[0].parent / "logs"
    failed: list[str] = []
    if commands and engine == "local":
        failed = run_locally(commands, logs, jobs, threads, visible_gpus())
    elif commands:
        failed = run_on_cluster(commands, logs, jobs, threads, cluster)
    if failed:
        raise SystemExit(
            f"{len(failed)} of {len(commands)} chunks failed: {', '.join(failed)}; the same command goes on"
        )
    print(f"Wrote the run to {join_runs(runs, plans[0].config.output_dir)}")


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(chunks)


if __name__ == "__main__":
    entrypoint()
