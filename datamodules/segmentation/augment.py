"""Random changes of training images that move their masks along."""

from typing import Literal, get_args

import albumentations as A
import numpy as np
from numpy.typing import NDArray

from visus.datamodules.core.random_numbers import SharedRandom
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.masks import IGNORE
from visus.vision.metadata import ResizeMode
from visus.vision.resize import LETTERBOX_GREY, resize_to_input

MaskAugmentation = Literal["none", "crops"]
"""Recipes: `crops` scales from half to double, crops, mirrors and recolours."""


class MaskTransform:
    """From an image and its mask of any size to changed ones of the given size.

    Random numbers as in `visus.datamodules.core.random_numbers`.

    Args:
        augmentation: The recipe's name.
        size: (height, width) of the model's images in pixels: the scale that it will see.
        mode: How images are fitted.
        crop: (height, width) of what is cut out of an image of that scale.
        in_channels: Channels of the model's images; colours are changed in RGB only.

    Raises:
        VisusError: If there is no such recipe.
    """

    def __init__(
        self,
        augmentation: MaskAugmentation,
        size: tuple[int, int],
        mode: ResizeMode,
        crop: tuple[int, int],
        in_channels: int = 3,
    ) -> None:
        if augmentation not in get_args(MaskAugmentation):
            raise VisusError(
                f"data.augment {augmentation!r} is unknown; "
                f"choose from {', '.join(get_args(MaskAugmentation))}"
            )
        self.size = size
        self.mode = mode
        self.random = SharedRandom()
        steps: list[A.BasicTransform] = [A.RandomScale((-0.5, 1.0), p=1.0), A.HorizontalFlip(p=0.5)]
        recolour: list[A.BasicTransform] = [A.RandomBrightnessContrast(0.3, 0.3, p=0.8)]
        if in_channels in (1, 3):
            recolour = [A.ColorJitter(0.3, 0.3, 0.3, 0.02, p=0.8)]
        if augmentation == "none":
            steps, recolour = [], []
        cut: list[A.BasicTransform] = [
            A.PadIfNeeded(*crop, fill=LETTERBOX_GREY, fill_mask=IGNORE),
            A.RandomCrop(*crop),
        ]
        if augmentation == "none" and crop == size:
            cut = []
        self.compose = self.random.lend_to(A.Compose([*steps, *cut, *recolour]))

    def __call__(self, image: Pixels, mask: NDArray[np.uint8]) -> tuple[Pixels, NDArray[np.uint8]]:
        """Changed copies of an image (height, width, channels) and its mask (height, width)."""
        image, mapping = resize_to_input(image, self.size, self.mode)
        mask = mapping.mask_from_source(mask, IGNORE)
        self.random.begin()
        changed = self.compose(image=image, mask=mask)
        return np.ascontiguousarray(changed["image"]), np.ascontiguousarray(changed["mask"])
