"""Sample inputs: images, a clip, and a tiny data set of each task in each layout."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from visus.datamodules.registry import data_specs
from visus.vision.drawing.grid import to_bgr
from visus.vision.output_files import write_image

LAYOUTS = "layouts"
"""The folder of the data sets in other layouts."""


def write_samples(folder: Path) -> Iterator[str]:
    """Write the samples; yields one line for each.

    The photographs are scikit-image's, in the public domain.

    Args:
        folder: Where to write.
    """
    from skimage import data

    folder.mkdir(parents=True, exist_ok=True)
    write_image(folder / "cat.jpg", data.chelsea())  # type: ignore[no-untyped-call]
    yield f"{folder / 'cat.jpg'}: a photograph of a cat"
    portrait = np.ascontiguousarray(data.astronaut())  # type: ignore[no-untyped-call]
    write_image(folder / "portrait.jpg", portrait)
    yield f"{folder / 'portrait.jpg'}: a portrait, Eileen Collins, NASA"
    _write_clip(folder / "clip.mp4", np.ascontiguousarray(data.coffee()))  # type: ignore[no-untyped-call]
    yield f"{folder / 'clip.mp4'}: a clip of two seconds"
    for spec in data_specs().values():
        if spec.sample_folder:
            spec.write_sample(folder / spec.sample_folder)
            yield f"{folder / spec.sample_folder}: a tiny data set for {spec.task}"
    for spec in data_specs().values():
        for layout, write in spec.sample_layouts().items():
            write(folder / LAYOUTS / f"{spec.task}_{layout}")
    yield f"{folder / LAYOUTS}: the same in every other layout that is read"


def _write_clip(path: Path, image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    """A view that moves across a photograph."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (320, 240))
    for i in range(20):
        view = image[40 : 40 + 300, 4 * i : 4 * i + 400]
        writer.write(to_bgr(np.asarray(cv2.resize(view, (320, 240)), np.uint8)))
    writer.release()
