from pathlib import Path

import pytest

from visus.datamodules.core.problems import (
    PROBLEMS_FILE,
    DataError,
    Problem,
    refuse,
    report,
    screen_report,
)


def test_places_are_sorted_by_the_numbers_in_them():
    numbers = [(i, j) for i in (10, 9, 1) for j in (11, 2)]
    problems = [Problem(f"labels/{i}.txt:{j}", "is bad", "error") for i, j in numbers]
    places = [line.split(": ")[1] for line in report(problems).splitlines()[:-1]]
    assert places == [f"labels/{i}.txt:{j}" for i in (1, 9, 10) for j in (2, 11)]
    mixed = [Problem(place, "is bad", "error") for place in ("a", "1", "", "a1b", "1a")]
    assert len(report(mixed).splitlines()) == 6


def test_one_problem_is_singular():
    assert report([Problem("a", "is bad", "warning")]).endswith("\n1 problem (1 warning)")
    assert report([]) == "no problems"


def test_of_many_problems_some_of_each_kind_are_shown_and_all_in_a_file(workplace):
    problems = [Problem(f"{i}.txt:1", f"box ({i}, 2) is outside", "error") for i in range(200)]
    problems += [Problem(f"{i}.txt:2", f"unknown class '{i}'", "error") for i in range(200)]
    problems += [Problem("a.yaml", "no names", "fatal"), Problem("b.png", "is grey", "warning")]
    text = screen_report(problems)
    lines = text.splitlines()
    assert lines[0] == "fatal: a.yaml: no names" and "warning: b.png: is grey" in lines
    assert lines[1] == "error: 0.txt:1: box (0, 2) is outside"
    assert lines.count("  and 195 more of this kind") == 2 and len(lines) == 15
    assert lines[-1].startswith("402 problems (1 fatal, 400 error, 1 warning), all of them in ")
    assert Path(PROBLEMS_FILE).read_text() == report(problems) + "\n"
    with pytest.raises(DataError, match="all of them in visus-problems"):
        refuse(problems, skip_bad=False)


def test_more_kinds_than_lines_are_counted(workplace):
    problems = [Problem("a", chr(97 + i) * 3, "error") for i in range(25)]
    lines = screen_report(problems).splitlines()
    assert len(lines) == 22 and lines[-2] == "and 5 further kinds"


def test_where_no_file_can_be_written_all_problems_are_shown(workplace):
    Path(PROBLEMS_FILE).mkdir()
    problems = [Problem(str(i), "is bad", "error") for i in range(200)]
    assert screen_report(problems) == report(problems)


def test_few_problems_need_no_file(workplace):
    problems = [Problem(str(i), "is bad", "error") for i in range(20)]
    assert screen_report(problems) == report(problems) and not Path(PROBLEMS_FILE).exists()
