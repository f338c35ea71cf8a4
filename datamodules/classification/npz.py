"""Images and labels as arrays in one `.npz` file of NumPy."""

import zipfile
import zlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from visus.datamodules.classification.arrays import ArrayClassificationData
from visus.datamodules.classification.augment import Augmentation
from visus.datamodules.core.archives import Arrays
from visus.datamodules.core.ranges import check_data_ranges
from visus.vision.errors import VisusError

_SPLITS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}


class NpzData(ArrayClassificationData):
    """The arrays `x_train` and `y_train`, optionally `x_val`, `y_val`, `x_test` and `y_test`.

    Images are of shape (count, height, width), (count, height, width, channels) or, flattened and
    square, (count, height * width); uint8, or float from 0 to 1. Labels are class ids from 0.
    `valid` and `validation` stand for `val`, and capitals for small letters. Without `x_val` some
    training images are held out.

    Args:
        root: The file.
        image_size: (height, width) in pixels; by default that of the images.
        augment: Augmentation of the training images.
        kwargs: See `ArrayClassificationData`.

    Raises:
        VisusError: If the file cannot be read, or lacks an array, or its arrays do not match.
    """

    def __init__(
        self,
        root: str,
        image_size: tuple[int, int] | None = None,
        augment: Augmentation = "none",
        **kwargs: Any,
    ) -> None:
        # Before the file is read, which may take a while.
        numbers = {name: kwargs.get(name) for name in ("val_share", "batch_size", "num_workers")}
        check_data_ranges(image_size=image_size, **numbers)
        self.root = Path(root)
        images, _ = self._parts["train"]
        count = 1 + max(int(labels.max()) for _, labels in self._parts.values())
        self.names = tuple(str(label) for label in range(count))
        self.channels = images.shape[3]
        height, width = image_size or images.shape[1:3]
        super().__init__((height, width), augment, **kwargs)

    @cached_property
    def _parts(self) -> dict[str, Arrays]:
        """Images and labels of the splits that the file has."""
        try:
            with np.load(self.root, allow_pickle=False) as content:
                arrays = {key.lower(): content[key] for key in content.files}
        except (OSError, ValueError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
            raise VisusError(
                f"data.root {str(self.root)!r}: cannot be read as .npz ({error}); write it with "
                "numpy.savez(FILE, x_train=..., y_train=...)"
            ) from None
        parts = {}
        for split, names in _SPLITS.items():
            for name in names:
                if f"x_{name}" in arrays:
                    parts[split] = self._part(arrays, name)
        if "train" not in parts:
            raise VisusError(
                f"{self.root}: has no array x_train, but {', '.join(sorted(arrays)) or 'none'}; "
                "rename the array"
            )
        return parts

    def _part(self, arrays: dict[str, NDArray[Any]], name: str) -> Arrays:
        if f"y_{name}" not in arrays:
            raise VisusError(f"{self.root}: has x_{name} without y_{name}; add the labels")
        images, labels = arrays[f"x_{name}"], arrays[f"y_{name}"].reshape(-1)
        place = f"{self.root}, x_{name}"
        if len(images) != len(labels) or not len(images):
            raise VisusError(f"{place}: {len(images)} images, {len(labels)} labels; write one each")
        if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
            raise VisusError(f"{self.root}, y_{name}: labels must be whole numbers from 0")
        return _as_images(images, place), labels.astype(np.int64)

    def read(self) -> dict[str, Arrays]:
        """See `ArrayClassificationData.read`."""
        return dict(self._parts)


def _as_images(images: NDArray[Any], place: str) -> NDArray[np.uint8]:
    """uint8 of shape (count, height, width, channels)."""
    if images.ndim == 2:
        side = round(images.shape[1] ** 0.5)
        if side * side != images.shape[1]:
            raise VisusError(
                f"{place}: rows of {images.shape[1]} values are not square images; store them as "
                "(count, height, width)"
            )
        images = images.reshape(-1, side, side)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise VisusError(
            f"{place}: shape {images.shape} must be (count, height, width) or (count, height, "
            "width, channels) with 1 or 3 channels"
        )
    if images.dtype == np.uint8:
        return np.asarray(images)
    low, high = float(images.min()), float(images.max())
    if not np.issubdtype(images.dtype, np.floating) or not 0 <= low <= high <= 1:
        raise VisusError(
            f"{place}: {images.dtype} from {low:g} to {high:g}; store uint8, or float from 0 to 1"
        )
    return (images * 255).round().astype(np.uint8)
