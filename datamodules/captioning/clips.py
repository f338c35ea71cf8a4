"""The data module of a user's own clips with captions."""

from collections.abc import Iterable
from functools import cached_property, partial
from typing import Any

from visus.datamodules.captioning.augment import CaptionTransform
from visus.datamodules.captioning.clip_dataset import (
    CaptionedFrames,
    ClipCaptioningDataset,
    frame_times,
)
from visus.datamodules.captioning.clip_files import (
    CaptionedClip,
    check_clip_captions,
    read_clip_labels,
)
from visus.datamodules.captioning.data import ImageCaptioningData
from visus.datamodules.captioning.files import CaptionLabels, CaptionListing
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.videos.frame_cache import FrameCache
from visus.datamodules.core.videos.reading import VideoFrames
from visus.vision.sizes import parse_bytes
from visus.vision.truth import CaptionTruth
from visus.vision.vocabulary import Vocabulary


class ClipCaptioningData(ImageCaptioningData):
    """A user's own data set: clips with captions, each captioned as a whole.

    A clip is seen as frames at equal distances. They are decoded once into a bounded cache; see
    `visus.datamodules.core.videos.frame_cache`.

    Args:
        root: See `visus.datamodules.captioning.clip_files.read_clip_labels`.
        image_size: (height, width) in pixels.
        frames: Number of frames of a clip.
        cache: Maximum size of the cache, such as `4GB`; 0 for none.
        views: Number of augmented copies of each clip whose feature maps are cached.
        batch_size: Clips per batch and process.
        kwargs: See `ImageCaptioningData`.
    """

    def __init__(
        self,
        root: str,
        image_size: tuple[int, int] = (160, 160),
        frames: int = 8,
        cache: str = "4GB",
        views: int = 4,
        batch_size: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, image_size, views=views, batch_size=batch_size, **kwargs)
        check_data_ranges(frames=frames)
        self.frames = frames
        self.cache_bytes = parse_bytes(cache, "data.cache")

    def read_labels(self) -> CaptionLabels:
        """See `ImageCaptioningData.read_labels`."""
        return read_clip_labels(self.root, self.allow_outside)

    def check_files(self) -> CaptionListing:
        """See `ImageCaptioningData.check_files`."""
        return check_clip_captions(self.read_labels(), self.root)

    @cached_property
    def cache(self) -> FrameCache:
        """The decoded frames."""
        return FrameCache(self.cache_bytes)

    def dataset(self, split: str) -> ClipCaptioningDataset:
        """See `VisionDataModule.dataset`."""
        transform = None
        if split == "train":
            transform = CaptionTransform(self.augment, self.image_size, self.resize_mode)
        reader = VideoFrames(self.cache, self.image_size, self.resize_mode, transform is not None)
        clips: Iterable[Any] = self.splits[split]
        if self.cache_bytes:
            reader.fill((clip, _times(clip, self.frames)) for clip in clips)
        return ClipCaptioningDataset(
            self.splits[split],
            partial(_read_clip, reader=reader, frames=self.frames),
            self.image_size,
            self.resize_mode,
            Vocabulary(self.class_names),
            self.max_words,
            self.captions_per_image,
            transform,
        )


def _times(clip: CaptionedClip, frames: int) -> list[float]:
    return [min(time, clip.last) for time in frame_times(clip.seconds, frames)]


def _read_clip(clip: CaptionedClip, reader: VideoFrames, frames: int) -> CaptionedFrames:
    return CaptionedFrames(reader(clip, _times(clip, frames)), CaptionTruth(clip.captions))
