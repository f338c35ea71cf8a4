"""Random changes of training images that leave their captions true."""

import re
from collections.abc import Sequence
from typing import Literal, get_args

import albumentations as A
import numpy as np

from visus.datamodules.core.random_numbers import SharedRandom
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.metadata import ResizeMode
from visus.vision.resize import resize_to_input

CaptionAugmentation = Literal["none", "captions"]
"""Recipes: `captions` cuts a little off and recolours a little, and mirrors where no caption speaks
of left or right."""

_SIDED = re.compile(r"\b(left|right)\b", re.IGNORECASE)


class CaptionTransform:
    """From an image of any size to a changed one of the given size.

    Random numbers as in `visus.datamodules.core.random_numbers`.

    Args:
        augmentation: The recipe's name.
        size: (height, width) in pixels.
        mode: How images are fitted where the recipe changes nothing.

    Raises:
        VisusError: If there is no such recipe.
    """

    def __init__(
        self, augmentation: CaptionAugmentation, size: tuple[int, int], mode: ResizeMode
    ) -> None:
        if augmentation not in get_args(CaptionAugmentation):
            raise VisusError(
                f"data.augment {augmentation!r} is unknown; "
                f"choose from {', '.join(get_args(CaptionAugmentation))}"
            )
        self.augmentation = augmentation
        self.size = size
        self.mode = mode
        self.random = SharedRandom()
        self.compose = self.random.lend_to(
            A.Compose(
                [
                    A.RandomResizedCrop(size, scale=(0.65, 1.0)),
                    A.ColorJitter(0.2, 0.2, 0.1, 0.0, p=0.5),
                ]
            )
        )

    def __call__(self, image: Pixels, captions: Sequence[str]) -> Pixels:
        """A changed copy of an image (height, width, channels) with these captions."""
        if self.augmentation == "none":
            return resize_to_input(image, self.size, self.mode)[0]
        self.random.begin()
        changed = self.compose(image=image)["image"]
        sided = any(_SIDED.search(caption) for caption in captions)
        if not sided and self.random.python.random() < 0.5:
            changed = changed[:, ::-1]
        return np.ascontiguousarray(changed)
