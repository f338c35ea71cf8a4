"""Augmentation of clips: the same for all frames of a clip."""

from collections.abc import Sequence
from typing import Literal, get_args

import albumentations as A
import numpy as np
from numpy.typing import NDArray

from visus.datamodules.core.seeding import AugmentationRandom
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.metadata import ResizeMode
from visus.vision.resize import resize_to_input

ClipAugmentation = Literal["none", "clips"]
"""`clips`: random resized crops, colour jitter, and mirroring unless it is switched off."""


class ClipTransform:
    """Augment the frames of a clip in the same way, and resize them to the given size.

    Reseeded for every sample; see `visus.datamodules.core.seeding`.

    Args:
        augmentation: Name of the augmentation.
        size: (height, width) of the result in pixels.
        mode: How frames are resized without augmentation.
        flip: Whether half of the clips are mirrored.

    Raises:
        VisusError: If there is no augmentation of that name.
    """

    def __init__(
        self, augmentation: ClipAugmentation, size: tuple[int, int], mode: ResizeMode, flip: bool
    ) -> None:
        if augmentation not in get_args(ClipAugmentation):
            raise VisusError(
                f"data.augment {augmentation!r} is unknown; "
                f"choose from {', '.join(get_args(ClipAugmentation))}"
            )
        self.size = size
        self.mode = mode
        self.random = AugmentationRandom()
        self.compose = None
        if augmentation == "clips":
            steps: list[A.BasicTransform] = [
                A.RandomResizedCrop(size, scale=(0.5, 1.0), ratio=(0.8, 1.25)),
                A.ColorJitter(0.3, 0.3, 0.3, 0.02, p=0.8),
            ]
            if flip:
                steps.append(A.HorizontalFlip(p=0.5))
            self.compose = self.random.attach(A.Compose(steps))

    def __call__(self, frames: Sequence[Pixels]) -> NDArray[np.uint8]:
        """Augmented copies of frames of equal size.

        Args:
            frames: uint8 RGB of shape (height, width, 3) each.

        Returns:
            uint8 of shape (frames, *size, 3).
        """
        if self.compose is None:
            return np.stack([resize_to_input(frame, self.size, self.mode)[0] for frame in frames])
        self.random.reseed()
        return np.asarray(self.compose(images=np.stack(frames))["images"], np.uint8)
