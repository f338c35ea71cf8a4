from hypothesis import given
from hypothesis import strategies as st

from visus.vision.sampling import evenly_spaced, first_and_spaced


@given(st.integers(0, 50), st.integers(1, 20))
def test_distinct_items_in_order_with_the_ends(size, count):
    chosen = evenly_spaced(range(size), count)
    assert len(chosen) == min(size, count) == len(set(chosen)) and chosen == sorted(chosen)
    if size and count > 1:
        assert chosen[0] == 0 and chosen[-1] == size - 1


def test_the_first_and_some_of_the_others():
    assert first_and_spaced(range(20), 3, 6) == [0, 1, 2, 3, 11, 19]
    assert first_and_spaced(range(4), 3, 6) == [0, 1, 2, 3]
