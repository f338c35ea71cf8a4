"""Conceal objects in images and in the frames of a video."""

from collections.abc import Collection

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.vision.drawing.pixelate import pixelate
from visus.vision.images import Pixels
from visus.vision.model import Model
from visus.vision.model_wrapper import StatefulModel
from visus.vision.prediction import Concealable, Prediction
from visus.vision.tracking import BoxTracker

HELD_SECONDS = 0.5
"""How long an object remains concealed after its last detection."""

_MARGIN = 0.25
"""Width of the concealed border around a box, in sizes of the box (the root of its area)."""

_MASK_MARGIN = 0.02
"""Width of the concealed border around a mask, as a fraction of the image's longer side."""

_USUAL_RATE = 25.0
"""Frames per second of a source whose frames have no time and whose rate is unknown."""


def conceal_image(image: Pixels, prediction: Prediction, labels: Collection[str]) -> Pixels:
    """A copy of an image in which the objects of some labels are unrecognisable.

    Args:
        image: uint8 of shape (height, width, channels).
        prediction: A `Concealable` one, made from this image.
        labels: Of the objects.
    """
    assert isinstance(prediction, Concealable)
    regions = prediction.regions(labels)
    boxes = regions.boxes if regions.mask is None else regions.boxes[:0]
    return pixelate(image, _region(image.shape, boxes, regions.mask))


class ConcealingModel(StatefulModel):
    """A model that remembers where objects were, to conceal them while they are not detected.

    Args:
        model: Its predictions are `Concealable`.
        labels: Labels of the objects to conceal.
        rate: Frames per second of frames without a time; 0 if unknown.
    """

    def __init__(self, model: Model, labels: Collection[str], rate: float = 0.0) -> None:
        super().__init__(model)
        self._labels = labels
        self._interval = 1 / (rate or _USUAL_RATE)
        self._now = -self._interval
        self._tracker = BoxTracker(max_age=HELD_SECONDS, min_hits=1)
        self._boxes: NDArray[np.floating] = np.zeros((0, 4))
        # Of each pixel, when an object's mask last covered it.
        self._covered: NDArray[np.float64] | None = None
        self._latest: Prediction | None = None

    def apply_state(self, prediction: Prediction, time: float | None = None) -> Prediction:
        """See `Model.apply_state`; remembers the regions, also of objects without a track."""
        assert isinstance(prediction, Concealable)
        regions = prediction.regions(self._labels)
        now = self._now + self._interval if time is None else time
        if now < self._now:
            # A stream that began again.
            self._covered = None
        self._now = now
        self._tracker.update(
            regions.boxes, regions.scores, regions.class_ids, threshold=0.0, time=self._now
        )
        self._boxes = self._tracker.lost(HELD_SECONDS)
        if regions.mask is None:
            self._boxes = np.concatenate([regions.boxes, self._boxes])
        else:
            if self._covered is None or self._covered.shape != regions.mask.shape:
                self._covered = np.full(regions.mask.shape, -np.inf)
            self._covered[regions.mask] = self._now
        self._latest = self.model.apply_state(prediction, time)
        return self._latest

    def conceal(self, image: Pixels, prediction: Prediction) -> Pixels:
        """A copy of an image with the objects unrecognisable.

        Args:
            image: uint8 of shape (height, width, channels).
            prediction: Made from this image; unless it is what `apply_state` returned last, the
                image is not a frame of the video, and nothing is remembered for it.
        """
        if prediction is not self._latest:
            return conceal_image(image, prediction, self._labels)
        mask = None
        if self._covered is not None and self._covered.shape == image.shape[:2]:
            mask = self._covered >= self._now - HELD_SECONDS
        return pixelate(image, _region(image.shape, self._boxes, mask))


def _region(
    shape: tuple[int, ...], boxes: NDArray[np.floating], mask: NDArray[np.bool_] | None
) -> NDArray[np.bool_]:
    """The pixels of boxes and a mask with their margins, bool of shape (height, width)."""
    height, width = shape[:2]
    if mask is None:
        region = np.zeros((height, width), np.bool_)
    else:
        side = 2 * max(1, round(_MASK_MARGIN * max(height, width))) + 1
        region = cv2.dilate(mask.view(np.uint8), np.ones((side, side), np.uint8)).astype(np.bool_)
    if len(boxes):
        sizes = np.sqrt((boxes[:, 2:] - boxes[:, :2]).clip(0).prod(1))
        margins = np.maximum(2, _MARGIN * sizes)[:, None]
        starts = np.floor(boxes[:, :2] - margins).astype(int).clip(0)
        ends = np.ceil(boxes[:, 2:] + margins).astype(int).clip(0)
        for (x1, y1), (x2, y2) in zip(starts.tolist(), ends.tolist(), strict=True):
            region[y1:y2, x1:x2] = True
    return region
