"""Augmentation of aligned faces."""

from typing import Literal, get_args

import albumentations as A
import numpy as np

from visus.datamodules.core.seeding import AugmentationRandom
from visus.vision.errors import VisusError
from visus.vision.images import Pixels

FaceAugmentation = Literal["none", "faces"]
"""`faces`: flips, small shifts and rotations, colour jitter, blur, compression and erasing."""


class FaceTransform:
    """Augments an aligned face and keeps its size.

    Reseeded for every sample; see `visus.datamodules.core.seeding`.

    Args:
        augmentation: Name of the augmentation.

    Raises:
        VisusError: If there is no such augmentation.
    """

    def __init__(self, augmentation: FaceAugmentation) -> None:
        if augmentation not in get_args(FaceAugmentation):
            raise VisusError(
                f"data.augment {augmentation!r} is unknown; "
                f"choose from {', '.join(get_args(FaceAugmentation))}"
            )
        self.random = AugmentationRandom()
        steps: list[A.BasicTransform] = []
        if augmentation == "faces":
            steps = [
                A.HorizontalFlip(p=0.5),
                A.Affine(
                    scale=(0.92, 1.08), translate_percent=(-0.04, 0.04), rotate=(-6, 6), p=0.7
                ),
                A.ColorJitter(0.3, 0.3, 0.3, 0.03, p=0.7),
                A.ToGray(p=0.1),
                A.OneOf(_degradations(), p=0.2),
                A.CoarseDropout((1, 1), (0.1, 0.35), (0.1, 0.35), fill="random_uniform", p=0.3),
            ]
        self.compose = self.random.attach(A.Compose(steps))

    def __call__(self, face: Pixels) -> Pixels:
        """An augmented copy of a face, uint8 (height, width, 3)."""
        self.random.reseed()
        return np.ascontiguousarray(self.compose(image=face)["image"])


def _degradations() -> list[A.BasicTransform]:
    """Losses of quality by cameras and messengers."""
    return [
        A.GaussianBlur(blur_limit=(3, 5)),
        A.Downscale(scale_range=(0.3, 0.7)),
        A.ImageCompression(quality_range=(30, 80)),
    ]
