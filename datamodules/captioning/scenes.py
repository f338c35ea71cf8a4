"""Procedural scenes with captions: captioning data without a download."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from torch.utils.data import Dataset

from visus.datamodules.captioning.augment import CaptionTransform
from visus.datamodules.captioning.data import CaptioningData
from visus.datamodules.captioning.dataset import CaptioningDataset, CaptionSample
from visus.datamodules.core.loading import Batch
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.splits import scene_seeds
from visus.vision.scenes import COLOURS, SHAPES, make_scene
from visus.vision.truth import CaptionTruth
from visus.vision.vocabulary import SPECIAL_TOKENS, Vocabulary

_WORDS = ("a", "an", "and", "above", "below", "left", "right", "of", "empty", "ground")


@dataclass(frozen=True)
class SceneTruth(CaptionTruth):
    """The caption of a scene, and what is needed to verify others.

    Attributes:
        seed: Seed of the scene.
        size: (height, width) in pixels.
    """

    seed: int
    size: tuple[int, int]

    def is_correct(self, caption: str) -> bool:
        """See `CaptionTruth.is_correct`."""
        return make_scene(self.seed, self.size).is_true(caption)


class ScenesCaptioningData(CaptioningData):
    """Procedural scenes (`visus.vision.scenes`) with a caption of their two largest shapes.

    Args:
        count: Number of training images; validation and test have a quarter as many each.
        image_size: (height, width) in pixels.
        seed: Seed of the images.
        batch_size: Images per batch and process.
        num_workers: Worker processes that load images; by default one for each core beyond the
            first.
        class_names: The vocabulary of a checkpoint.
    """

    in_channels = 3
    resize_mode = "stretch"
    max_words = 10

    def __init__(
        self,
        count: int = 4000,
        image_size: tuple[int, int] = (128, 128),
        seed: int = 0,
        batch_size: int = 32,
        num_workers: int | None = None,
        class_names: list[str] | None = None,
    ) -> None:
        super().__init__(batch_size, num_workers, "none")
        check_data_ranges(count=count, image_size=image_size, seed=seed)
        self.count = count
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.seed = seed
        self.class_names = tuple(class_names or (*SPECIAL_TOKENS, *_WORDS, *COLOURS, *SHAPES))

    @property
    def train_captions(self) -> Sequence[Sequence[str]]:
        """See `CaptioningData.train_captions`."""
        seeds = scene_seeds("train", self.count, self.seed)
        return [_read_scene(seed, self.image_size).truth.captions for seed in seeds]

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionDataModule.dataset`."""
        transform = None
        if split == "train":
            transform = CaptionTransform(self.augment, self.image_size, self.resize_mode)
        return CaptioningDataset(
            scene_seeds(split, self.count, self.seed),
            partial(_read_scene, size=self.image_size),
            self.image_size,
            self.resize_mode,
            Vocabulary(self.class_names),
            self.max_words,
            transform=transform,
        )


def _read_scene(seed: int, size: tuple[int, int]) -> CaptionSample:
    scene = make_scene(seed, size)
    return CaptionSample(scene.image, SceneTruth((scene.caption(),), seed, size))
