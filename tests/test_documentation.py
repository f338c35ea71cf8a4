"""Files, names and commands that the documentation mentions exist."""

import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()}
PATH = r"[\w./-]+\.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_the_documentation_exist(page):
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(rf"(?<![\w<>./])({PATH})\b", text))
    # Others are files of the reader.
    ours = {name for name in named if name.partition("/")[0] in FOLDERS}
    missing = {name for name in ours if not (ROOT / name).is_file()}
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_are_defined_in_the_files_that_the_documentation_names(page):
    text = page.read_text(encoding="utf-8")
    for name, path in re.findall(rf"`([A-Za-z_][\w.]*)` in `({PATH})`", text):
        code = (ROOT / path).read_text(encoding="utf-8")
        for part in name.split("."):
            assert re.search(rf"\b{part}\b", code), f"{page.name}: {name} in {path}"


def test_code_quoted_in_learn_md_stands_in_its_file():
    text = (ROOT / "docs" / "learn.md").read_text(encoding="utf-8")
    quotes = re.findall(rf"in `({PATH})`: `(nn\.[^`]+)`", text)
    assert len(quotes) >= 3
    for path, quote in quotes:
        assert quote in (ROOT / path).read_text(encoding="utf-8"), quote


def test_backbones_inspected_in_learn_md_can_be_built(visus):
    text = (ROOT / "docs" / "learn.md").read_text(encoding="utf-8")
    commands = sorted(set(re.findall(r"visus inspect [\w ]+(?:--input \w+)?", text)))
    assert len(commands) > 4
    for command in commands:
        code, _, err = visus(*shlex.split(command)[1:])
        assert code == 0, err
