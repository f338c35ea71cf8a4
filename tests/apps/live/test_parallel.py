"""Threads that work ahead: the same items in the same order, errors in their position, an end."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import PATIENCE
from visus.apps.live.parallel import parallel_map
from visus.apps.live.prefetch import prefetch


@given(st.lists(st.integers()))
def test_the_items_are_the_same_in_the_same_order(items):
    assert list(prefetch(iter(items))) == items


def test_an_error_is_raised_in_its_position():
    def items():
        yield 1
        raise ValueError("cut here")

    ahead = prefetch(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="cut here"):
        next(ahead)


def test_the_next_item_is_produced_while_this_one_is_used():
    second = threading.Event()

    def items():
        yield 1
        second.set()
        yield 2

    ahead = prefetch(items())
    assert next(ahead) == 1
    assert second.wait(PATIENCE)
    assert list(ahead) == [2]


def test_the_thread_ends_when_the_iterator_is_closed():
    made = []

    def items():
        for i in range(10**6):
            made.append(i)
            yield i

    ahead = prefetch(items())
    assert next(ahead) == 0
    ahead.close()
    assert len(made) <= 4
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())


@given(st.lists(st.integers()), st.integers(1, 4))
def test_workers_return_their_results_in_order(items, workers):
    assert list(parallel_map(str, iter(items), workers)) == [str(item) for item in items]


def test_workers_run_concurrently_and_errors_are_raised_in_their_position():
    together = threading.Barrier(2, timeout=PATIENCE)

    def work(item):
        # A single worker would wait until the timeout.
        together.wait()
        if item == 3:
            raise ValueError("three")
        return item

    results = parallel_map(work, iter(range(6)), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


def test_one_worker_takes_no_item_before_it_is_needed():
    taken = []

    def items():
        for i in range(3):
            taken.append(i)
            yield i

    results = parallel_map(str, items(), 1)
    assert next(results) == "0" and taken == [0]


def test_few_large_results_wait(monkeypatch):
    monkeypatch.setattr("visus.apps.live.parallel._WAITING_BYTES", 100)
    taken = []

    def items():
        for i in range(40):
            taken.append(i)
            yield i

    # The first results are small, the others so large that only two fit.
    results = parallel_map(lambda i: i, items(), 8, size_of=lambda i: 1 if i < 10 else 50)
    ahead = []
    for i, result in enumerate(results):
        assert result == i
        ahead.append(len(taken) - i - 1)
    assert max(ahead[:9]) == 9
    assert max(ahead[20:]) <= 2
