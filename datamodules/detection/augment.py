"""Augmentation of training images together with their boxes and masks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import albumentations as A
import numpy as np
from numpy.typing import NDArray

from visus.datamodules.core.seeding import AugmentationRandom
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.metadata import ResizeMode
from visus.vision.resize import LETTERBOX_GREY, resize_to_input

BoxAugmentation = Literal["none", "boxes", "mosaic", "weak"]
"""`boxes` crops around the objects, mirrors, scales and recolours; `mosaic` does the same, and
combines four images with a probability of one half, which suits one-stage detectors; `weak` does
not crop, and scales by 10 % at most."""

_MIN_VISIBILITY = 0.2
"""Objects with a smaller visible fraction of their box after a crop are removed."""


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """An image with its objects.

    Attributes:
        image: uint8 of shape (height, width, channels).
        boxes: float32 (N, 4) in pixels.
        labels: int64 (N,), class ids.
        masks: uint8 (N, height, width), 0 or 1; None without masks.
    """

    image: Pixels
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    masks: NDArray[np.uint8] | None = None


class BoxTransform:
    """Augments a sample of any size, and resizes it.

    Reseeded for every sample; see `visus.datamodules.core.seeding`.

    Args:
        augmentation: Name of the augmentation.
        size: (height, width) of the network's input in pixels.
        mode: How images are resized to that size.
        flip: Whether half of the images are mirrored.

    Raises:
        VisusError: If the augmentation is unknown.
    """

    def __init__(
        self,
        augmentation: BoxAugmentation,
        size: tuple[int, int],
        mode: ResizeMode,
        flip: bool = True,
    ) -> None:
        if augmentation not in get_args(BoxAugmentation):
            raise VisusError(
                f"data.augment {augmentation!r} is unknown; "
                f"choose from {', '.join(get_args(BoxAugmentation))}"
            )
        self.size = size
        self.mode = mode
        self.mosaic = augmentation == "mosaic"
        augments = augmentation != "none"
        self.random = AugmentationRandom()
        weak = augmentation == "weak"
        crops = augments and not weak
        self.crop = self._compose([A.BBoxSafeRandomCrop(p=0.4)] if crops else [])
        fill = LETTERBOX_GREY
        scale, shift = ((0.9, 1.1), 0.05) if weak else ((0.7, 1.3), 0.1)
        zoom = A.Affine(scale=scale, translate_percent=(-shift, shift), fill=fill, p=0.7)
        colour = A.ColorJitter(0.3, 0.3, 0.3, 0.02, p=0.7)
        mirror = [A.HorizontalFlip(p=0.5)] if flip else []
        self.augment = self._compose([*mirror, zoom, colour] if augments else [])
        height, width = size
        self.join = self._compose(
            [A.Mosaic(target_size=size, cell_shape=(height // 2, width // 2), fill=fill, p=1.0)]
        )

    def __call__(
        self, sample: TrainingSample, other_sample: Callable[[int], TrainingSample]
    ) -> TrainingSample:
        """An augmented copy of a sample.

        Args:
            sample: The sample.
            other_sample: From a random number of 30 bits to another sample, for mosaics.
        """
        self.random.reseed()
        if self.mosaic and self.random.python.random() < 0.5:
            others = [other_sample(self.random.python.getrandbits(30)) for _ in range(3)]
            return self._apply(self.augment, self._join(sample, others))
        sample = self._apply(self.crop, sample)
        return self._apply(self.augment, resize_sample(sample, self.size, self.mode))

    def _compose(self, steps: list[A.BasicTransform]) -> A.Compose:
        boxes = A.BboxParams(
            "pascal_voc", ["index"], min_visibility=_MIN_VISIBILITY, min_width=1, min_height=1
        )
        return self.random.attach(A.Compose(steps, bbox_params=boxes if steps else None))

    def _apply(self, compose: A.Compose, sample: TrainingSample) -> TrainingSample:
        if not compose.transforms:
            return sample
        arguments = {} if sample.masks is None else {"masks": sample.masks}
        count = len(sample.boxes)
        result = compose(
            image=sample.image,
            bboxes=sample.boxes,
            index=np.arange(count),
            **(arguments if count else {}),
        )
        remaining = np.asarray(result["index"], np.int64).reshape(-1)
        image = np.ascontiguousarray(result["image"])
        masks = sample.masks
        if masks is not None:
            empty = np.zeros((0, *image.shape[:2]), np.uint8)
            masks = np.asarray(result["masks"], np.uint8)[remaining] if count else empty
        boxes = np.asarray(result["bboxes"], np.float32).reshape(-1, 4)
        return TrainingSample(image, boxes, sample.labels[remaining], masks)

    def _join(self, sample: TrainingSample, others: list[TrainingSample]) -> TrainingSample:
        """Combine four images into one; the index of each box is its label."""
        data = [{"image": s.image, "bboxes": s.boxes, "index": s.labels} for s in (sample, *others)]
        result = self.join(**data[0], mosaic_metadata=data[1:])
        boxes = np.asarray(result["bboxes"], np.float32).reshape(-1, 4)
        labels = np.asarray(result["index"], np.int64).reshape(-1)
        return TrainingSample(np.ascontiguousarray(result["image"]), boxes, labels)


def resize_sample(
    sample: TrainingSample, size: tuple[int, int], mode: ResizeMode
) -> TrainingSample:
    """Resize a sample to an input size; objects outside a central crop are removed."""
    image, geometry = resize_to_input(sample.image, size, mode)
    height, width = size
    corners = geometry.points_from_source(sample.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
    boxes = np.clip(corners, 0, np.array([width, height, width, height], np.float32))
    full_areas = (corners[:, 2:] - corners[:, :2]).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    sides = (boxes[:, 2:] - boxes[:, :2]).min(1, initial=np.inf)
    keep = (areas >= _MIN_VISIBILITY * full_areas) & (sides >= 1)
    masks = sample.masks
    if masks is not None:
        # Scaled like images, then thresholded at one half; the padding of a letterbox is below it.
        resized = [
            resize_to_input(mask[:, :, None] * 255, size, mode)[0][:, :, 0] > 127
            for mask in masks[keep]
        ]
        masks = np.array(resized, np.uint8).reshape(-1, height, width)
    return TrainingSample(image, boxes[keep].astype(np.float32), sample.labels[keep], masks)
