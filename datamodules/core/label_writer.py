"""Write predictions as the labels of a new data set, with a list of the unsure ones first."""

import csv
import io
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from visus.datamodules.core.pairing import REVIEW, simple_name
from visus.vision.frames import Frame
from visus.vision.image_files import ARRAY_EXTENSION
from visus.vision.images import visible
from visus.vision.metadata import ModelMetadata
from visus.vision.output_files import copy_image, write_image, write_text
from visus.vision.output_folders import refuse_used_folder

_SHOWN_BY_TOOLS = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ARRAY_EXTENSION}
)
"""Endings of images that are copied; labelling tools do not show the others."""

_ORIENTATION = 274
"""The EXIF tag."""


class LabelWriter(ABC):
    """Writes one data set of predictions; a subclass for each task.

    Args:
        folder: The folder to write; it does not exist yet, or is empty.
        format: One of `DataSpec.label_formats`.
        metadata: The model's.

    Raises:
        VisusError: If the folder is not empty.
    """

    def __init__(self, folder: Path, format: str, metadata: ModelMetadata) -> None:
        refuse_used_folder(folder)
        self.folder = folder
        self.format = format
        self.metadata = metadata
        self._taken: set[str] = set()
        self._rows: list[tuple[float, str, str]] = []

    def add(self, frame: Frame, entry: Mapping[str, Any], uncertainty: float, text: str) -> None:
        """Write one image and its labels.

        Args:
            frame: The image.
            entry: The prediction as JSON, see docs of the task.
            uncertainty: 0 to 1; images of high uncertainty are listed first.
            text: The prediction in words.

        Raises:
            VisusError: If it cannot be written.
        """
        image = self.write(frame, entry, self._unique_name(frame))
        self._rows.append((uncertainty, image.relative_to(self.folder).as_posix(), text))

    @abstractmethod
    def write(self, frame: Frame, entry: Mapping[str, Any], name: str) -> Path:
        """Write an image, and its labels or remember them.

        Args:
            frame: The image.
            entry: See `add`.
            name: A file name of its own, as `store_image` takes it.

        Returns:
            The path of the image.
        """

    @abstractmethod
    def write_lists(self) -> None:
        """Write the files that describe all images."""

    def finish(self) -> str:
        """Write the lists; returns a line on what was written."""
        if not self._rows:
            return f"{self.folder}: no image was predicted, no labels were written"
        self.write_lists()
        table = io.StringIO(newline="")
        rows = csv.writer(table)
        rows.writerow(("image", "uncertainty", "prediction"))
        for uncertainty, image, text in sorted(self._rows, key=lambda row: -row[0]):
            rows.writerow((image, f"{uncertainty:.3f}", text))
        write_text(self.folder / REVIEW, table.getvalue())
        return (
            f"wrote {self.folder}: labels of {len(self._rows)} images as {self.format}; "
            f"{REVIEW} lists the least certain first"
        )

    def _unique_name(self, frame: Frame) -> str:
        """A name that differs from all others in its stem, as labels are paired by it."""
        path = Path(frame.source)
        suffix = path.suffix.lower() if frame.index is None else ".jpg"
        stem = path.stem + frame.number if path.name.strip("-") else f"frame{frame.number}"
        name, attempt = stem, 1
        while simple_name(name) in self._taken:
            attempt += 1
            name = f"{stem}-{attempt}"
        self._taken.add(simple_name(name))
        return name + (suffix if suffix in _SHOWN_BY_TOOLS else ".jpg")


def store_image(frame: Frame, target: Path) -> None:
    """Copy the image's file, or write the frame's pixels.

    The pixels are written for frames of videos, for formats that labelling tools do not show, and
    for images with an EXIF orientation: the labels refer to the upright image, and tools differ in
    whether they apply the orientation.

    Args:
        frame: The image.
        target: The path to write.

    Raises:
        VisusError: If it cannot be written.
    """
    source = Path(frame.source)
    stored = frame.index is None and source.is_file()
    if stored and target.suffix == source.suffix.lower() and not _is_turned(source):
        copy_image(source, target)
    else:
        write_image(target, visible(frame.image))


def _is_turned(path: Path) -> bool:
    if path.suffix.lower() == ARRAY_EXTENSION:
        return False
    with Image.open(path) as image:
        return bool(image.getexif().get(_ORIENTATION, 1) != 1)
