"""Procedural scenes with the class of every pixel: segmentation data without a download."""

from functools import partial

from torch.utils.data import Dataset

from visus.datamodules.core.loading import Batch
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.splits import scene_seeds
from visus.datamodules.segmentation.augment import MaskTransform
from visus.datamodules.segmentation.data import SegmentationData
from visus.datamodules.segmentation.dataset import Masked, SegmentationDataset
from visus.datamodules.segmentation.mask_polygons import BACKGROUND
from visus.vision.scenes import SHAPES, make_scene


class ScenesSegmentationData(SegmentationData):
    """Procedural scenes (`visus.vision.scenes`) with 1 to 4 shapes on a textured background.

    Args:
        count: Training images; a quarter as many for validation, and again for test.
        image_size: (height, width) in pixels.
        seed: Random seed of the images.
        batch_size: Images per batch and process.
        num_workers: Worker processes that load images; by default one for each core but one.
        class_names: The classes of a checkpoint.
    """

    def __init__(
        self,
        count: int = 1000,
        image_size: tuple[int, int] = (128, 128),
        seed: int = 0,
        batch_size: int = 8,
        num_workers: int | None = None,
        class_names: list[str] | None = None,
    ) -> None:
        super().__init__(batch_size, num_workers, "none")
        check_data_ranges(count=count, image_size=image_size, seed=seed)
        self.count = count
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.seed = seed
        self.class_names = tuple(class_names or (BACKGROUND, *SHAPES))
        self.in_channels = 3
        self.resize_mode = "stretch"

    def dataset(self, split: str) -> Dataset[Batch]:
        """See `VisionDataModule.dataset`."""
        seeds = scene_seeds(split, self.count, self.seed)
        transform = None
        if split == "train":
            size = self.image_size
            transform = MaskTransform("none", size, self.resize_mode, size)
        read = partial(_read_scene, size=self.image_size)
        return SegmentationDataset(seeds, read, self.image_size, self.resize_mode, 3, transform)


def _read_scene(seed: int, size: tuple[int, int]) -> Masked:
    scene = make_scene(seed, size)
    return scene.image, scene.class_mask()
