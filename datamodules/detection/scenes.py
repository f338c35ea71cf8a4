"""Procedural scenes with their boxes and masks: detection with nothing to download."""

from functools import partial

import numpy as np
from torch.utils.data import Dataset

from visus.datamodules.core.loading import Batch, default_workers
from visus.datamodules.core.splits import scene_seeds
from visus.datamodules.detection.augment import BoxAugmentation, BoxTransform, Labelled
from visus.datamodules.detection.data import DetectionData
from visus.datamodules.detection.dataset import DetectionDataset, Sample
from visus.vision.scenes import SHAPES, make_scene


class ScenesDetectionData(DetectionData):
    """Procedural scenes (`visus.vision.scenes`) with 3 to 8 overlapping shapes: nothing to download.

    Shapes are 12 pixels to two fifths of the image's shorter side wide: larger ones would hide
    each other until nobody could tell what they are.

    Args:
        count: Training images; a quarter as many for validation, and again for test.
        image_size: (height, width) in pixels.
        masks: Learn instance masks too.
        seed: Chooses the images.
        batch_size: Images a batch and process.
        num_workers: Processes that load; one for each core beyond the first by default.
        augment: Random changes for training.
        class_names: The classes as a checkpoint states them.
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
        workers = default_workers() if num_workers is None else num_workers
        super().__init__(batch_size, workers, augment)
        self.count = count
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.masks = masks
        self.seed = seed
        self.class_names = tuple(class_names or SHAPES)
        self.in_channels = 3
        self.resize_mode = "stretch"

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionData.dataset`."""
        seeds = scene_seeds(split, self.count, self.seed)
        read = partial(_read_scene, size=self.image_size, masks=self.masks)
        transform = None
        if split == "train":
            transform = BoxTransform(self.augment, self.image_size, self.resize_mode)
        return DetectionDataset(seeds, read, self.image_size, self.resize_mode, 3, transform)


def _read_scene(seed: int, size: tuple[int, int], masks: bool) -> Sample:
    scene = make_scene(seed, size, (3, 8), max_share=0.4)
    boxes = np.array([item.box for item in scene.objects], np.float32).reshape(-1, 4)
    labels = np.array([SHAPES.index(item.shape) for item in scene.objects], np.int64)
    drawn = np.array([item.mask for item in scene.objects], np.uint8).reshape(-1, *size)
    areas = drawn.sum((1, 2), dtype=np.float32)
    labelled = Labelled(scene.image, boxes, labels, drawn if masks else None)
    return Sample(labelled, np.zeros(len(boxes), bool), areas)
