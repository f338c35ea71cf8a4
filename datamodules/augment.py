"""Random changes of training pictures; the only module that knows albumentations."""

import random
from typing import Literal, get_args

import albumentations as A
import numpy as np
import torch

from vision.errors import VisusError
from vision.fit import FitMode, fit
from vision.images import Pixels

Augmentation = Literal["none", "characters", "small", "photos"]
"""Recipes: `characters` shifts and turns a little and never mirrors; `small` mirrors, shifts and
erases a patch, for pictures of some 32 pixels; `photos` crops at random, mirrors and recolours."""


class TrainingTransform:
    """From a picture of any size to a changed one of the given size.

    Each call draws its changes from PyTorch's global generator: they differ by sample and by
    epoch, in worker processes too, and repeat with the seed. (albumentations 2.0.8 by itself
    repeats its changes from epoch to epoch in workers.)

    Args:
        augmentation: The recipe's name.
        size: (height, width) in pixels.
        mode: How pictures are fitted where the recipe does not crop them itself.

    Raises:
        VisusError: If there is no such recipe.
    """

    def __init__(self, augmentation: Augmentation, size: tuple[int, int], mode: FitMode) -> None:
        if augmentation not in get_args(Augmentation):
            raise VisusError(
                f"data.augment {augmentation!r} is unknown; "
                f"choose from {', '.join(get_args(Augmentation))}"
            )
        self.size = size
        self.mode = mode
        self.fits_first = augmentation != "photos"
        self.compose = A.Compose(_steps(augmentation, size))
        # One stream for all steps: `set_random_seed` would give each the same one, so that a
        # mirrored picture would always be shifted the same way.
        self.numpy_random, self.python_random = np.random.default_rng(), random.Random()
        self.compose.set_random_state(self.numpy_random, self.python_random)

    def __call__(self, image: Pixels) -> Pixels:
        """A changed copy of a picture (height, width, channels)."""
        if self.fits_first:
            image = fit(image, self.size, self.mode)[0]
        seed = int(torch.randint(2**31 - 1, ()))
        self.python_random.seed(seed)
        self.numpy_random.bit_generator.state = np.random.PCG64(seed).state
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
