import threading
import time

import pytest

from visus.vision.decoding.budget import MemoryBudget


def reserved_together(budget: MemoryBudget, sizes: list[int]) -> int:
    """The largest number of bytes that threads hold at the same time."""
    lock, held, most = threading.Lock(), 0, 0

    def hold(size: int) -> None:
        nonlocal held, most
        with budget.reserve(size):
            with lock:
                held += size
                most = max(most, held)
            time.sleep(0.002)
            with lock:
                held -= size

    threads = [threading.Thread(target=hold, args=[size]) for size in sizes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return most


def test_threads_share_a_budget():
    assert reserved_together(MemoryBudget(10), [1, 4, 3, 2] * 10) <= 10


def test_what_is_larger_than_the_budget_goes_alone():
    assert reserved_together(MemoryBudget(10), [3, 25, 3, 25, 3]) == 25


def test_a_large_part_is_not_overtaken_forever():
    budget = MemoryBudget(10)
    order = []

    def reserve(name: str, size: int) -> None:
        with budget.reserve(size):
            order.append(name)

    with budget.reserve(6):
        threads = []
        for name, size in (("large", 8), ("small", 1)):
            threads.append(threading.Thread(target=reserve, args=(name, size)))
            threads[-1].start()
            time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert order == ["large", "small"]


def test_an_error_returns_what_was_reserved():
    budget = MemoryBudget(10)
    with pytest.raises(ValueError), budget.reserve(10):
        raise ValueError
    assert reserved_together(budget, [10]) == 10
