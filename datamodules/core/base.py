"""What all data modules offer: loaders that count each sample once on any number of processes."""

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

Recipe = TypeVar("Recipe")


class VisionDataModule(pl.LightningDataModule, Generic[Recipe]):
    """Data of any task; a subclass makes the data sets.

    Attributes:
        class_names: One name for each class id, in order.
        image_size: (height, width) of the batches' images.
        in_channels: Their channels.
        resize_mode: How images are brought to that size.
        skipped: Bad samples that were left out.
        checkpoint_arguments: Constructor arguments that take the value that a checkpoint was
            trained with.
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

    def __init__(self, batch_size: int, num_workers: int, augment: Recipe) -> None:
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
        """The data set of a split: `train`, `val`, `test` or `predict`."""

    def plain_dataset(self, split: str) -> Dataset[Batch]:
        """The data set of a split without random changes."""
        dataset = copy.copy(self.dataset(split))
        dataset.transform = None  # type: ignore[attr-defined]
        return dataset

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled and changed at random."""
        return self._loader("train")

    def val_dataloader(self) -> DataLoader[Batch]:
        """Each sample once."""
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        """Each sample once."""
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[Batch]:
        """Each sample once, labels not needed."""
        return self._loader("predict")

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
    """Refuse what stops training, and tell the rest on the standard error stream.

    Args:
        problems: All that were found.
        skip_bad: Whether the samples of `error`s were left out.

    Raises:
        DataError: With the whole report.
    """
    refuse(problems, skip_bad)
    if problems:
        _tell(problems)


@rank_zero_only
def _tell(problems: Sequence[Problem]) -> None:
    print(report(problems), file=sys.stderr)
