import pytest
from hypothesis import given
from hypothesis import strategies as st

from visus.datamodules.core.splits import content_hash, held_out
from visus.vision.errors import VisusError

contents = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), min_size=1, max_size=120)


@given(contents, st.integers(2, 6))
def test_folds_are_disjoint_and_keep_duplicates_together(pairs, folds):
    hashes = [content_hash(str(value).encode()) for value, _ in pairs]
    groups = [group for _, group in pairs]
    sides = [held_out(hashes, groups, 1 / folds, fold) for fold in range(folds)]
    for column, value in zip(zip(*sides, strict=True), hashes, strict=True):
        # Every sample is held out exactly once, and all copies of a content together.
        assert sum(column) == 1
        assert column == next(
            c for c, v in zip(zip(*sides, strict=True), hashes, strict=True) if v == value
        )


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=20, max_size=100))
def test_the_split_does_not_depend_on_the_order_of_the_files(values):
    hashes = [content_hash(str(value).encode()) for value in values]
    forward = dict(zip(hashes, held_out(hashes, [0] * len(hashes), 0.2), strict=True))
    backward = held_out(hashes[::-1], [0] * len(hashes), 0.2)
    assert forward == dict(zip(hashes[::-1], backward, strict=True))
    assert sum(backward) == round(0.2 * len(hashes))


@pytest.mark.parametrize(("share", "fold"), [(0, 0), (1, 0), (0.2, 5), (0.2, -1)])
def test_impossible_folds_are_refused(share, fold):
    with pytest.raises(VisusError, match="fold"):
        held_out(["a"], [0], share, fold)
