"""Features that a frozen backbone computes once: their cache on disk, and batches of them."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from visus.datamodules.core.loading import Batch
from visus.models.weights_entry import cache_folder
from visus.vision.output_files import open_private, replacing
from visus.vision.progress import track

Features = NDArray[np.float16]


class FeatureExtractor(Protocol):
    """A network whose backbone may be frozen."""

    def extract_features(self, images: Tensor) -> Tensor:
        """Features of uint8 images, (batch, ...)."""
        ...


class LabelledDataset(Protocol):
    """A data set whose labels do not depend on the augmentation."""

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def __getitem__(self, index: int, /) -> Batch:
        """A sample with `image`."""
        ...

    def targets(self, index: int) -> Batch:
        """The sample without its image and its geometry."""
        ...


class FeatureCache:
    """Features of samples, one file for each sample, in `features` in the cache folder.

    The name of a file is a hash of everything that its content depends on, so that no file can be
    outdated; files are renamed to it once they are complete.

    Args:
        network: A hash of the network's weights.
        recipe: Describes preprocessing and augmentation.
        views: Number of augmented copies of each sample.
    """

    def __init__(self, network: str, recipe: str, views: int) -> None:
        self.folder = cache_folder() / "features"
        self.network = network
        self.recipe = recipe
        self.views = views

    def read(self, content: str) -> Features | None:
        """The features of a sample, float16 of shape (views, ...).

        Args:
            content: A hash of the sample's content.

        Returns:
            None if there is no file, or it is damaged.
        """
        try:
            features: Features = np.load(self._path(content), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        intact = features.ndim > 1 and len(features) == self.views and features.dtype == np.float16
        return features if intact else None

    def write(self, content: str, features: Features) -> None:
        """Write the features of a sample, readable by this user only.

        Raises:
            VisusError: If they cannot be written, as on a full disk.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (
            replacing(self._path(content)) as part,
            open(part, "wb", opener=open_private) as file,
        ):
            np.save(file, features, allow_pickle=False)

    def _path(self, content: str) -> Path:
        key = f"{content} {self.network} {self.recipe} {self.views}"
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()}.npy"


class FeatureDataset(Dataset[Batch]):
    """The training samples of a data set, with features instead of images.

    Args:
        dataset: The data set.
        contents: A hash of the content of each sample.
        cache: Holds the features of all samples.
    """

    def __init__(
        self, dataset: LabelledDataset, contents: Sequence[str], cache: FeatureCache
    ) -> None:
        self.dataset = dataset
        self.contents = contents
        self.cache = cache

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.contents)

    def __getitem__(self, index: int) -> Batch:
        """One sample: `features` of a random view, and its targets."""
        views = self.cache.read(self.contents[index])
        assert views is not None, "the cache is filled before training"
        view = int(torch.randint(len(views), ()))
        return {"features": torch.from_numpy(views[view].copy()), **self.dataset.targets(index)}


def fill_cache(
    cache: FeatureCache,
    dataset: LabelledDataset,
    contents: Sequence[str],
    extractor: FeatureExtractor,
    indices: Iterable[int],
) -> None:
    """Compute the features that are missing in the cache.

    Args:
        cache: The cache.
        dataset: The samples, whose augmentation is seeded by their content.
        contents: A hash of the content of each sample.
        extractor: Computes the features.
        indices: Indices of the samples.
    """
    missing = [i for i in indices if cache.read(contents[i]) is None]
    with torch.random.fork_rng():
        for index in track(missing, "Computing features", total=len(missing)):
            torch.manual_seed(int(contents[index][:15], 16))
            views: Any = torch.stack([dataset[index]["image"] for _ in range(cache.views)])
            features = extractor.extract_features(views).cpu().numpy()
            cache.write(contents[index], features.astype(np.float16))
