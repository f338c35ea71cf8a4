"""Tiny data sets of people: scikit-image's portrait in twelve brightnesses."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from visus.vision.output_files import write_image, write_text

_PEOPLE = 12


def write_people(folder: Path) -> None:
    """A folder for each person, with two images."""
    _write(folder, lambda person, i: f"{i}.jpg")


def write_pairs(folder: Path) -> None:
    """Images with the names of LFW's, and its `pairs.txt` of two folds."""
    _write(folder, lambda person, i: f"{person}_{i + 1:04d}.jpg")
    half = _PEOPLE // 2
    lines = [f"2\t{half}"]
    for fold in (range(half), range(half, _PEOPLE)):
        lines += [f"P{person}\t1\t2" for person in fold]
        lines += [f"P{person}\t1\tP{fold[(i + 1) % half]}\t2" for i, person in enumerate(fold)]
    write_text(folder / "pairs.txt", "\n".join([*lines, ""]))


def _write(folder: Path, name: Callable[[str, int], str]) -> None:
    from skimage import data

    portrait = data.astronaut()  # type: ignore[no-untyped-call]
    for number in range(_PEOPLE):
        for i in range(2):
            image = (portrait[: 300 - i, 80:380] // (1 + number / 9)).astype(np.uint8)
            write_image(folder / f"P{number}" / name(f"P{number}", i), image)
