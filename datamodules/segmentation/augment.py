"""Augmentation of training images together with their masks."""

from typing import Literal, get_args

import albumentations as A
import numpy as np
from numpy.typing import NDArray

from visus.datamodules.core.seeding import AugmentationRandom
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.masks import IGNORE
from visus.vision.metadata import ResizeMode
from visus.vision.resize import LETTERBOX_GREY, resize_to_input

MaskAugmentation = Literal["none", "crops", "weak"]
"""`crops` scales from half to double, crops, flips horizontally and jitters the colours; `weak`
scales by 15 % at most."""


class MaskTransform:
    """Augments an image and its mask of any size to those of a given size.

    Reseeded for every sample; see `visus.datamodules.core.seeding`.

    Args:
        augmentation: See `MaskAugmentation`.
        size: (height, width) in pixels to which images are resized before they are augmented.
        mode: How images are resized.
        crop: (height, width) in pixels of the random crops of the resized images.
        in_channels: Channels of the network's input; only grey and RGB images are jittered in
            colour, others in brightness and contrast.
        flip: Whether half of the images are mirrored.

    Raises:
        VisusError: If the augmentation is unknown.
    """

    def __init__(
        self,
        augmentation: MaskAugmentation,
        size: tuple[int, int],
        mode: ResizeMode,
        crop: tuple[int, int],
        in_channels: int = 3,
        flip: bool = True,
    ) -> None:
        if augmentation not in get_args(MaskAugmentation):
            raise VisusError(
                f"data.augment {augmentation!r} is unknown; "
                f"choose from {', '.join(get_args(MaskAugmentation))}"
            )
        self.size = size
        self.mode = mode
        self.random = AugmentationRandom()
        limits = (-0.15, 0.15) if augmentation == "weak" else (-0.5, 1.0)
        geometric: list[A.BasicTransform] = [A.RandomScale(limits, p=1.0)]
        if flip:
            geometric.append(A.HorizontalFlip(p=0.5))
        jitter: list[A.BasicTransform] = [A.RandomBrightnessContrast(0.3, 0.3, p=0.8)]
        if in_channels in (1, 3):
            jitter = [A.ColorJitter(0.3, 0.3, 0.3, 0.02, p=0.8)]
        if augmentation == "none":
            geometric, jitter = [], []
        cropping: list[A.BasicTransform] = [
            A.PadIfNeeded(*crop, fill=LETTERBOX_GREY, fill_mask=IGNORE),
            A.RandomCrop(*crop),
        ]
        if augmentation == "none" and crop == size:
            cropping = []
        self.compose = self.random.attach(A.Compose([*geometric, *cropping, *jitter]))

    def __call__(self, image: Pixels, mask: NDArray[np.uint8]) -> tuple[Pixels, NDArray[np.uint8]]:
        """Augmented copies of an image (height, width, channels) and its mask (height, width)."""
        image, geometry = resize_to_input(image, self.size, self.mode)
        mask = geometry.mask_from_source(mask, IGNORE)
        self.random.reseed()
        augmented = self.compose(image=image, mask=mask)
        return np.ascontiguousarray(augmented["image"]), np.ascontiguousarray(augmented["mask"])
