"""The data module that those of all tasks extend: loaders, and how problems are reported."""

import copy
import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_only
from torch.utils.data import DataLoader, Dataset, Subset

from visus.datamodules.core.epochs import Batch, EpochBatches, ShuffledBatches, TrainLoader
from visus.datamodules.core.features import FeatureCache, FeatureDataset, fill_cache
from visus.datamodules.core.loading import default_workers, make_loader, make_train_loader
from visus.datamodules.core.mirroring import is_sided
from visus.datamodules.core.problems import Problem, refuse, screen_report
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.shards.writer import ShardSource
from visus.vision.errors import VisusError
from visus.vision.metadata import ResizeMode
from visus.vision.sampling import evenly_spaced

Augment = TypeVar("Augment")


class VisionDataModule(pl.LightningDataModule, Generic[Augment]):
    """Data of any task; a subclass returns the data set of each split.

    The fields of the task's `TaskSpec.data_info` are read from attributes of the same names:
    those below for every task, and more for some.

    Args:
        batch_size: Images per batch and process.
        num_workers: Worker processes that load images; 0 to load in the main process; one for each
            core but the first by default, at most four, or sixteen for a GPU.
        augment: Augmentation of the training images.

    Attributes:
        class_names: One name for each class id, in order.
        image_size: (height, width) of the batches' images in pixels.
        in_channels: Channels of the batches' images: 3 for RGB, 1 for grey.
        resize_mode: How images are resized to that size.
        skipped: Number of bad samples that were left out.
        validated: Number of validation samples that a training validates, evenly spread; None for
            all.
        views: Number of augmented copies of each training sample whose features are cached.
        flip: Whether augmentation mirrors images; None for `is_sided` of the classes to decide.
        mirrors: Whether it does.
        weaker: The weaker form of augmentations by their names.
        least_scale: The smallest input, relative to `image_size`, in which objects can be seen.
        largest_scale: The largest input, relative to `image_size`, for which images are not
            enlarged.
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
    validated: int | None = None
    views: int = 8
    flip: bool | None = None
    weaker: ClassVar[Mapping[str, str]] = {}
    least_scale: float = 0.0
    largest_scale: float = 1.0
    checkpoint_arguments: ClassVar[tuple[str, ...]] = (
        "class_names",
        "image_size",
        "resize_mode",
        "in_channels",
    )

    def __init__(self, batch_size: int, num_workers: int | None, augment: Augment) -> None:
        super().__init__()
        check_data_ranges(batch_size=batch_size, num_workers=num_workers)
        self.batch_size = batch_size
        self.num_workers = default_workers() if num_workers is None else num_workers
        self.augment = augment
        self._train_loader: TrainLoader | None = None
        self._position = (0, 0)

    @abstractmethod
    def dataset(self, split: str) -> Dataset[Batch]:
        """The data set of a split: `train` with augmentation, `val` or `test` without.

        Its samples are dictionaries with the keys `image`, a uint8 tensor of shape (in_channels,
        height, width); `source`, the image's name in reports; `geometry`, the mapping back to the
        original image, unless augmented; and the labels, under keys that the task defines. Most
        data sets extend `visus.datamodules.core.loading.SourceDataset`.
        """

    @property
    def mirrors(self) -> bool:
        """Whether augmentation mirrors images."""
        return not is_sided(self.class_names) if self.flip is None else self.flip

    def weakly_augmented(self) -> Self:
        """A copy with a weaker augmentation, for a network that imitates a trained one.

        It then learns what images are like in evaluation; another network's scores keep it from
        overfitting as labels alone would.
        """
        data: Any = copy.copy(self)
        data.augment = self.weaker.get(str(self.augment), self.augment)
        return data  # type: ignore[no-any-return]

    def plain_dataset(self, split: str) -> Dataset[Batch]:
        """The data set of a split without augmentation."""
        dataset = copy.copy(self.dataset(split))
        dataset.transform = None  # type: ignore[attr-defined]
        return dataset

    def train_batches(self, dataset: Dataset[Batch]) -> EpochBatches:
        """Which training samples each batch of this process holds."""
        rank, world_size = self.rank_and_world_size()
        size = len(dataset)  # type: ignore[arg-type]
        return ShuffledBatches(size, self.batch_size, rank, world_size, self.overfits())

    def feature_contents(self) -> list[str] | None:
        """A hash of the content of each training sample, in the order of the data set.

        None if features of them are not cached, as their labels depend on the augmentation.
        """
        return None

    @property
    def feature_recipe(self) -> str:
        """Describes preprocessing and augmentation, on which cached features depend."""
        return f"{self.augment} {self.image_size} {self.resize_mode}"

    def shard_source(self) -> ShardSource[Any]:
        """The checked samples, to be written in shards.

        Raises:
            VisusError: If samples of this kind cannot be.
        """
        raise VisusError(f"{type(self).__name__} cannot be written in shards")

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of the training images, shuffled and augmented.

        If the backbone is frozen for the whole training (`model.freeze_epochs: -1`), the features
        of `views` augmented copies of each image are computed once and cached on disk, where the
        task and the data allow it.
        """
        dataset = self.checked_dataset("train")
        module: Any = self.trainer.lightning_module if self.trainer else None
        fingerprint = module.feature_fingerprint() if module else None
        contents = self.feature_contents() if fingerprint else None
        if fingerprint is None or contents is None:
            return self.train_loader(dataset)
        assert self.trainer is not None
        cache = FeatureCache(fingerprint, self.feature_recipe, self.views)
        # The processes of each machine share its cache.
        share = range(self.trainer.local_rank, len(contents), self.trainer.num_devices)
        labelled: Any = dataset
        fill_cache(cache, labelled, contents, module, share)
        self.trainer.strategy.barrier()
        return self.train_loader(FeatureDataset(labelled, contents, cache))

    def train_loader(self, dataset: Dataset[Batch]) -> DataLoader[Batch]:
        """The loader of training batches, which continues where a checkpoint was saved."""
        batches = self.train_batches(dataset)
        batches.resume_at(*self._position)
        self._train_loader = make_train_loader(dataset, batches, self.num_workers)
        return self._train_loader

    def val_dataloader(self) -> DataLoader[Batch]:
        """Batches of the validation images, each image once; of `validated` images if it is set."""
        return self._evaluation_loader("val", self.validated)

    def test_dataloader(self) -> DataLoader[Batch]:
        """Batches of the test images, each image once."""
        return self._evaluation_loader("test")

    @property
    def training_size(self) -> tuple[int, int]:
        """(height, width) of training images in pixels, as they are scaled at present."""
        return self.image_size

    def scale_training_images(self, scale: float) -> None:
        """Resize training images to a fraction of their size from the next epoch on.

        A task's `TaskSpec.budget` says whether its data modules can do so.
        """
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """The position in the training, for checkpoints: `epoch`, `batch` of `batches` in it."""
        loader = self._train_loader
        if loader is None:
            return {}
        position = {"epoch": loader.batches.epoch, "batch": loader.returned}
        return position | {"batches": len(loader)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the training at a position."""
        self._position = (int(state_dict["epoch"]), int(state_dict["batch"]))
        if self._train_loader is not None:
            self._train_loader.batches.resume_at(*self._position)

    def _evaluation_loader(self, split: str, samples: int | None = None) -> DataLoader[Batch]:
        dataset = self.checked_dataset(split)
        size = len(dataset)  # type: ignore[arg-type]
        if samples is not None and samples < size:
            dataset = Subset(dataset, evenly_spaced(range(size), samples))
        return make_loader(dataset, self.batch_size, self.num_workers, *self.rank_and_world_size())

    def checked_dataset(self, split: str) -> Dataset[Batch]:
        """The data set of a split, with a sample for each process at least."""
        dataset = self.dataset(split)
        size, world_size = len(dataset), self.rank_and_world_size()[1]  # type: ignore[arg-type]
        if size < world_size:
            remedy = "add images" if split == "train" else "add images, or raise data.val_share"
            raise VisusError(
                f"the {split} split holds {size} samples, too few for {world_size} processes; "
                f"{remedy}"
            )
        return dataset

    def rank_and_world_size(self) -> tuple[int, int]:
        """Index of this process, and the number of processes."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def overfits(self) -> bool:
        """Whether the trainer repeats the same few batches in every epoch."""
        return bool(self.trainer and self.trainer.overfit_batches)  # type: ignore[attr-defined]


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
    print(screen_report(problems), file=sys.stderr)
