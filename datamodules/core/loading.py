"""Data sets, collation and loaders."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from visus.datamodules.core.epochs import EpochBatches, SeededDataset, TrainLoader
from visus.datamodules.core.loading_processes import LoadingProcess
from visus.datamodules.core.packed import packed
from visus.vision.cores import usable_cores
from visus.vision.images import Pixels
from visus.vision.metadata import ResizeMode
from visus.vision.resize import resize_to_input, to_channels, to_planes

Batch = dict[str, Any]
Sample = TypeVar("Sample")
Transform = TypeVar("Transform")


class SourceDataset(Dataset[Batch], Generic[Sample, Transform]):
    """Base class of the data sets of all tasks: images that are read when they are needed.

    A new data set defines `__getitem__`, which reads `self.read(self.sources[index])` and returns
    a dictionary with

    - `image`: uint8 tensor of shape (in_channels, height, width);
    - `source`: `self.name(index)`;
    - the labels, as tensors of equal shapes, which are stacked to batches, or as any other
      objects, which are collected in lists;
    - `geometry`: the second value of `resize_to_input`, where `self.transform` is None.

    `ImageDataset` is an example. Reports find an original image again with `index` and `image`.

    Args:
        sources: One object for each image, such as a path or a seed; `read` turns it into a sample,
            and `str` of it, or of its attribute `path`, is its name in reports.
        read: Function from a source to a sample: an image, an object with an attribute `image`, or
            a tuple that starts with an image. It must be possible to pickle it, as worker
            processes need on Windows and macOS.
        size: (height, width) of the network's input in pixels.
        mode: How images are resized to that size.
        in_channels: Channels of the network's input: 3 for RGB, 1 for grey.
        transform: Augmentation for training, which also resizes; None for evaluation.
    """

    def __init__(
        self,
        sources: Sequence[Any],
        read: Callable[[Any], Sample],
        size: tuple[int, int],
        mode: ResizeMode,
        in_channels: int = 3,
        transform: Transform | None = None,
    ) -> None:
        self.sources: Sequence[Any] = packed(sources)
        self.read = read
        self.size = size
        self.mode = mode
        self.in_channels = in_channels
        self.transform = transform
        self._indices: dict[str, int] = {}

    def __len__(self) -> int:
        """Number of images."""
        return len(self.sources)

    def name(self, index: int) -> str:
        """Name of an image in reports, such as its path or its seed."""
        source = self.sources[index]
        return str(getattr(source, "path", source))

    def index(self, name: str) -> int:
        """Index of the image with this name."""
        if not self._indices:
            self._indices = {self.name(i): i for i in range(len(self))}
        return self._indices[name]

    def image(self, index: int) -> Pixels:
        """The original image, uint8 of shape (height, width, channels)."""
        return _image_of(self.read(self.sources[index]))


class ImageDataset(SourceDataset[Pixels, Callable[[Pixels], Pixels]]):
    """Images with their classes.

    Args:
        sources: One object for each image, such as a path.
        read: Function from a source to an image, uint8 of shape (height, width, channels).
        labels: Class ids of shape (images,), or rows of zeros and ones (images, classes).
        size: (height, width) of the network's input in pixels.
        mode: How images are resized to that size.
        in_channels: Channels of the network's input: 3 for RGB, 1 for grey.
        transform: Augmentation for training, which also resizes; None for evaluation.
        read_augmented: As `read`, for images that are augmented: it may return them reduced, as
            they have no geometry. `read` by default.
    """

    def __init__(
        self,
        sources: Sequence[Any],
        read: Callable[[Any], Pixels],
        labels: NDArray[Any],
        size: tuple[int, int],
        mode: ResizeMode,
        in_channels: int = 3,
        transform: Callable[[Pixels], Pixels] | None = None,
        read_augmented: Callable[[Any], Pixels] | None = None,
    ) -> None:
        super().__init__(sources, read, size, mode, in_channels, transform)
        self.labels = torch.from_numpy(labels)
        self.read_augmented = read_augmented or read

    def __getitem__(self, index: int) -> Batch:
        """One sample: `image`, `label` and `source`, and `geometry` unless augmented."""
        source, item = self.sources[index], self.targets(index)
        if self.transform is None:
            image, item["geometry"] = resize_to_input(self.read(source), self.size, self.mode)
        else:
            image = self.transform(self.read_augmented(source))
        item["image"] = to_tensor(to_channels(image, self.in_channels))
        return item

    def targets(self, index: int) -> Batch:
        """A sample without its image and geometry."""
        return {"source": self.name(index), "label": self.labels[index]}


class ArrayDataset(Dataset[Batch]):
    """Images in memory, which the loader fetches a whole batch at a time.

    Args:
        images: uint8 of shape (images, height, width, channels), of the network's input size.
        labels: Class ids of shape (images,).
        shared_geometry: The `Geometry` of every image: all had the same size before resizing.
        transform: Augmentation for training; None for evaluation.
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
        """Number of images."""
        return len(self.images)

    def index(self, name: str) -> int:
        """Index of the image with this name."""
        return int(name)

    def image(self, index: int) -> Pixels:
        """The image, uint8 of shape (height, width, channels)."""
        return np.asarray(self.images[index])

    def __getitems__(self, indices: list[int]) -> Batch:
        """A whole batch, which is faster than collating single images."""
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


