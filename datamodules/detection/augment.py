"""Random changes of training images that move boxes and masks along."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import albumentations as A
import numpy as np
from numpy.typing import NDArray

from visus.datamodules.core.random_numbers import SharedRandom
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.metadata import ResizeMode
from visus.vision.resize import LETTERBOX_GREY, resize_to_input

BoxAugmentation = Literal["none", "boxes", "mosaic"]
"""Recipes: `boxes` crops around the objects, mirrors, scales and recolours; `mosaic` does so too,
and half of the time puts four images together, which suits one-stage detectors."""

_LEAST_VISIBLE = 0.2
"""An object of which a crop shows less than this share of its box is left out."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """An image with its objects.

    Attributes:
        image: uint8 of shape (height, width, channels).
        boxes: float32 (N, 4) in pixels.
        labels: int64 (N,).
        masks: uint8 (N, height, width), 0 or 1; None where they are not learnt.
    """

    image: Pixels
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    masks: NDArray[np.uint8] | None = None


class BoxTransform:
    """From a labelled image of any size to a changed one of the given size.

    Random numbers as in `visus.datamodules.core.random_numbers`.

    Args:
        augmentation: The recipe's name.
        size: (height, width) in pixels.
        mode: How images are fitted.

    Raises:
        VisusError: If there is no such recipe.
    """

    def __init__(
        self, augmentation: BoxAugmentation, size: tuple[int, int], mode: ResizeMode
    ) -> None:
        if augmentation not in get_args(BoxAugmentation):
            raise VisusError(
                f"data.augment {augmentation!r} is unknown; "
                f"choose from {', '.join(get_args(BoxAugmentation))}"
            )
        self.size = size
        self.mode = mode
        self.mosaic = augmentation == "mosaic"
        changes = augmentation != "none"
        self.random = SharedRandom()
        self.crop = self._compose([A.BBoxSafeRandomCrop(p=0.4)] if changes else [])
        fill = LETTERBOX_GREY
        zoom = A.Affine(scale=(0.7, 1.3), translate_percent=(-0.1, 0.1), fill=fill, p=0.7)
        colour = A.ColorJitter(0.3, 0.3, 0.3, 0.02, p=0.7)
        self.change = self._compose([A.HorizontalFlip(p=0.5), zoom, colour] if changes else [])
        height, width = size
        self.join = self._compose(
            [A.Mosaic(target_size=size, cell_shape=(height // 2, width // 2), fill=fill, p=1.0)]
        )

    def __call__(self, sample: Labelled, another: Callable[[int], Labelled]) -> Labelled:
        """A changed copy of a sample.

        Args:
            sample: The image.
            another: From a number of any size to another sample, for mosaics.
        """
        self.random.begin()
        if self.mosaic and self.random.python.random() < 0.5:
            others = [another(self.random.python.getrandbits(30)) for _ in range(3)]
            return self._apply(self.change, self._join(sample, others))
        sample = self._apply(self.crop, sample)
        return self._apply(self.change, fit_labelled(sample, self.size, self.mode))

    def _compose(self, steps: list[A.BasicTransform]) -> A.Compose:
        boxes = A.BboxParams(
            "pascal_voc", ["index"], min_visibility=_LEAST_VISIBLE, min_width=1, min_height=1
        )
        return self.random.lend_to(A.Compose(steps, bbox_params=boxes if steps else None))

    def _apply(self, compose: A.Compose, sample: Labelled) -> Labelled:
        if not compose.transforms:
            return sample
        arguments = {} if sample.masks is None else {"masks": sample.masks}
        count = len(sample.boxes)
        changed = compose(image=sample.image, bboxes=sample.boxes, index=np.arange(count),
                          **(arguments if count else {}))  # fmt: skip
        kept = np.asarray(changed["index"], np.int64).reshape(-1)
        image = np.ascontiguousarray(changed["image"])
        masks = sample.masks
        if masks is not None:
            empty = np.zeros((0, *image.shape[:2]), np.uint8)
            masks = np.asarray(changed["masks"], np.uint8)[kept] if count else empty
        boxes = np.asarray(changed["bboxes"], np.float32).reshape(-1, 4)
        return Labelled(image, boxes, sample.labels[kept], masks)

    def _join(self, sample: Labelled, others: list[Labelled]) -> Labelled:
        """Four images as one; the boxes' labels travel as their index."""
        data = [{"image": s.image, "bboxes": s.boxes, "index": s.labels} for s in (sample, *others)]
        changed = self.join(**data[0], mosaic_metadata=data[1:])
        boxes = np.asarray(changed["bboxes"], np.float32).reshape(-1, 4)
        labels = np.asarray(changed["index"], np.int64).reshape(-1)
        return Labelled(np.ascontiguousarray(changed["image"]), boxes, labels)


def fit_labelled(sample: Labelled, size: tuple[int, int], mode: ResizeMode) -> Labelled:
    """Bring a labelled image to a size; objects that a crop cuts away are left out."""
    image, mapping = resize_to_input(sample.image, size, mode)
    height, width = size
    corners = mapping.points_from_source(sample.boxes.reshape(-1, 2, 2)).reshape(-1, 4)
    boxes = np.clip(corners, 0, np.array([width, height, width, height], np.float32))
    whole = (corners[:, 2:] - corners[:, :2]).prod(1)
    seen = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    sides = (boxes[:, 2:] - boxes[:, :2]).min(1, initial=np.inf)
    keep = (seen >= _LEAST_VISIBLE * whole) & (sides >= 1)
    masks = sample.masks
    if masks is not None:
        # Scaled as images are, then cut at one half; the grey of a letterbox lies below it.
        scaled = [
            resize_to_input(mask[:, :, None] * 255, size, mode)[0][:, :, 0] > 127
            for mask in masks[keep]
        ]
        masks = np.array(scaled, np.uint8).reshape(-1, height, width)
    return Labelled(image, boxes[keep].astype(np.float32), sample.labels[keep], masks)
