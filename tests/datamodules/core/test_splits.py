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


def test_rare_strata_are_held_out_in_every_fold_alike():
    # One image each of 500 combinations of classes: a fold must not be without all of them.
    hashes = [content_hash(str(i).encode()) for i in range(500)]
    held = [sum(held_out(hashes, range(500), 0.2, fold)) for fold in range(5)]
    assert held == [100] * 5
    common = [content_hash(str(i).encode()) for i in range(1000, 3000)]
    strata = [*range(500), *["common"] * 2000]
    for fold in range(5):
        rare = sum(held_out(hashes + common, strata, 0.2, fold)[:500])
        assert 70 <= rare <= 130


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.3])
def test_two_samples_of_a_class_are_never_both_held_out(fraction):
    for seed in range(50):
        hashes = [content_hash(f"{seed}-{i}".encode()) for i in range(102)]
        strata = [*["large"] * 100, *["small"] * 2]
        for fold in range(int(1 / fraction)):
            assert sum(held_out(hashes, strata, fraction, fold)[100:]) < 2


@given(st.lists(st.integers(1, 200), min_size=3, max_size=12), st.integers(2, 6))
def test_large_groups_spread_over_the_folds(sizes, folds):
    groups = [f"patient {number}" for number, size in enumerate(sizes) for _ in range(size)]
    hashes = [content_hash(f"{i}".encode()) for i in range(len(groups))]
    sides = [held_out(hashes, [0] * len(groups), 1 / folds, fold, groups) for fold in range(folds)]
    for patient in set(groups):
        columns = [c for c, g in zip(zip(*sides, strict=True), groups, strict=True) if g == patient]
        assert len(set(columns)) == 1 and sum(columns[0]) == 1
    held = [sum(side) for side in sides]
    if max(sizes) > max(1, len(groups) / folds / 4):
        # With as many groups as folds none is empty; a fold is above its share by one group.
        assert sum(each > 0 for each in held) == min(len(sizes), folds)
        assert max(held) <= len(groups) / folds + max(sizes)
        # Fold 0, the default, is the closest to its share.
        deviations = [abs(each - len(groups) / folds) for each in held if each]
        assert abs(held[0] - len(groups) / folds) == min(deviations)


@pytest.mark.parametrize(
    "sizes", [([10] * 12, [10] * 3), ([60, *[1] * 740], [1] * 200), ([50] * 5, [1] * 500)]
)
def test_large_groups_do_not_undo_the_stratification(sizes):
    """The sizes of the groups of each of two strata."""
    groups, strata = [], []
    for stratum, of_stratum in enumerate(sizes):
        for number, size in enumerate(of_stratum):
            groups += [f"{stratum} {number}"] * size
            strata += [stratum] * size
    hashes = [content_hash(str(i).encode()) for i in range(len(groups))]
    for fold in range(5):
        held = held_out(hashes, strata, 0.2, fold, groups)
        counts = [sum(h for h, s in zip(held, strata, strict=True) if s == c) for c in (0, 1)]
        expected = [strata.count(c) / 5 for c in (0, 1)]
        assert counts == pytest.approx(expected, abs=10), fold


def test_large_groups_leave_something_to_train_on():
    groups = [str(i // 10) for i in range(100)]
    hashes = [content_hash(str(i).encode()) for i in range(100)]
    for fraction in (0.6, 0.8, 0.9):
        assert sum(held_out(hashes, [0] * 100, fraction, 0, groups)) == round(100 * fraction)