def _image_of(sample: Any) -> Pixels:
    """The image of a sample: the sample itself, its attribute `image`, or its first item."""
    first = sample[0] if isinstance(sample, tuple) else sample
    return np.asarray(getattr(first, "image", first))


def to_tensor(image: Pixels) -> Tensor:
    """Convert a uint8 image (height, width, channels) to a tensor (channels, height, width)."""
    return torch.from_numpy(to_planes(image))


def collate(samples: list[Batch] | Batch) -> Batch:
    """Collate samples to a batch: tensors are stacked, other values collected in lists.

    Args:
        samples: The samples, or a batch that the data set has collated, which is returned.
    """
    if isinstance(samples, dict):
        return samples
    columns = {key: [sample[key] for sample in samples] for key in samples[0]}
    return {
        key: torch.stack(values) if isinstance(values[0], Tensor) else values
        for key, values in columns.items()
    }


def make_train_loader(
    dataset: Dataset[Batch], batches: EpochBatches, num_workers: int
) -> TrainLoader:
    """The loader of the training batches of one process.

    Args:
        dataset: The whole data set.
        batches: The batches of this process.
        num_workers: Worker processes that load samples; 0 to load in this process.
    """
    return TrainLoader(
        SeededDataset(dataset),
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=collate,
        worker_init_fn=LoadingProcess(num_workers),
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def make_loader(
    dataset: Dataset[Batch],
    batch_size: int,
    num_workers: int,
    rank: int = 0,
    world_size: int = 1,
) -> DataLoader[Batch]:
    """The loader for evaluation of one of `world_size` processes.

    Each sample goes to exactly one process, so that metrics count every sample once.

    Args:
        dataset: The whole data set.
        batch_size: Samples per batch and process.
        num_workers: Worker processes that load samples; 0 to load in this process.
        rank: Index of this process.
        world_size: Number of processes.
    """
    size = len(dataset)  # type: ignore[arg-type]
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=range(rank, size, world_size),
        num_workers=num_workers,
        collate_fn=collate,
        worker_init_fn=LoadingProcess(num_workers),
        persistent_workers=num_workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def default_workers() -> int:
    """Default number of worker processes: one for each core but the first, at most four.

    With GPUs, each of which trains on more images than four processes decode, up to sixteen.
    """
    cores = usable_cores() - 1
    gpus = torch.cuda.device_count()
    return min(max(4, min(16, cores // gpus)) if gpus else 4, cores)
