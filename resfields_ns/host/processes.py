"""Runs of several processes: how they are started, find each other, and begin alike.

`--machine.num-devices` lets the host start them, on GPUs (NCCL) and, where the host refuses, on CPUs (gloo). Under
torchrun each process is started from outside and finds the others by what its environment says.
"""

import atexit
import multiprocessing
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from nerfstudio.configs.base_config import MachineConfig
from nerfstudio.engine.trainer import TrainerConfig
from torch import Tensor
from torch.multiprocessing.spawn import ProcessExitedException

from resfields_ns.files import one_line_errors
from resfields_ns.host.stops import Stops, handling

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
    """Let the host's launcher end a run as it should, and start processes that meet on CPUs, too.

    Raises ValueError for more processes than there are GPUs.
    """
    if processes_of(machine) > 1 and machine.device_type == "cuda" and machine.num_devices > torch.cuda.device_count():
        raise ValueError(
            f"--machine.num-devices: expected at most {torch.cuda.device_count()}, the GPUs of this machine, "
            f"got {machine.num_devices}"
        )
    if processes_of(machine) == 1 and "nerfstudio.scripts.train" not in sys.modules:
        return
    from nerfstudio.scripts import train  # which imports the methods

    train._distributed_worker = _work
    if not isinstance(train.launch, _Launch):
        train.launch = _Launch(train.launch)


def launch_training(config: TrainerConfig) -> None:
    """Train as `ns-train` does, in the processes that the config asks for."""
    from nerfstudio.scripts import train  # which imports the methods

    machine = config.machine
    train.launch(
        main_func=train.train_loop,
        num_devices_per_machine=machine.num_devices,
        device_type=machine.device_type,
        num_machines=machine.num_machines,
        machine_rank=machine.machine_rank,
        dist_url=machine.dist_url,
        config=config,
    )


class _Launch:
    """The host's launcher, which reports a stop as success, and a user's mistake at length.

    Raises SystemExit after either: with 130 or 143 where a signal stopped the run, else with 1.
    """

    def __init__(self, launch: Callable[..., None]) -> None:
        self.launch = launch

    def __call__(self, main_func: Callable[..., Any], num_devices_per_machine: int, **options: Any) -> None:
        """As the host's."""
        if num_devices_per_machine * options.get("num_machines", 1) == 1:
            with one_line_errors(), Stops().heard():
                self.launch(main_func, num_devices_per_machine, **options)
            return
        asked: list[int] = []

        def pass_on(number: int, frame: Any) -> None:
            del frame
            asked.append(number)
            for process in multiprocessing.active_children():
                assert process.pid is not None
                os.kill(process.pid, number)

        try:
            with handling(pass_on):
                self.launch(main_func, num_devices_per_machine, **options)
        except ProcessExitedException as error:
            raise SystemExit(128 + asked[0] if asked else error.exit_code) from None
        if asked:
            raise SystemExit(128 + asked[0])


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


def largest_of_processes(value: int) -> int:
    """The largest of the numbers that processes have; all must ask."""
    if not dist.is_initialized():
        return value
    largest = torch.tensor(value, device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return int(largest)


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
    with one_line_errors():
        main_func(local_rank, world_size, config, rank)
    dist.destroy_process_group()


def _join(device_type: str, local_rank: int, **meeting: Any) -> None:
    if device_type == "cuda":
        torch.cuda.set_device(local_rank)
    dist.init_process_group("nccl" if device_type == "cuda" else "gloo", **meeting)
