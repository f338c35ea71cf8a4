"""Damaged labels of classes, captions, masks and pairs are named, never read wrong in silence."""

import json
import random
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.reliability.annotation_formats import FORMATS
from tests.reliability.counts import count
from tests.reliability.mutations import mutate_bytes, mutate_rows, mutate_tree
from visus.datamodules.core.problems import report
from visus.vision.errors import VisusError

SECONDS = 20
"""Longer than the reading of a few small files ever takes."""


def counted(facts) -> Counter:
    """How often each fact is stated; the case of an image's name does not matter."""
    return Counter((first.lower(), *rest) for first, *rest in facts)


def meaning(format, root: Path) -> Counter | None:
    """What the files mean; None if a lenient reader cannot read one of them."""
    try:
        return counted(format.literal(root))
    except Exception:
        return None


def annotation_files(root: Path) -> list[Path]:
    return sorted(p for p in root.rglob("*") if p.suffix in {".json", ".csv", ".txt"})


def mutate(path: Path, rng: random.Random) -> None:
    """Damage one file, half of the time with respect to its format."""
    data = path.read_bytes()
    text = data.decode("utf-8", "surrogateescape")
    if rng.random() < 0.5:
        path.write_bytes(mutate_bytes(data, rng))
        return
    try:
        if path.suffix == ".json":
            text = json.dumps(mutate_tree(json.loads(text), rng))
        else:
            text = mutate_rows(text, rng, "," if path.suffix == ".csv" else "\t")
    except (ValueError, TypeError, KeyError, IndexError):
        # Damaged before, or a value that the format cannot state.
        path.write_bytes(mutate_bytes(data, rng))
        return
    path.write_bytes(text.encode("utf-8", "surrogatepass"))


def outcome(format, root: Path, changed: list[Path]) -> str:
    """`named` or `read`; anything else fails."""
    start = time.monotonic()
    try:
        problems, facts = format.read(root)
        text = report(problems)
        # These prevent training, whatever else is read.
        facts = [] if any(p.severity == "fatal" for p in problems) else facts
    except VisusError as error:
        text, facts = str(error), []
    assert time.monotonic() - start < SECONDS
    text.encode()
    assert max(map(len, text.splitlines())) < 2000
    meant = meaning(format, root)
    if meant is not None:
        extra = [fact for fact in counted(facts) - meant if fact[0] != "class"]
        assert not extra, (extra, text)
    # Masks whose class a damaged table lacks, and impossible names of classes, have other places.
    elsewhere = any(words in text for words in ("to classes.csv", "the class name"))
    if elsewhere or any(str(path) in text for path in changed):
        return "named"
    assert meant == counted(facts), (meant, facts, text)
    return "read"


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_are_named_or_read_as_they_are_written(tmp_path, kind):
    format = kind()
    format.save(tmp_path / "kept")
    problems, facts = format.read(tmp_path / "kept")
    assert all(p.severity == "warning" for p in problems)
    assert counted(facts) == meaning(format, tmp_path / "kept")
    outcomes = Counter()
    for seed in range(count(20, 1000)):
        rng = random.Random(seed)
        root = tmp_path / "set"
        shutil.copytree(tmp_path / "kept", root)
        changed = [rng.choice(annotation_files(root)) for _ in range(rng.choice((1, 1, 2)))]
        for path in changed:
            mutate(path, rng)
        try:
            outcomes[outcome(format, root, changed)] += 1
        except BaseException as error:
            raise AssertionError(f"seed {seed}: {changed}") from error
        shutil.rmtree(root)
    print(kind.__name__, dict(outcomes))
    assert outcomes["named"]
