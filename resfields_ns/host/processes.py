"""Runs of several processes: how they are started, find each other, and begin alike.

`--machine.num-devices` lets the host start them, on GPUs (NCCL) and, where the host refuses, on CPUs (gloo). Under
torchrun each process is started from outside and finds the others by what its environment says.
"""

import atexit
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from nerfstudio.configs.base_config import MachineConfig
from torch import Tensor

Value = TypeVar("Value")


def launched_processes() -> int:
    """As many as torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def processes_of(machine: MachineConfig) -> int:
    """How many processes a run on these machines has."""
    return machine.num_devices * machine.num_machines * launched_processes()


def join_launched(device_type: str) -> int | None:
    """Meet the processes that torchrun has started beside this one; this one's number on its machine, None without."""
    if launched_processes() == 1:
        return None
    local_rank = int(os.environ["LOCAL_RANK"])
    if not dist.is_initialized():
        _join(device_type, local_rank, init_method="env://")
        atexit.register(dist.destroy_process_group)
    return local_rank


def let_host_launch(machine: MachineConfig) -> None:
    """Let the host's launcher start processes that meet on CPUs, too; ValueError for more than there are GPUs."""
    if processes_of(machine) == 1:
        return
    if machine.device_type == "cuda" and machine.num_devices > torch.cuda.device_count():
        raise ValueError(
            f"--machine.num-devices: expected at most {torch.cuda.device_count()}, the GPUs of this machine, "
            f"got {machine.num_devices}"
        )
    from nerfstudio.scripts import train  # which imports the methods

    train._distributed_worker = _work


def from_first(value: Value) -> Value:
    """What the first process gives; all must ask."""
    if not dist.is_initialized():
        return value
    values = [value]
    dist.broadcast_object_list(values)
    return values[0]


def from_all(value: Value) -> list[Value]:
    """What each process gives, in order; all must ask."""
    if not dist.is_initialized():
        return [value]
    values = [value] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def mean_over_processes(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """The mean of numbers that each process has, by name."""
    if not dist.is_initialized() or not values:
        return values
    means = torch.stack([value.detach().float() for value in values.values()])
    dist.all_reduce(means)
    return dict(zip(values, means / dist.get_world_size(), strict=True))


def _work(
    local_rank: int,
    main_func: Callable[..., Any],
    world_size: int,
    num_devices_per_machine: int,
    machine_rank: int,
    dist_url: str,
    config: Any,
    timeout: timedelta,
    device_type: str,
) -> None:
    """One process of the host's launcher, in place of its own, which asks for CUDA."""
    rank = machine_rank * num_devices_per_machine + local_rank
    _join(device_type, local_rank, init_method=dist_url, world_size=world_size, rank=rank, timeout=timeout)
    if device_type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() // num_devices_per_machine))
    main_func(local_rank, world_size, config, rank)
    dist.destroy_process_group()


def _join(device_type: str, local_rank: int, **meeting: Any) -> None:
    if device_type == "cuda":
        torch.cuda.set_device(local_rank)
    dist.init_process_group("nccl" if device_type == "cuda" else "gloo", **meeting)
