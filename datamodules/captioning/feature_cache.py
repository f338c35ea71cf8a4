"""Cache on disk of the feature maps that a frozen backbone computes."""

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.models.weights_entry import cache_folder

Maps = NDArray[np.float16]


class FeatureCache:
    """Feature maps of images, one file for each image, in `features` in the cache folder.

    The name of a file is a hash of everything that its content depends on, so that no file can be
    outdated; files are renamed to it once they are complete.

    Args:
        network: A hash of the network's weights.
        recipe: Describes preprocessing and augmentation.
        views: Number of augmented copies of each image.
    """

    def __init__(self, network: str, recipe: str, views: int) -> None:
        self.folder = cache_folder() / "features"
        self.network = network
        self.recipe = recipe
        self.views = views

    def read(self, content: str) -> Maps | None:
        """The feature maps of an image, float16 of shape (views, channels, rows, columns).

        Those of a clip have a dimension of frames after the first.

        Args:
            content: `visus.datamodules.core.splits.content_hash` of the image's file.

        Returns:
            None if there is no file, or it is damaged.
        """
        try:
            maps: Maps = np.load(self._path(content), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        intact = maps.ndim in (4, 5) and len(maps) == self.views and maps.dtype == np.float16
        return maps if intact else None

    def write(self, content: str, maps: Maps) -> None:
        """Write the feature maps of an image, readable by this user only."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(content)
        part = path.with_suffix(f".{os.getpid()}.part")
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            np.save(file, maps, allow_pickle=False)
        part.replace(path)

    def _path(self, content: str) -> Path:
        key = f"{content} {self.network} {self.recipe} {self.views}"
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()}.npy"
