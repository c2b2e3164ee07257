"""Batches that several processes share: what each makes of its share is as if one process had made all.

Every process draws the same batch from the same random numbers and computes on its share of the rows (rays or points
in order of time). Within `sharing()`, a mean over rows is one whose mean over the processes is that of the whole
batch, and random numbers of rows are those that the whole batch would have been given. Elsewhere, and where there is
one process, both are the usual ones.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import accumulate

import torch
import torch.distributed as dist
from jaxtyping import Float, Shaped
from torch import Tensor

_SHARING: ContextVar[bool] = ContextVar("sharing", default=False)


def num_processes() -> int:
    """Processes that train or evaluate together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process_rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if num_processes() > 1 else 0


@contextmanager
def sharing() -> Iterator[None]:
    """What is computed within is on this process's share of a batch, and all processes compute it."""
    token = _SHARING.set(num_processes() > 1)
    try:
        yield
    finally:
        _SHARING.reset(token)


def own_rows(sizes: tuple[int, ...]) -> tuple[int, int]:
    """First row of this process's share of a batch, and the one after its last.

    Args:
        sizes: rows of every segment of equal time. Segments stay whole, unless there are fewer than processes.
    """
    rank, count = process_rank(), num_processes()
    cuts = list(accumulate(sizes, initial=0)) if len(sizes) >= count else list(range(sum(sizes) + 1))
    return cuts[(len(cuts) - 1) * rank // count], cuts[(len(cuts) - 1) * (rank + 1) // count]


def mean_of_rows(values: Float[Tensor, "*rows"], counted: Shaped[Tensor, "*rows"] | None = None) -> Float[Tensor, ""]:
    """Mean over rows, or over those that count (1 or true, else 0); 0 where none does."""
    if not _SHARING.get():
        if counted is None:
            return values.mean()
        return (values * counted).sum() / counted.sum().clamp(min=1)
    total = values.sum() if counted is None else (values * counted).sum()
    rows = values.numel() if counted is None else counted.sum()
    count = torch.as_tensor(rows, dtype=torch.float64, device=values.device)
    dist.all_reduce(count)
    return total / (count.clamp(min=1.0) / num_processes()).to(total)


def random_rows(rows: int, columns: int, device: torch.device) -> Float[Tensor, "rows columns"]:
    """Uniform numbers in [0, 1)."""
    if not _SHARING.get():
        return torch.rand(rows, columns, device=device)
    counts = torch.zeros(num_processes(), dtype=torch.long, device=device)
    counts[process_rank()] = rows
    dist.all_reduce(counts)
    ends = list(accumulate(counts.tolist(), initial=0))
    return torch.rand(ends[-1], columns, device=device)[ends[process_rank()] :][:rows]
