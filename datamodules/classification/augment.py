"""Augmentation of training images for classification."""

import math
from typing import Literal, get_args

import albumentations as A
import numpy as np
import torch

from visus.datamodules.core.seeding import AugmentationRandom
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.metadata import ResizeMode
from visus.vision.resize import resize_to_input

Augmentation = Literal["none", "characters", "small", "photos", "weak"]
"""`characters`: small affine transforms, no mirroring. `small`, for images of about 32 pixels:
mirroring, random shifts and erasing of a patch. `photos`: random resized crops, mirroring and
colour jitter. `weak`: the same with crops of at least 0.7 of the image."""


_CROP_SCALES: dict[Augmentation, tuple[float, float]] = {"photos": (0.35, 1.0), "weak": (0.7, 1.0)}
"""Areas of the random crops relative to the image."""

_CROP_RATIO = (3 / 4, 4 / 3)
"""Their aspect ratios, width by height, of images that are not much wider or higher."""


class TrainingTransform:
    """Augment an image of any size and resize it to the given size.

    Reseeded for every sample; see `visus.datamodules.core.seeding`.

    Args:
        augmentation: Name of the augmentation.
        size: (height, width) of the result in pixels, while `scale` is 1.
        mode: How images are resized, unless the augmentation crops them itself.
        flip: Whether half of the images are mirrored, by the augmentations that mirror.

    Attributes:
        scale: Size of the result relative to `size`, rounded to multiples of 32. A tensor, whose
            memory worker processes share, so that it can change between two epochs.
        least_side: Both sides in pixels of images of which no random crop, of a third of the area
            at least, is enlarged to `size`.

    Raises:
        VisusError: If there is no augmentation of that name.
    """

    def __init__(
        self,
        augmentation: Augmentation,
        size: tuple[int, int],
        mode: ResizeMode,
        flip: bool = True,
    ) -> None:
        if augmentation not in get_args(Augmentation):
            raise VisusError(
                f"data.augment {augmentation!r} is unknown; "
                f"choose from {', '.join(get_args(Augmentation))}"
            )
        self.augmentation = augmentation
        self.size = size
        self.least_side = 2 * max(size)
        self.mode = mode
        self.flip = flip
        self.resizes_first = augmentation not in _CROP_SCALES
        self.scale = torch.ones(()).share_memory_()  # type: ignore[no-untyped-call]
        self.random = AugmentationRandom()
        self._composed: dict[tuple[tuple[int, int], tuple[float, float]], A.Compose] = {}

    def __call__(self, image: Pixels) -> Pixels:
        """An augmented copy of an image of shape (height, width, channels)."""
        size = scaled_size(self.size, float(self.scale))
        if self.resizes_first:
            image = resize_to_input(image, size, self.mode)[0]
        ratio = self._crop_ratio(image)
        if (size, ratio) not in self._composed:
            steps = A.Compose(_steps(self.augmentation, size, ratio, self.flip))
            self._composed[size, ratio] = self.random.attach(steps)
        self.random.reseed()
        return np.ascontiguousarray(self._composed[size, ratio](image=image)["image"])

    def _crop_ratio(self, image: Pixels) -> tuple[float, float]:
        """The aspect ratios of random crops.

        Where whole images will be stretched, that of the image is among them: panoramas and lines
        of text would otherwise be trained on as they never occur in evaluation.
        """
        if self.mode != "stretch":
            return _CROP_RATIO
        height, width = image.shape[:2]
        # Rounded towards 1 in steps, as a pipeline is kept for each ratio.
        own = 2 ** (int(4 * math.log2(width / height)) / 4)
        return min(_CROP_RATIO[0], own), max(_CROP_RATIO[1], own)


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """A size times a factor, in multiples of 32 unless the factor is 1."""
    if scale == 1:
        return size
    height, width = (max(32, round(side * scale / 32) * 32) for side in size)
    return height, width


def _steps(
    augmentation: Augmentation, size: tuple[int, int], ratio: tuple[float, float], flip: bool
) -> list[A.BasicTransform]:
    mirror = [A.HorizontalFlip(p=0.5)] if flip else []
    if augmentation == "characters":
        return [
            A.Affine(
                translate_percent=(-0.08, 0.08),
                rotate=(-10, 10),
                scale=(0.9, 1.1),
                shear=(-6, 6),
                p=0.8,
            )
        ]
    if augmentation == "small":
        return [
            *mirror,
            A.Pad(max(2, round(min(size) / 14))),
            A.RandomCrop(*size),
            A.CoarseDropout(
                num_holes_range=(1, 1),
                hole_height_range=(0.25, 0.3),
                hole_width_range=(0.25, 0.3),
                p=0.8,
            ),
        ]
    if augmentation in _CROP_SCALES:
        return [
            A.RandomResizedCrop(size, scale=_CROP_SCALES[augmentation], ratio=ratio),
            *mirror,
            A.ColorJitter(0.3, 0.3, 0.3, 0.02, p=0.8),
        ]
    return []
