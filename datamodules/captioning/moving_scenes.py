"""Procedural clips with captions: video captioning data without a download."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from torch.utils.data import Dataset

from visus.datamodules.captioning.augment import CaptionTransform
from visus.datamodules.captioning.clip_dataset import (
    CaptionedFrames,
    ClipCaptioningDataset,
    frame_times,
)
from visus.datamodules.captioning.data import CaptioningData
from visus.datamodules.captioning.described_motion import DIRECTIONS, DescribedMotion
from visus.datamodules.core.loading import Batch
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.splits import scene_seeds
from visus.vision.scenes import COLOURS, SHAPES
from visus.vision.truth import CaptionTruth
from visus.vision.vocabulary import SPECIAL_TOKENS, Vocabulary

_WORDS = ("a", "an", "moves", *DIRECTIONS, "behind", "in", "front", "of")


@dataclass(frozen=True)
class MotionTruth(CaptionTruth):
    """The caption of a procedural clip, and what is needed to verify others.

    Attributes:
        seed: Seed of the clip.
        size: (height, width) in pixels.
    """

    seed: int
    size: tuple[int, int]

    def is_correct(self, caption: str) -> bool:
        """See `CaptionTruth.is_correct`."""
        return DescribedMotion(self.seed, self.size).is_true(caption)


class MovingScenesCaptioningData(CaptioningData):
    """Procedural clips (`visus.datamodules.captioning.described_motion`) with their captions.

    Args:
        count: Number of training clips; validation and test have a quarter as many each.
        image_size: (height, width) in pixels.
        frames: Number of frames of a clip; with 1 the frame in its middle.
        seed: Seed of the clips.
        batch_size: Clips per batch and process.
        num_workers: Worker processes that draw clips; by default one for each core beyond the
            first.
        class_names: The vocabulary of a checkpoint.
    """

    in_channels = 3
    resize_mode = "stretch"
    max_words = 14

    def __init__(
        self,
        count: int = 4000,
        image_size: tuple[int, int] = (96, 96),
        frames: int = 8,
        seed: int = 0,
        batch_size: int = 16,
        num_workers: int | None = None,
        class_names: list[str] | None = None,
    ) -> None:
        super().__init__(batch_size, num_workers, "none")
        check_data_ranges(count=count, image_size=image_size, frames=frames, seed=seed)
        self.count = count
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.frames = frames
        self.seed = seed
        self.class_names = tuple(class_names or (*SPECIAL_TOKENS, *_WORDS, *COLOURS, *SHAPES))

    @property
    def train_captions(self) -> Sequence[Sequence[str]]:
        """See `CaptioningData.train_captions`."""
        seeds = scene_seeds("train", self.count, self.seed)
        return [[DescribedMotion(seed, self.image_size).caption] for seed in seeds]

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionDataModule.dataset`."""
        transform = None
        if split == "train":
            transform = CaptionTransform(self.augment, self.image_size, self.resize_mode)
        return ClipCaptioningDataset(
            scene_seeds(split, self.count, self.seed),
            partial(_read_motion, size=self.image_size, frames=self.frames),
            self.image_size,
            self.resize_mode,
            Vocabulary(self.class_names),
            self.max_words,
            transform=transform,
        )


def _read_motion(seed: int, size: tuple[int, int], frames: int) -> CaptionedFrames:
    motion = DescribedMotion(seed, size)
    images = [motion.frame(time) for time in frame_times(motion.seconds, frames)]
    return CaptionedFrames(images, MotionTruth((motion.caption,), seed, size))
