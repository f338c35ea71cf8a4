"""The data module that those of a user's own files extend: checks, splits and classes."""

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from visus.datamodules.core.base import VisionDataModule, raise_or_warn
from visus.datamodules.core.groups import group_images
from visus.datamodules.core.images import ListedImage
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.splits import Listed, split_samples


class FileListing(Protocol):
    """The checked samples of a data set.

    Attributes:
        samples: All samples that can be used.
        problems: What was found, in any order.
        left_out: Number of bad samples that are not among `samples`.
    """

    @property
    def samples(self) -> Sequence[Any]: ...  # noqa: D102
    @property
    def problems(self) -> Sequence[Problem]: ...  # noqa: D102
    @property
    def left_out(self) -> int: ...  # noqa: D102


Listing = TypeVar("Listing", bound=FileListing)
Sample = TypeVar("Sample", bound=Listed)
ImageSample = TypeVar("ImageSample", bound=ListedImage)


class FileData(VisionDataModule[Any], Generic[Listing, Sample]):
    """A user's own files: all are checked, and some held out where no validation split is stated.

    Args:
        val_share: Fraction held out for validation if the data set has no such split.
        fold: Index of the hold-out, from 0, for cross-validation.
        skip_bad: Leave bad samples out and count them, instead of raising an error.
        class_names: The classes of a checkpoint, in order; by default those of the data set.
        evaluate_all: Validate and test on all samples if the data set has no splits; the command
            line sets it for data other than those that a checkpoint was trained on.
        num_workers: Worker processes that load samples; one for each core but the first by default,
            at most four, or sixteen with a GPU.
        kwargs: See the class that is extended beside this one.
    """

    def __init__(
        self,
        val_share: float = 0.2,
        fold: int = 0,
        skip_bad: bool = False,
        class_names: list[str] | None = None,
        evaluate_all: bool = False,
        num_workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_workers=num_workers, **kwargs)
        check_data_ranges(val_share=val_share, fold=fold)
        self.val_share = val_share
        self.fold = fold
        self.skip_bad = skip_bad
        self.given_names = class_names
        self.evaluate_all = evaluate_all

    @abstractmethod
    def read_listing(self) -> Listing:
        """Read the labels and check every file; returns problems instead of raising them."""

    def check_listing(self, listing: Listing) -> None:
        """Refuse samples that do not go together with other arguments.

        Raises:
            VisusError: If they do not.
        """

    def stratum(self, sample: Sample) -> Hashable:
        """What the hold-out keeps in proportion, such as the classes of a sample."""
        return ()

    def groups(self, samples: Sequence[Sample]) -> Sequence[str] | None:
        """The group of each sample, which is held out as a whole; None if each is on its own."""
        return None

    @cached_property
    def listing(self) -> Listing:
        """The checked samples; problems are printed or raised."""
        listing = self.read_listing()
        raise_or_warn(listing.problems, self.skip_bad)
        self.check_listing(listing)
        self.skipped = listing.left_out
        return listing

    @cached_property
    def splits(self) -> Mapping[str, Sequence[Sample]]:
        """The samples of each split."""
        return split_samples(
            self.listing.samples,
            self.stratum,
            self.val_share,
            self.fold,
            self.evaluate_all,
            self.groups,
        )

    @property
    def held_out(self) -> tuple[float, int] | None:
        """Fraction and index of the hold-out; None where the data set states its splits."""
        stated = any(sample.split == "val" for sample in self.listing.samples)
        return None if stated else (self.val_share, self.fold)


class ImageFileData(FileData[Listing, ImageSample]):
    """A user's own image files; see `FileData`.

    Args:
        in_channels: 3 for RGB, 1 for grey; others for `.npy` files.
        flip: Whether augmentation mirrors images; by default unless classes are named after a
            side or a sense of rotation, such as `left arrow`, or are the letters of the alphabet.
        group_similar: Whether images that look alike, as frames of one video or slices of one head
            do, are held out together.
        kwargs: See `FileData`.
    """

    def __init__(
        self,
        in_channels: int = 3,
        flip: bool | None = None,
        group_similar: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_data_ranges(in_channels=in_channels)
        self.in_channels = in_channels
        self.flip = flip
        self.group_similar = group_similar

    def groups(self, samples: Sequence[ImageSample]) -> Sequence[str] | None:
        """See `FileData.groups`."""
        return group_images(samples, similar=self.group_similar)
