"""Work on a CPU's threads, one item a thread: many small products share a processor better so than each by itself."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(
    function: Callable[[Item], Result], items: Iterable[Item], device: torch.device | str, at_most: int | None = None
) -> Generator[Result, None, None]:
    """The function's results in the order of the items, without gradients.

    On a CPU, as many items are computed at once as torch has threads, or `at_most` where memory bounds them, and twice
    as many are ahead of what is taken; the function must not change what it shares with others. On a GPU, one after the
    other.
    """
    num_threads = torch.get_num_threads()
    num_workers = min(num_threads, at_most or num_threads)
    if torch.device(device).type != "cpu" or num_workers == 1:
        yield from map(torch.no_grad()(function), items)
        return
    remaining = iter(items)
    pool = ThreadPoolExecutor(num_workers, initializer=torch.set_num_threads, initargs=(num_threads // num_workers,))
    try:
        torch.set_num_threads(1)  # of this thread, which waits
        ready: deque[Future[Result]] = deque()
        while True:
            ahead = islice(remaining, 2 * num_workers - len(ready))
            ready.extend(pool.submit(torch.no_grad()(function), item) for item in ahead)
            if not ready:
                return
            yield ready.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(num_threads)
