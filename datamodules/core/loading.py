"""From samples to batches: data sets, collation and loaders."""

import os
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from visus.vision.images import Pixels
from visus.vision.metadata import ResizeMode
from visus.vision.resize import resize_to_input, to_channels, to_planes

Batch = dict[str, Any]
Read = TypeVar("Read")
Change = TypeVar("Change")


class SourceDataset(Dataset[Batch], Generic[Read, Change]):
    """Images that are read when they are asked for: what the data sets of all tasks share.

    Args:
        sources: What each image is read from; named in reports.
        read: From a source to a sample; a function that can be pickled, since workers may be
            started anew.
        size: (height, width) to bring images to.
        mode: How.
        in_channels: Channels to give them.
        transform: Random changes for training, which also bring the image to its size.
    """

    def __init__(
        self,
        sources: Sequence[Any],
        read: Callable[[Any], Read],
        size: tuple[int, int],
        mode: ResizeMode,
        in_channels: int = 3,
        transform: Change | None = None,
    ) -> None:
        self.sources = sources
        self.read = read
        self.size = size
        self.mode = mode
        self.in_channels = in_channels
        self.transform = transform
        self._indices: dict[str, int] = {}

    def __len__(self) -> int:
        """How many images."""
        return len(self.sources)

    def name(self, index: int) -> str:
        """What an image is called in reports: its file, or its seed."""
        source = self.sources[index]
        return str(getattr(source, "path", source))

    def index(self, name: str) -> int:
        """The index of the image of that name."""
        if not self._indices:
            self._indices = {self.name(i): i for i in range(len(self))}
        return self._indices[name]

    def image(self, index: int) -> Pixels:
        """The original image, uint8 of shape (height, width, channels)."""
        return image_of(self.read(self.sources[index]))


class ImageDataset(SourceDataset[Pixels, Callable[[Pixels], Pixels]]):
    """Images, perhaps with their classes.

    Args:
        sources: See `SourceDataset`.
        read: From a source to an image, uint8 RGB.
        labels: A class id for each image, or a row of zeros and ones; None for no labels.
        size: See `SourceDataset`.
        mode: "
        in_channels: "
        transform: "
    """

    def __init__(
        self,
        sources: Sequence[Any],
        read: Callable[[Any], Pixels],
        labels: NDArray[Any] | None,
        size: tuple[int, int],
        mode: ResizeMode,
        in_channels: int = 3,
        transform: Callable[[Pixels], Pixels] | None = None,
    ) -> None:
        super().__init__(sources, read, size, mode, in_channels, transform)
        self.labels = None if labels is None else torch.from_numpy(labels)

    def __getitem__(self, index: int) -> Batch:
        """One sample: `image`, `source`; `label` where there are labels, `fit` where unchanged."""
        image = self.read(self.sources[index])
        item: Batch = {"source": self.name(index)}
        if self.transform is None:
            image, item["geometry"] = resize_to_input(image, self.size, self.mode)
        else:
            image = self.transform(image)
        item["image"] = to_tensor(to_channels(image, self.in_channels))
        if self.labels is not None:
            item["label"] = self.labels[index]
        return item


class ArrayDataset(Dataset[Batch]):
    """Images in memory, handed out a batch at a time.

    Args:
        images: uint8 of shape (images, height, width, channels), already of the input's size.
        labels: A class id for each.
        fit_of_all: The map that brought each image to that size.
        transform: Random changes for training.
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        shared_geometry: object,
        transform: Callable[[Pixels], Pixels] | None = None,
    ) -> None:
        self.images = images
        self.tensors = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        self.labels = torch.from_numpy(labels)
        self.shared_geometry = shared_geometry
        self.transform = transform

    def __len__(self) -> int:
        """How many images."""
        return len(self.images)

    def index(self, name: str) -> int:
        """The index of the image of that name."""
        return int(name)

    def image(self, index: int) -> Pixels:
        """The image, uint8 of shape (height, width, channels)."""
        return self.images[index]

    def __getitems__(self, indices: list[int]) -> Batch:
        """A whole batch at once, which saves collating images one by one."""
        if self.transform is None:
            images = self.tensors[indices]
        else:
            images = torch.stack([to_tensor(self.transform(self.images[i])) for i in indices])
        return {
            "image": images,
            "label": self.labels[indices],
            "geometry": [self.shared_geometry] * len(indices),
            "source": [str(i) for i in indices],
        }


def image_of(sample: Any) -> Pixels:
    """The image of what a data set reads: the array itself, its `image`, or its first part."""
    if isinstance(sample, tuple):
        sample = sample[0]
    return np.asarray(getattr(sample, "image", sample))


def to_tensor(image: Pixels) -> Tensor:
    """From (height, width, channels) to a tensor of (channels, height, width), uint8 both."""
    return torch.from_numpy(to_planes(image))


def collate(samples: list[Batch] | Batch) -> Batch:
    """Stack what are tensors, list what are not; a whole batch passes as it is."""
    if isinstance(samples, dict):
        return samples
    keys = samples[0].keys()
    columns = {key: [sample[key] for sample in samples] for key in keys}
    return {
        key: torch.stack(values) if isinstance(values[0], Tensor) else values
        for key, values in columns.items()
    }


def make_loader(
    dataset: Dataset[Batch],
    batch_size: int,
    num_workers: int,
    train: bool,
    rank: int = 0,
    world_size: int = 1,
) -> DataLoader[Batch]:
    """A loader for one of `world_size` processes.

    In training every process gets equally many samples, shuffled. In evaluation each sample goes
    to exactly one process, so that no figure counts one twice.

    Args:
        dataset: The whole data set.
        batch_size: Samples a batch and process.
        num_workers: Processes that load; 0 to load in this one.
        train: Whether to shuffle.
        rank: This process's number.
        world_size: How many processes there are.
    """
    size = len(dataset)  # type: ignore[arg-type]
    sampler: Any = None
    if train and world_size > 1:
        seed = torch.initial_seed() % 2**31
        sampler = DistributedSampler(dataset, world_size, rank, shuffle=True, seed=seed)
    elif not train:
        sampler = range(rank, size, world_size)
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=train and sampler is None,
        sampler=sampler,
        num_workers=num_workers,
        collate_fn=collate,
        # A last batch of one sample has no batch statistics.
        drop_last=train and size // world_size >= batch_size,
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def default_workers() -> int:
    """A loader process for each core beyond the first, four at most, none on a single core."""
    return min(4, (os.cpu_count() or 1) - 1)
