"""Augmentation of training images that keeps their captions true."""

import re
from collections.abc import Sequence
from typing import Literal, get_args

import albumentations as A
import numpy as np

from visus.datamodules.core.seeding import AugmentationRandom
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.metadata import ResizeMode
from visus.vision.resize import resize_to_input

CaptionAugmentation = Literal["none", "captions"]
"""`captions`: weak random resized crops, colour jitter without hue, and mirroring unless a caption
contains "left" or "right"."""

_SIDED = re.compile(r"\b(left|right)\b", re.IGNORECASE)


class CaptionTransform:
    """Augment an image of any size and resize it to the given size.

    Reseeded for every sample; see `visus.datamodules.core.seeding`.

    Args:
        augmentation: Name of the augmentation.
        size: (height, width) of the result in pixels.
        mode: How images are resized without augmentation.

    Raises:
        VisusError: If there is no augmentation of that name.
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
        self.random = AugmentationRandom()
        self.compose = self.random.attach(
            A.Compose(
                [
                    A.RandomResizedCrop(size, scale=(0.65, 1.0)),
                    A.ColorJitter(0.2, 0.2, 0.1, 0.0, p=0.5),
                ]
            )
        )

    def __call__(self, image: Pixels, captions: Sequence[str]) -> Pixels:
        """An augmented copy of an image of shape (height, width, channels) with these captions."""
        if self.augmentation == "none":
            return resize_to_input(image, self.size, self.mode)[0]
        self.random.reseed()
        augmented = self.compose(image=image)["image"]
        return np.ascontiguousarray(augmented[:, ::-1] if self._mirrors(captions) else augmented)

    def augment_clip(self, frames: Sequence[Pixels], captions: Sequence[str]) -> list[Pixels]:
        """Copies of the frames of a clip, of equal shapes, all augmented in the same way."""
        if self.augmentation == "none":
            return [resize_to_input(frame, self.size, self.mode)[0] for frame in frames]
        self.random.reseed()
        augmented = self.compose(images=np.stack(frames))["images"]
        if self._mirrors(captions):
            augmented = augmented[:, :, ::-1]
        return list(np.ascontiguousarray(augmented))

    def _mirrors(self, captions: Sequence[str]) -> bool:
        sided = any(_SIDED.search(caption) for caption in captions)
        return not sided and self.random.python.random() < 0.5
