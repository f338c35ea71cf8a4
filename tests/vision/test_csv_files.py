import pytest

from visus.vision.csv_files import csv_columns, read_csv
from visus.vision.errors import VisusError


def read(path, content, texts=()):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    file = read_csv(path, {"path", "label"}, texts)
    rows = [(place.rpartition(":")[2], *row.values()) for place, row in file.rows]
    return rows, {place.rpartition(":")[2]: message for place, message in file.problems}


def test_a_damaged_line_hides_no_other(tmp_path):
    content = (
        'path,label\na.png,cat\nb.png,"cat\nc.png,dog\n\nd.png\ne.png,cat,dog\nf.png,"cat"x\n'
        f"g\0.png,cat\nh.png,{'y' * 200_000}\ni.png,dog"
    )
    rows, problems = read(tmp_path / "a.csv", content)
    assert [row[0] for row in rows] == ["2", "4", "11"]
    assert "a quote that is not closed" in problems["3"]
    assert "has 1 values" in problems["6"] and "has 3 values" in problems["7"]
    assert "is not a row" in problems["8"] and "control character '\\x00'" in problems["9"]
    assert "field larger" in problems["10"] and len(problems) == 6


def test_lines_that_are_not_utf8_are_counted_and_the_others_read(tmp_path):
    rows, problems = read(tmp_path / "a.csv", b"path,label\na,\xff\nb,cat\nc,\xe9\n")
    assert rows == [("3", "b", "cat")]
    assert list(problems) == ["2"] and "1 more lines are not UTF-8" in problems["2"]


def test_quotes_may_enclose_lines_of_texts_only(tmp_path):
    content = 'path,label\na,"two\nlines"\nb,one, and two\n'
    rows, problems = read(tmp_path / "a.csv", content, texts={"label"})
    assert rows == [("2", "a", "two\nlines"), ("4", "b", "one, and two")] and not problems
    rows, problems = read(tmp_path / "a.csv", content)
    assert rows == [] and "enclose 2 lines" in problems["2"] and "has 3 values" in problems["4"]


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_spaces_and_case_of_the_header_do_not_matter(tmp_path, start, end):
    content = start + end.join([b"Path, Label", b" a.png , cat", b"", b"b.png,dog", b""])
    assert read(tmp_path / "a.csv", content)[0] == [("2", "a.png", "cat"), ("4", "b.png", "dog")]
    assert csv_columns(tmp_path / "a.csv") == {"path", "label"}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("path;label", "a.csv:1: lacks the column label and path"),
        ("", "a.csv:1: lacks the column"),
        ("path,label,label", "a.csv:1: names the column 'label' twice"),
    ],
)
def test_a_wrong_header_is_refused(tmp_path, header, words):
    with pytest.raises(VisusError, match=words):
        read(tmp_path / "a.csv", header + "\na,b\n")
