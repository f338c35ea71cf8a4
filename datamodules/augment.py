"""Random changes of training pictures; the only module that knows albumentations."""

import random
from collections.abc import Callable
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


def training_transform(
    augmentation: Augmentation, size: tuple[int, int], mode: FitMode
) -> Callable[[Pixels], Pixels]:
    """A function from a picture of any size to a changed one of the given size.

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
    if augmentation == "none":
        return lambda image: fit(image, size, mode)[0]
    if augmentation not in get_args(Augmentation):
        raise VisusError(
            f"data.augment {augmentation!r} is unknown; "
            f"choose from {', '.join(get_args(Augmentation))}"
        )
    height, width = size
    pad = max(2, round(min(size) / 14))
    recipes: dict[str, list[A.BasicTransform]] = {
        "characters": [
            A.Affine(
                translate_percent=(-0.08, 0.08),
                rotate=(-10, 10),
                scale=(0.9, 1.1),
                shear=(-6, 6),
                p=1.0,
            )
        ],
        "small": [
            A.HorizontalFlip(p=0.5),
            A.Pad(pad),
            A.RandomCrop(height, width),
            A.CoarseDropout(
                num_holes_range=(1, 1),
                hole_height_range=(0.25, 0.3),
                hole_width_range=(0.25, 0.3),
                p=0.8,
            ),
        ],
        "photos": [
            A.RandomResizedCrop(size, scale=(0.35, 1.0)),
            A.HorizontalFlip(p=0.5),
            A.ColorJitter(0.3, 0.3, 0.3, 0.02, p=0.8),
        ],
    }
    compose = A.Compose(recipes[augmentation])
    # One stream for all steps: `set_random_seed` would give each the same one, so that a mirrored
    # picture would always be shifted the same way.
    numpy_random, python_random = np.random.default_rng(), random.Random()
    compose.set_random_state(numpy_random, python_random)
    fits_first = augmentation != "photos"

    def change(image: Pixels) -> Pixels:
        if fits_first:
            image = fit(image, size, mode)[0]
        seed = int(torch.randint(2**31 - 1, ()))
        python_random.seed(seed)
        numpy_random.bit_generator.state = np.random.PCG64(seed).state
        return np.ascontiguousarray(compose(image=image)["image"])

    return change
