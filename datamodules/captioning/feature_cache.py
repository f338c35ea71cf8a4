"""Feature maps on disk: what a network that does not learn need not compute again."""

import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.models.weights_entry import cache_folder

Maps = NDArray[np.float16]


class FeatureCache:
    """Keeps the feature maps of images, a file each, in `features` in the cache folder.

    A file is named by all that its content depends on, so that none can be out of date, and gets
    its name when it is whole.

    Args:
        network: Tells networks with different weights apart.
        recipe: Tells apart what is done to images first.
        views: How many maps there are of an image.
    """

    def __init__(self, network: str, recipe: str, views: int) -> None:
        self.folder = cache_folder() / "features"
        self.network = network
        self.recipe = recipe
        self.views = views

    def read(self, content: str) -> Maps | None:
        """The maps of an image, float16 of shape (views, channels, rows, columns).

        Args:
            content: `visus.datamodules.core.splits.content_hash` of the image's file.

        Returns:
            None where there are none, or the file is damaged.
        """
        try:
            maps: Maps = np.load(self._path(content), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        whole = maps.ndim == 4 and len(maps) == self.views and maps.dtype == np.float16
        return maps if whole else None

    def write(self, content: str, maps: Maps) -> None:
        """Keep the maps of an image, readable by this user only."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(content)
        part = path.with_suffix(f".{os.getpid()}.part")
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            np.save(file, maps, allow_pickle=False)
        part.replace(path)

    def _path(self, content: str) -> Path:
        told = f"{content} {self.network} {self.recipe} {self.views}"
        return self.folder / f"{hashlib.sha256(told.encode()).hexdigest()}.npy"
