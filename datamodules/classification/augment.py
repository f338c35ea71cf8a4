"""Random changes of training images."""

from typing import Literal, get_args

import albumentations as A
import numpy as np

from visus.datamodules.core.random_numbers import SharedRandom
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.metadata import ResizeMode
from visus.vision.resize import resize_to_input

Augmentation = Literal["none", "characters", "small", "photos"]
"""Recipes: `characters` shifts and turns a little and never mirrors; `small` mirrors, shifts and
erases a patch, for images of some 32 pixels; `photos` crops at random, mirrors and recolours."""


class TrainingTransform:
    """From an image of any size to a changed one of the given size.

    Random numbers as in `visus.datamodules.core.random_numbers`.

    Args:
        augmentation: The recipe's name.
        size: (height, width) in pixels.
        mode: How images are fitted where the recipe does not crop them itself.

    Raises:
        VisusError: If there is no such recipe.
    """

    def __init__(self, augmentation: Augmentation, size: tuple[int, int], mode: ResizeMode) -> None:
        if augmentation not in get_args(Augmentation):
            raise VisusError(
                f"data.augment {augmentation!r} is unknown; "
                f"choose from {', '.join(get_args(Augmentation))}"
            )
        self.size = size
        self.mode = mode
        self.fits_first = augmentation != "photos"
        self.random = SharedRandom()
        self.compose = self.random.lend_to(A.Compose(_steps(augmentation, size)))

    def __call__(self, image: Pixels) -> Pixels:
        """A changed copy of an image (height, width, channels)."""
        if self.fits_first:
            image = resize_to_input(image, self.size, self.mode)[0]
        self.random.begin()
        return np.ascontiguousarray(self.compose(image=image)["image"])


def _steps(augmentation: Augmentation, size: tuple[int, int]) -> list[A.BasicTransform]:
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
            A.HorizontalFlip(p=0.5),
            A.Pad(max(2, round(min(size) / 14))),
            A.RandomCrop(*size),
            A.CoarseDropout(
                num_holes_range=(1, 1),
                hole_height_range=(0.25, 0.3),
                hole_width_range=(0.25, 0.3),
                p=0.8,
            ),
        ]
    if augmentation == "photos":
        return [
            A.RandomResizedCrop(size, scale=(0.35, 1.0)),
            A.HorizontalFlip(p=0.5),
            A.ColorJitter(0.3, 0.3, 0.3, 0.02, p=0.8),
        ]
    return []
