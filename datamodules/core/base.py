"""The data module that those of all tasks extend: loaders, and how problems are reported."""

import copy
import sys
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, TypeVar

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_only
from torch.utils.data import DataLoader, Dataset

from visus.datamodules.core.loading import Batch, make_loader
from visus.datamodules.core.problems import Problem, refuse, report
from visus.vision.errors import VisusError
from visus.vision.metadata import ResizeMode

Augment = TypeVar("Augment")


class VisionDataModule(pl.LightningDataModule, Generic[Augment]):
    """Data of any task; a subclass returns the data set of each split.

    The fields of the task's `TaskSpec.data_info` are read from attributes of the same names:
    those below for every task, and more for some.

    Args:
        batch_size: Images per batch and process.
        num_workers: Worker processes that load images; 0 to load in the main process.
        augment: Augmentation of the training images.

    Attributes:
        class_names: One name for each class id, in order.
        image_size: (height, width) of the batches' images in pixels.
        in_channels: Channels of the batches' images: 3 for RGB, 1 for grey.
        resize_mode: How images are resized to that size.
        skipped: Number of bad samples that were left out.
        checkpoint_arguments: Constructor arguments that take the value that a checkpoint was
            trained with.

    Raises:
        VisusError: If the batch size or the number of workers is impossible.
    """

    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    in_channels: int
    resize_mode: ResizeMode
    skipped: int = 0
    checkpoint_arguments: ClassVar[tuple[str, ...]] = (
        "class_names",
        "image_size",
        "resize_mode",
        "in_channels",
    )

    def __init__(self, batch_size: int, num_workers: int, augment: Augment) -> None:
        super().__init__()
        if batch_size < 1 or num_workers < 0:
            raise VisusError(
                f"data.batch_size {batch_size} must be at least 1 and data.num_workers "
                f"{num_workers} at least 0"
            )
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.augment = augment

    @abstractmethod
    def dataset(self, split: str) -> Dataset[Batch]:
        """The data set of a split: `train` with augmentation, `val` or `test` without.

        Its samples are dictionaries with the keys `image`, a uint8 tensor of shape (in_channels,
        height, width); `source`, the image's name in reports; `geometry`, the mapping back to the
        original image, unless augmented; and the labels, under keys that the task defines. Most
        data sets extend `visus.datamodules.core.loading.SourceDataset`.
        """

    def plain_dataset(self, split: str) -> Dataset[Batch]:
        """The data set of a split without augmentation."""
        dataset = copy.copy(self.dataset(split))
        dataset.transform = None  # type: ignore[attr-defined]
        return dataset

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of the training images, shuffled and augmented."""
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches of the validation images, each image once."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Batches of the test images, each image once."""
        return self._loader("test")

    def _loader(self, split: str) -> DataLoader[Batch]:
        rank, world = (
            (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        )
        train = split == "train"
        dataset = self.dataset(split)
        if len(dataset) < world:  # type: ignore[arg-type]
            raise VisusError(
                f"the {split} split holds {len(dataset)} samples, "  # type: ignore[arg-type]
                f"too few for {world} processes; add images, or raise data.val_share"
            )
        return make_loader(dataset, self.batch_size, self.num_workers, train, rank, world)


def raise_or_warn(problems: Sequence[Problem], skip_bad: bool) -> None:
    """Raise an error if the problems prevent training, otherwise print them to standard error.

    Args:
        problems: All problems of the data set.
        skip_bad: Whether the samples of `error`s were left out.

    Raises:
        DataError: With the whole report.
    """
    refuse(problems, skip_bad)
    if problems:
        _print(problems)


@rank_zero_only
def _print(problems: Sequence[Problem]) -> None:
    print(report(problems), file=sys.stderr)
