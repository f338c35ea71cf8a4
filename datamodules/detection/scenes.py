"""Detection data of procedural scenes: nothing to download."""

from functools import partial

import numpy as np
from torch.utils.data import Dataset

from visus.datamodules.core.loading import Batch
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.splits import scene_seeds
from visus.datamodules.detection.augment import BoxAugmentation, BoxTransform
from visus.datamodules.detection.data import DetectionData
from visus.datamodules.detection.dataset import DetectionDataset, DetectionSample
from visus.vision.scenes import SHAPES, make_scene


class ScenesDetectionData(DetectionData):
    """Procedural scenes (`visus.vision.scenes`) with 3 to 8 overlapping shapes.

    Shapes are 12 pixels to two fifths of the image's shorter side wide, as larger ones would hide
    each other beyond recognition.

    Args:
        count: Training images; validation and test have a quarter as many each.
        image_size: (height, width) in pixels.
        masks: Whether to provide instance masks as well.
        seed: First seed of the training images.
        batch_size: Images per batch and process.
        num_workers: Worker processes that load images; one for each core but the first by default.
        augment: Augmentation of the training images.
        class_names: The classes of a checkpoint, in order; by default the names of the shapes.
    """

    def __init__(
        self,
        count: int = 1000,
        image_size: tuple[int, int] = (128, 128),
        masks: bool = False,
        seed: int = 0,
        batch_size: int = 8,
        num_workers: int | None = None,
        augment: BoxAugmentation = "none",
        class_names: list[str] | None = None,
    ) -> None:
        super().__init__(batch_size, num_workers, augment)
        check_data_ranges(count=count, image_size=image_size, seed=seed)
        self.count = count
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.masks = masks
        self.seed = seed
        self.class_names = tuple(class_names or SHAPES)
        self.in_channels = 3
        self.resize_mode = "stretch"

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionDataModule.dataset`."""
        seeds = scene_seeds(split, self.count, self.seed)
        read = partial(_read_scene, size=self.image_size, masks=self.masks)
        transform = None
        if split == "train":
            transform = BoxTransform(self.augment, self.image_size, self.resize_mode, self.mirrors)
        return DetectionDataset(seeds, read, self.image_size, self.resize_mode, 3, transform)


def _read_scene(seed: int, size: tuple[int, int], masks: bool) -> DetectionSample:
    scene = make_scene(seed, size, (3, 8), max_fraction=0.4)
    pixels = np.array([item.mask for item in scene.objects], np.uint8).reshape(-1, *size)
    return DetectionSample(
        image=scene.image,
        boxes=np.array([item.box for item in scene.objects], np.float32).reshape(-1, 4),
        labels=np.array([SHAPES.index(item.shape) for item in scene.objects], np.int64),
        masks=pixels if masks else None,
        ignored=np.zeros(len(scene.objects), bool),
        areas=pixels.sum((1, 2), dtype=np.float32),
    )
