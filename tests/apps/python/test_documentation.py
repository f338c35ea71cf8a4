"""Every block of docs/python.md runs, in the folder that `visus data samples` fills."""

import re
from pathlib import Path

import pytest

from visus.apps.python.model import Model

PAGE = Path(__file__).parents[3] / "docs" / "python.md"


def blocks():
    text = PAGE.read_text(encoding="utf-8")
    found = list(re.finditer(r"```python\n(.*?)```", text, re.S))
    assert text.count("```") == 2 * len(found), "a block of another language"
    # With its line numbers, for tracebacks.
    return ["\n" * text[: match.start(1)].count("\n") + match[1] for match in found]


def test_every_block_runs(visus, workplace, capsys):
    code, _, err = visus("data", "samples", ".")
    assert code == 0, err
    names = {}
    for block in blocks():
        exec(compile(block, str(PAGE), "exec"), names)
    printed = capsys.readouterr().out
    assert "Egyptian cat" in printed
    assert "unknown option epochs; here it is max_epochs" in printed
    assert Path("drawn.jpg").is_file() and Path("model.onnx").is_file()


def test_the_names_in_the_page_exist():
    text = PAGE.read_text(encoding="utf-8")
    for name in re.findall(r"`model\.(\w+)\(", text):
        assert hasattr(Model, name), name


@pytest.mark.parametrize("page", ["README.md", "docs/classification.md"])
def test_the_other_pages_use_the_same_interface(visus, workplace, page):
    code, _, err = visus("data", "samples", ".")
    assert code == 0, err
    text = (PAGE.parent.parent / page).read_text(encoding="utf-8")
    found = re.findall(r"```python\n(.*?)```", text, re.S)
    assert found
    if page != "README.md":
        assert visus("export", "imagenet", "--output", "model.onnx")[0] == 0
    names = {}
    for block in found:
        names = {}
        exec(compile(block, page, "exec"), names)
    if page != "README.md":
        # The exported file without visus is the page's last example.
        assert names["metadata"]["class_names"][names["scores"].argmax()] == "Egyptian cat"
