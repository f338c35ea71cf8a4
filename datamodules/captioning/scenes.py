"""Procedural scenes with sentences about them: captioning with nothing to download."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from torch.utils.data import Dataset

from visus.datamodules.captioning.augment import CaptionTransform
from visus.datamodules.captioning.data import CaptioningData
from visus.datamodules.captioning.dataset import Captioned, CaptioningDataset
from visus.datamodules.core.loading import Batch, default_workers
from visus.datamodules.core.splits import scene_seeds
from visus.vision.scenes import COLOURS, SHAPES, make_scene
from visus.vision.truth import CaptionTruth
from visus.vision.vocabulary import SPECIAL, Vocabulary

_WORDS = ("a", "an", "and", "above", "below", "left", "right", "of", "empty", "ground")


@dataclass(frozen=True)
class SceneTruth(CaptionTruth):
    """What is said of a scene.

    Attributes:
        seed: Of the scene.
        size: (height, width) in pixels.
    """

    seed: int
    size: tuple[int, int]

    def judge(self, caption: str) -> bool:
        """See `CaptionTruth.judge`."""
        return make_scene(self.seed, self.size).is_true(caption)


class ScenesCaptioningData(CaptioningData):
    """Procedural scenes (`visus.vision.scenes`) with a sentence about their two largest shapes.

    Args:
        count: Training images; a quarter as many for validation, and again for test.
        image_size: (height, width) in pixels.
        seed: Chooses the images.
        batch_size: Images a batch and process.
        num_workers: Processes that load; one for each core beyond the first by default.
        class_names: The words as a checkpoint states them.
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
        workers = default_workers() if num_workers is None else num_workers
        super().__init__(batch_size, workers, "none")
        self.count = count
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.seed = seed
        self.class_names = tuple(class_names or (*SPECIAL, *_WORDS, *COLOURS, *SHAPES))

    @property
    def train_captions(self) -> Sequence[Sequence[str]]:
        """See `CaptioningData`."""
        seeds = scene_seeds("train", self.count, self.seed)
        return [_read_scene(seed, self.image_size).truth.captions for seed in seeds]

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionData.dataset`."""
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


def _read_scene(seed: int, size: tuple[int, int]) -> Captioned:
    scene = make_scene(seed, size)
    return Captioned(scene.image, SceneTruth((scene.caption(),), seed, size))
