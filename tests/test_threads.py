"""Items side by side on a CPU's threads: the results of one after the other, and nothing is left behind."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from resfields_ns.functional.threads import side_by_side
from resfields_ns.host.trained_run import load_trained_run


@pytest.fixture(params=[1, 3])
def num_threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_are_those_of_one_after_the_other(num_threads: int) -> None:
    weight = torch.ones(2, requires_grad=True)
    seen = []

    def double(item: int) -> torch.Tensor:
        time.sleep(0.02 * (item % 3))  # later items are done before earlier ones
        seen.append((threading.get_ident(), torch.get_num_threads()))
        return 2.0 * item * weight

    results = list(side_by_side(double, range(12), "cpu"))
    assert [result[0].item() for result in results] == [2.0 * item for item in range(12)]
    assert not any(result.requires_grad for result in results)
    assert len({thread for thread, _ in seen}) == num_threads
    assert {threads for _, threads in seen} == {1}
    assert torch.get_num_threads() == num_threads


def test_items_are_not_taken_long_before_their_results(num_threads: int) -> None:
    taken = []
    items = (taken.append(item) or item for item in range(100))
    results = side_by_side(lambda item: item, items, "cpu")
    assert [next(results) for _ in range(10)] == list(range(10))
    assert len(taken) <= 10 + 2 * num_threads
    results.close()
    assert torch.get_num_threads() == num_threads


def test_numbers_that_are_all_but_zero_are_zero_in_the_threads_of_a_pipeline(num_threads: int, tiny_run: Path) -> None:
    torch.set_flush_denormal(False)
    assert (torch.full((64,), 1e-30) * 1e-10).all()
    load_trained_run(tiny_run)
    products = side_by_side(lambda item: torch.full((64,), 1e-30) * 1e-10, range(num_threads), "cpu")
    assert not any(product.any() for product in products)


def test_an_error_ends_it(num_threads: int) -> None:
    started = []

    def fail(item: int) -> int:
        started.append(item)
        if item == 4:
            raise ValueError("item 4")
        return item

    with pytest.raises(ValueError, match="item 4"):
        list(side_by_side(fail, range(1000), "cpu"))
    assert len(started) < 20
    assert torch.get_num_threads() == num_threads
