"""Data module of the user's own clips."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from visus.datamodules.action.augment import ClipAugmentation, ClipTransform
from visus.datamodules.action.base import ActionData
from visus.datamodules.action.checks import ClipListing, check_clips
from visus.datamodules.action.dataset import ClipDataset
from visus.datamodules.action.files import Clip, ClipLabels, read_labels
from visus.datamodules.core.class_labels import count_classes
from visus.datamodules.core.file_data import FileData
from visus.datamodules.core.images import file_hash
from visus.datamodules.core.loading import Batch
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.splits import content_hash
from visus.datamodules.core.videos.frame_cache import FrameCache
from visus.datamodules.core.videos.reading import VideoFrames
from visus.vision.metadata import ResizeMode
from visus.vision.sizes import parse_bytes


class VideoActionData(FileData[ClipListing, Clip], ActionData):
    """The user's own videos: a folder of class folders, or a CSV of intervals and labels.

    A subclass that overrides `read_labels` reads another layout; the checks of every file, the
    detection of duplicates, `skip_bad`, the splits and `visus data check` stay the same.

    The frames of a split are decoded once, before its first batch, into a cache on disk; see
    `visus.datamodules.core.videos.frame_cache`.

    Args:
        root: See `visus.datamodules.action.files.read_labels`.
        image_size: (height, width) in pixels; by default derived from the videos, at most 224.
        frames: Frames of a window.
        seconds: Duration of a window.
        resize_mode: How frames are resized to that size.
        flip: Whether augmentation mirrors clips; by default unless a class is named after a side
            or a sense of rotation, as `swipe left` or `turn clockwise`.
        cache: Maximum size of the cache of decoded frames, such as `500MB`; 0 for none. Clips
            beyond it are decoded whenever they are needed.
        multi_label: Whether a clip may have several labels; by default, whether one has.
        in_channels: 3 for RGB, 1 for grey.
        allow_outside: Whether a CSV may name videos outside of its folder.
        batch_size: Windows per batch and process.
        augment: Augmentation of the training clips.
        kwargs: See `visus.datamodules.core.file_data.FileData`; all clips of a source, by default
            of a file, are held out together.
    """

    checkpoint_arguments = (*ActionData.checkpoint_arguments, "multi_label")

    def __init__(
        self,
        root: str,
        image_size: tuple[int, int] | None = None,
        frames: int = 8,
        seconds: float = 2.0,
        resize_mode: ResizeMode = "crop",
        flip: bool | None = None,
        cache: str = "4GB",
        multi_label: bool | None = None,
        in_channels: int = 3,
        allow_outside: bool = False,
        batch_size: int = 8,
        augment: ClipAugmentation = "clips",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            frames=frames, seconds=seconds, batch_size=batch_size, augment=augment, **kwargs
        )
        check_data_ranges(image_size=image_size, in_channels=in_channels)
        self.root = Path(root)
        self.given_size = image_size
        self.resize_mode = resize_mode
        self.flip = flip
        self.cache_bytes = parse_bytes(cache, "data.cache")
        self.given_multi_label = multi_label
        self.in_channels = in_channels
        self.allow_outside = allow_outside

    def read_labels(self) -> ClipLabels:
        """Read the labels, without opening a video; a subclass reads another layout here."""
        return read_labels(self.root, self.allow_outside)

    def read_listing(self) -> ClipListing:
        """See `FileData.read_listing`."""
        return check_clips(self.read_labels(), self.root, self.seconds, self.given_names)

    def stratum(self, sample: Clip) -> tuple[str, ...]:
        """See `FileData.stratum`."""
        return sample.labels

    @cached_property
    def cache(self) -> FrameCache:
        """The decoded frames."""
        return FrameCache(self.cache_bytes)

    def clips(self, split: str) -> Sequence[Clip]:
        """See `ActionData.clips`."""
        return self.splits[split]

    def reader(self, augmented: bool) -> VideoFrames:
        """See `ActionData.reader`."""
        return VideoFrames(self.cache, self.image_size, self.resize_mode, augmented)

    def transform(self) -> ClipTransform:
        """See `ActionData.transform`."""
        return ClipTransform(self.augment, self.image_size, self.resize_mode, self.mirrors)

    def feature_contents(self) -> list[str]:
        """See `VisionDataModule.feature_contents`."""
        clips = self.clips("train")
        files = {path: file_hash(path) for path in dict.fromkeys(clip.path for clip in clips)}
        return [
            content_hash(f"{files[clip.path]} {clip.start} {clip.end}".encode()) for clip in clips
        ]

    @property
    def feature_recipe(self) -> str:
        """See `VisionDataModule.feature_recipe`."""
        return f"{super().feature_recipe} {self.sampling} {self.mirrors}"

    def checked_dataset(self, split: str) -> Dataset[Batch]:
        """The data set of a split, whose frames are decoded before workers are started."""
        dataset = super().checked_dataset(split)
        assert isinstance(dataset, ClipDataset)
        self._fill_cache(dataset)
        return dataset

    def _fill_cache(self, dataset: ClipDataset) -> None:
        frames = dataset.frames
        if not isinstance(frames, VideoFrames) or not self.cache_bytes:
            return
        frames.fill((w.clip, self.sampling.times(w)) for w in dataset.sources)

    @property
    def class_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """The classes of a checkpoint, or those of the data set."""
        return tuple(self.given_names) if self.given_names else self.listing.class_names

    @property
    def class_counts(self) -> list[int] | None:  # type: ignore[override]
        """Number of training clips of each class."""
        return count_classes(self.splits["train"], self.class_names)

    @property
    def multi_label(self) -> bool:  # type: ignore[override]
        """Whether a clip may have several labels."""
        given = self.given_multi_label
        return self.listing.multi_label if given is None else given

    @property
    def image_size(self) -> tuple[int, int]:  # type: ignore[override]
        """The given size, or a square of the median shorter side, rounded to a multiple of 32."""
        if self.given_size is not None:
            return int(self.given_size[0]), int(self.given_size[1])
        median = int(np.median([min(clip.size) for clip in self.listing.samples]))
        side = min(224, max(32, (median + 16) // 32 * 32))
        return side, side
