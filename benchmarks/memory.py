"""Memory of processes."""

import resource
import sys
from pathlib import Path

import torch


def peak_memory_gb() -> float:
    """Memory that CUDA held at most where the process computes on it, else the peak of resident memory; in GB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform != "darwin" else 1e9)


def resident_mb(process: int | str = "self") -> dict[str, float]:
    """What a process holds in memory now, on Linux, in MB: `anonymous`, its own; `files`, which the system may drop."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    kilobytes = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines) if "kB" in value}
    return {"anonymous": kilobytes["RssAnon"] / 1000, "files": (kilobytes["RssFile"] + kilobytes["RssShmem"]) / 1000}
