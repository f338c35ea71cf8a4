"""Segment a large image in overlapping tiles, without visible seams."""

import numpy as np
from numpy.typing import NDArray

from visus.tasks.segmentation.prediction import SegmentationPrediction, class_colours
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.model import Model


class TiledModel(Model):
    """A segmenter that looks at an image through overlapping squares.

    Each tile is fitted to the model's input as a whole image would be. Where tiles overlap, their
    logits are averaged with weights that fall towards each tile's edge. An image that fits into
    one tile gives what the model gives without tiles.

    Args:
        model: The segmenter.
        tile: Side of a tile in pixels of the image.
        overlap: Pixels that neighbouring tiles share at least.

    Raises:
        VisusError: If the model is no segmenter, or tile and overlap do not go together.
    """

    def __init__(self, model: Model, tile: int, overlap: int) -> None:
        if model.metadata.task != "segmentation":
            raise VisusError(f"--tile is for segmenters; {model.name!r} does no segmentation")
        if tile < 1 or not 0 <= overlap < tile:
            raise VisusError(
                f"--tile {tile} with --overlap {overlap}: tiles need a side of at least 1, and the "
                "overlap must be at least 0 and smaller than a tile"
            )
        self.model = model
        self.tile = tile
        self.overlap = overlap
        self.name, self.runtime, self.metadata = model.name, model.runtime, model.metadata
        self.workers = model.workers

    def run(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """See `Model.run`."""
        return self.model.run(images)

    def predict_pixels(self, image: Pixels) -> SegmentationPrediction:
        """See `Model.predict_pixels`."""
        height, width = image.shape[:2]
        classes = len(self.metadata.class_names)
        tops, lefts = (tile_starts(side, self.tile, self.overlap) for side in (height, width))
        mask = np.empty((height, width), np.uint8)
        # Only one row of tiles is kept at a time: all classes of a large image would not fit.
        band = np.zeros((classes, min(self.tile, height), width), np.float32)
        for top, following in zip(tops, [*tops[1:], height], strict=True):
            for left in lefts:
                cut = image[top : top + self.tile, left : left + self.tile]
                band[:, :, left : left + self.tile] += self._weighted_logits(cut, top, left, image)
            done = following - top
            mask[top:following] = band[:, :done].argmax(0)
            band[:, : -done or None] = band[:, done:].copy()
            band[:, band.shape[1] - done :] = 0
        return SegmentationPrediction(mask, self.metadata.class_names, class_colours(self.metadata))

    def _weighted_logits(
        self, cut: Pixels, top: int, left: int, image: Pixels
    ) -> NDArray[np.float32]:
        """A tile's logits at each of its pixels, (classes, height, width), times its weights."""
        batch, fitted = self.preprocess(np.ascontiguousarray(cut))
        logits = self.run(batch)[0][0].astype(np.float32)
        planes = np.stack([fitted.plane_to_source(plane) for plane in logits])
        rows = self._weights(cut.shape[0], top, image.shape[0])
        columns = self._weights(cut.shape[1], left, image.shape[1])
        return planes * rows[:, None] * columns

    def _weights(self, side: int, start: int, whole: int) -> NDArray[np.float32]:
        """How much each row or column of a tile counts: less near edges that another tile shares.

        Weights only need to be right relative to each other: the largest logit wins.
        """
        weights = np.ones(side, np.float32)
        ramp = (np.arange(self.overlap, dtype=np.float32) + 0.5) / max(1, self.overlap)
        if start > 0:
            weights[: self.overlap] = ramp
        if start + side < whole:
            weights[side - self.overlap :] *= ramp[::-1]
        return weights


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin so that they cover a length, the last one flush with its end.

    Args:
        length: Of the image's side in pixels.
        tile: Of a tile's side in pixels.
        overlap: Pixels that neighbours share at least.
    """
    if length <= tile:
        return [0]
    return [*range(0, length - tile, tile - overlap), length - tile]
