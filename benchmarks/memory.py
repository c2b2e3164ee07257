"""Memory of processes."""

import ctypes
import re
import resource
import sys
from pathlib import Path

import torch

_NAMES = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


def peak_memory_gb() -> float:
    """Memory that CUDA held at most where the process computes on it, else the peak of resident memory; in GB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform != "darwin" else 1e9)


def resident_mb(process: int | str = "self") -> dict[str, float]:
    """What a process holds in memory now, on Linux, in MB: `anonymous`, its own; `files`, which the system may drop."""
    status = Path(f"/proc/{process}/status").read_text()
    anonymous, *files = (
        int(re.findall(rf"{name}:\s*(\d+) kB", status)[0]) for name in ("RssAnon", "RssFile", "RssShmem")
    )
    return {"anonymous": anonymous / 1000, "files": sum(files) / 1000}


def allocated_mb() -> float:
    """What this process has asked of glibc and not given back, in MB: `anonymous` without what the allocator keeps."""
    sizes = ctypes.CDLL("libc.so.6").mallinfo2
    sizes.restype = _Mallinfo2
    found = sizes()
    return (found.uordblks + found.hblkhd) / 1e6


class _Mallinfo2(ctypes.Structure):
    """As glibc's malloc.h has it."""

    _fields_ = [(name, ctypes.c_size_t) for name in _NAMES]
