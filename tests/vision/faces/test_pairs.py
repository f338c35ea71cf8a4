from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visus.vision.errors import VisusError
from visus.vision.faces.pairs import make_pairs, people_in, read_pairs

GOOD = "2\t1\nAnn\t1\t2\nAnn\t1\tBob\t1\nBob\t1\t2\nBob\t2\tCleo\t1\n"


@pytest.fixture
def people(tmp_path):
    for name, count in (("Ann", 2), ("Bob", 2), ("Cleo", 1)):
        for i in range(count):
            path = tmp_path / name / f"{name}_{i + 1:04d}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.touch()
    return tmp_path


def test_pairs_are_read_fold_by_fold(people):
    (people / "pairs.txt").write_text(GOOD)
    pairs = read_pairs(people / "pairs.txt", people)
    assert [pair.same for pair in pairs] == [True, False, True, False]
    assert [pair.fold for pair in pairs] == [0, 0, 1, 1]
    assert Path(pairs[3].second) == people / "Cleo" / "Cleo_0001.jpg"
    assert people_in(pairs) == {"Ann", "Bob", "Cleo"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "pairs.txt:1: must hold"),
        ("ten 300\n", "pairs.txt:1: must hold"),
        (GOOD.replace("Ann\t1\t2", "Ann\t1"), r"pairs.txt:2: 'Ann\t1' is neither"),
        (GOOD.replace("Ann\t1\t2", "Ann\t1\tx"), "pairs.txt:2"),
        (GOOD.replace("Ann\t1\t2", "../etc\t1\t2"), "pairs.txt:2"),
        (
            GOOD.replace("Cleo\t1", "Cleo\t7"),
            "pairs.txt:5: 'Bob\\t2\\tCleo\\t7' names Cleo_0007, which is not in",
        ),
        (
            GOOD.replace("Ann\t1\t2", "..\t1\t2"),
            "pairs.txt:2: '..\\t1\\t2' holds a name that is no",
        ),
        (GOOD.replace("Ann\t1\t2", "Ann\t1\t1"), "pairs.txt:2: 'Ann\\t1\\t1' compares an image"),
        (GOOD.replace("Bob\t1\nBob", "Ann\t2\nBob"), "names one person as two people"),
        (GOOD.replace("Ann\t1\t2", "Ann\t1_0\t2"), "pairs.txt:2"),
        (GOOD.replace("Ann\t1\t2", "A" * 300 + "\t1\t2"), "pairs.txt:2"),
        (GOOD.replace("Ann\t1\t2", "An\0n\t1\t2"), "pairs.txt:2"),
        ("2\t1\nAnn\t1\t2\nBob\t1\t2\n", "need 4 lines, there are 2"),
        (
            GOOD.replace("Bob\t1\t2", "Ann\t1\tCleo\t1"),
            "pairs.txt:4: the line must hold a pair of one",
        ),
        ("9" * 5000 + "\n", "pairs.txt:1: must hold"),
        ("3\t1\n" + GOOD.split("\n", 1)[1], "need 6 lines, there are 4"),
    ],
)
def test_bad_files_are_named_by_line(people, text, words):
    (people / "pairs.txt").write_text(text)
    with pytest.raises(VisusError) as raised:
        read_pairs(people / "pairs.txt", people)
    assert words in str(raised.value)


def test_every_bad_line_is_named_at_once(people):
    text = GOOD.replace("Ann\t1\t2", "..\t1\t2").replace("Cleo\t1", "Cleo\t7")
    (people / "pairs.txt").write_text(text)
    with pytest.raises(VisusError, match=r"pairs.txt:2: [^\n]*\n[^\n]*pairs.txt:5: "):
        read_pairs(people / "pairs.txt", people)


def test_names_between_tabs_may_hold_spaces(people):
    (people / "Ann").rename(people / "Ann Lee")
    for path in (people / "Ann Lee").iterdir():
        path.rename(path.with_name(path.name.replace("Ann", "Ann Lee")))
    (people / "pairs.txt").write_text(GOOD.replace("Ann", "Ann Lee"))
    assert people_in(read_pairs(people / "pairs.txt", people)) == {"Ann Lee", "Bob", "Cleo"}


def test_missing_and_binary_files_are_named(people):
    with pytest.raises(VisusError, match="no such file of pairs"):
        read_pairs(people / "none.txt", people)
    (people / "pairs.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VisusError, match="cannot be read as text"):
        read_pairs(people / "pairs.txt", people)


@given(st.dictionaries(st.text("abc", min_size=1), st.integers(1, 5), min_size=2, max_size=12))
def test_sampled_pairs_separate_people_by_folds(counts):
    images = {name: [f"{name}/{i}" for i in range(count)] for name, count in counts.items()}
    if max(counts.values()) < 2:
        with pytest.raises(VisusError, match="verification needs"):
            make_pairs(images)
        return
    try:
        pairs = make_pairs(images)
    except VisusError:
        assert sum(count > 1 for count in counts.values()) < 2
        return
    folds = {}
    for pair in pairs:
        a, b = pair.first.split("/")[0], pair.second.split("/")[0]
        assert (a == b) == pair.same and pair.first != pair.second
        for name in (a, b):
            assert folds.setdefault(name, pair.fold) == pair.fold
