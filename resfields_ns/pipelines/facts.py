"""What a reader of a metrics file needs to know about the run and the machine."""

import os
import platform
from importlib.metadata import version
from typing import Any

import torch

PACKAGES = ("resfields-ns", "nerfstudio", "torch", "numpy")


def machine_facts() -> dict[str, Any]:
    """Versions and hardware."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "hardware": {"cpu": _cpu_name(), "cores": os.cpu_count(), "threads": torch.get_num_threads(), "gpu": gpu},
    }


def _cpu_name() -> str:
    """The processor's name where the system tells it, else its architecture."""
    return platform.processor() or platform.machine()
