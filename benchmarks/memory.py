"""Peak memory of this process."""

import resource
import sys

import torch


def peak_memory_gb() -> float:
    """Memory that CUDA held at most where the process computes on it, else the peak of resident memory; in GB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform != "darwin" else 1e9)
