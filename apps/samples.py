"""Sample inputs: images, a clip, and a tiny data set of each task in each layout."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from visus.datamodules.registry import data_specs
from visus.vision.drawing.grid import to_bgr
from visus.vision.output_files import write_image

LAYOUTS = "layouts"
"""The folder of the data sets in other layouts."""


def write_samples(folder: Path) -> Iterator[str]:
    """Write the samples that the folder does not have; yields one line for each.

    The photographs are scikit-image's, in the public domain.

    Args:
        folder: Where to write. Files and folders with the names of samples stay as they are.
    """
    for name, what, write in _samples():
        path = folder / name
        if path.exists():
            yield f"{path}: exists already, and stays as it is"
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, prefix=".samples.") as staging:
            write(Path(staging) / path.name)
            (Path(staging) / path.name).rename(path)
        if what:
            yield f"{path}: {what}"
    yield f"{folder / LAYOUTS}: the same in every other layout that is read"


def _samples() -> Iterator[tuple[str, str, Callable[[Path], None]]]:
    """Name, description and function of each sample; those in `LAYOUTS` have no description."""
    yield "cat.jpg", "a photograph of a cat", _write_cat
    yield "portrait.jpg", "a portrait, Eileen Collins, NASA", _write_portrait
    yield "clip.mp4", "a clip of two seconds", _write_clip
    for spec in data_specs().values():
        if spec.sample_folder:
            yield spec.sample_folder, f"a tiny data set for {spec.task}", spec.write_sample
    for spec in data_specs().values():
        for layout, write in spec.sample_layouts().items():
            yield f"{LAYOUTS}/{spec.task}_{layout}", "", write


def _write_cat(path: Path) -> None:
    from skimage import data

    write_image(path, data.chelsea())  # type: ignore[no-untyped-call]


def _write_portrait(path: Path) -> None:
    from skimage import data

    write_image(path, np.ascontiguousarray(data.astronaut()))  # type: ignore[no-untyped-call]


def _write_clip(path: Path) -> None:
    """Write a view that moves across a photograph."""
    from skimage import data

    image = np.ascontiguousarray(data.coffee())  # type: ignore[no-untyped-call]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (320, 240))
    for i in range(20):
        view = image[40 : 40 + 300, 4 * i : 4 * i + 400]
        writer.write(to_bgr(np.asarray(cv2.resize(view, (320, 240)), np.uint8)))
    writer.release()
