"""The lessons of docs/learn run, and quote the code as it is."""

import re

import pytest

from tests.lessons import LESSONS, ROOT, assert_printed, blocks_of, run_lesson, shortened

COURSE = ROOT / "docs" / "learn.md"
HEADINGS = ["Idea", "In the code", "Try it", "Exercise"]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_every_block_of_a_lesson_runs(visus, lesson):
    run_lesson(lesson, visus, shortened)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_quoted_code_stands_in_its_file(lesson):
    quotes = [block for block in blocks_of(lesson) if block.quoted]
    assert quotes
    for quote in quotes:
        code = [line.strip() for line in (ROOT / quote.quoted).read_text().splitlines()]
        wanted = [line.strip() for line in quote.content.splitlines()]
        places = range(len(code) - len(wanted) + 1)
        assert any(code[i : i + len(wanted)] == wanted for i in places), quote


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_a_lesson_has_all_of_its_parts(lesson):
    text = lesson.read_text(encoding="utf-8")
    number = int(lesson.stem.partition("_")[0])
    assert text.startswith(f"# {number}. ") and "\n**Question.** " in text
    headings = re.findall(r"^## (.+)$", text, re.M)
    assert [each for each in headings if each in HEADINGS] == HEADINGS
    assert any(block.language == "bash" for block in blocks_of(lesson))
    answer = text.partition("## Exercise")[2]
    assert "<summary>Answer</summary>\n\n" in answer and answer.endswith("\n\n</details>\n")


def test_the_course_lists_the_lessons_in_their_order():
    assert [int(lesson.stem[:2]) for lesson in LESSONS] == [*range(1, len(LESSONS) + 1)]
    text = COURSE.read_text(encoding="utf-8")
    links = re.findall(r"^\| \d+ \| \[[^]]+\]\(learn/(\w+\.md)\)", text, re.M)
    assert links == [lesson.name for lesson in LESSONS]


@pytest.mark.parametrize("wrong", ["two\none", "one\nthree", "one\n...\nfour"])
def test_text_that_is_not_printed_is_noticed(wrong):
    assert_printed("one\n...\nthree  rows", "one\ntwo\nthree rows\n", "")
    with pytest.raises(AssertionError):
        assert_printed(wrong, "one\ntwo\nthree rows\n", "")
