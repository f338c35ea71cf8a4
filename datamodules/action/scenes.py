"""Data module of procedural clips."""

from visus.datamodules.action.augment import ClipTransform
from visus.datamodules.action.base import ActionData
from visus.datamodules.action.dataset import ReadFrames
from visus.datamodules.action.files import Clip
from visus.datamodules.action.moving_shapes import ACTIONS, scene_clip, scene_frames
from visus.datamodules.core.ranges import check_data_ranges
from visus.datamodules.core.splits import scene_seeds


class ScenesActionData(ActionData):
    """Procedural clips (`visus.datamodules.action.moving_shapes`), labelled by their action.

    A single frame says nothing about the class.

    Args:
        count: Number of training clips; validation and test have a quarter as many each.
        image_size: (height, width) in pixels.
        frames: Frames of a window.
        seconds: Duration of a window, which is that of a clip.
        seed: Seed of the first clip.
        batch_size: Clips per batch and process.
        num_workers: Worker processes that draw clips; one for each core but the first by default.
        class_names: The classes of a checkpoint, in order.
    """

    def __init__(
        self,
        count: int = 4000,
        image_size: tuple[int, int] = (64, 64),
        frames: int = 8,
        seconds: float = 2.0,
        seed: int = 0,
        batch_size: int = 32,
        num_workers: int | None = None,
        class_names: list[str] | None = None,
    ) -> None:
        super().__init__(frames, seconds, batch_size, num_workers, "none")
        check_data_ranges(count=count, image_size=image_size, seed=seed)
        self.count = count
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.seed = seed
        self.class_names = tuple(class_names or ACTIONS)
        self.class_counts = None
        self.in_channels = 3
        self.resize_mode = "stretch"

    def clips(self, split: str) -> list[Clip]:
        """See `ActionData.clips`."""
        seeds = scene_seeds(split, self.count, self.seed)
        return [scene_clip(seed, self.seconds, self.image_size) for seed in seeds]

    def reader(self, augmented: bool) -> ReadFrames:
        """See `ActionData.reader`."""
        return scene_frames

    def transform(self) -> ClipTransform:
        """See `ActionData.transform`."""
        return ClipTransform(self.augment, self.image_size, self.resize_mode, flip=False)
