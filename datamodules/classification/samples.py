"""Tiny data sets of procedural scenes in the layouts of labels."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from visus.vision.images import Pixels
from visus.vision.output_files import replacing, write_image
from visus.vision.scenes import SHAPES, make_scene

_EACH = 10
"""Images of each class."""


def write_folders(folder: Path) -> None:
    """A folder for each class."""
    for label, i, image in _images():
        write_image(folder / label / f"{i}.png", image)


def write_splits(folder: Path) -> None:
    """Folders `train` and `val` of such folders."""
    for label, i, image in _images():
        write_image(folder / _split(i) / label / f"{i}.png", image)


def write_csv(folder: Path) -> None:
    """A `labels.csv` with a split for each image."""
    rows = [("path", "label", "split")]
    for label, i, image in _images():
        name = f"images/{label}{i}.png"
        write_image(folder / name, image)
        rows.append((name, label, _split(i)))
    _write_rows(folder, rows)


def write_several(folder: Path) -> None:
    """A `labels.csv` with the shapes of all objects in each image."""
    rows = [("path", "label")]
    for seed in range(2 * _EACH):
        scene = make_scene(seed, (96, 96), (1, 3), 24)
        name = f"images/{seed}.png"
        write_image(folder / name, scene.image)
        shapes = sorted({item.shape for item in scene.objects} & set(SHAPES[:3]))
        rows.append((name, "|".join(shapes) or "|"))
    _write_rows(folder, rows)


def _images() -> Iterator[tuple[str, int, Pixels]]:
    """Scenes of one object: the class, the image's number in it, and the image."""
    counts = {label: 0 for label in SHAPES[:2]}
    seed = 0
    while min(counts.values()) < _EACH:
        scene = make_scene(seed, (96, 96), (1, 1), 32)
        seed += 1
        label = scene.objects[0].shape if scene.objects else ""
        if counts.get(label, _EACH) < _EACH:
            yield label, counts[label], scene.image
            counts[label] += 1


def _split(i: int) -> str:
    return "train" if i < _EACH * 4 // 5 else "val"


def _write_rows(folder: Path, rows: Sequence[tuple[str, ...]]) -> None:
    with replacing(folder / "labels.csv") as part, part.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
