"""Segment a large image in overlapping tiles, without visible seams."""

import numpy as np
from numpy.typing import NDArray

from visus.tasks.segmentation.prediction import (
    SegmentationPrediction,
    class_colours,
    mean_uncertainty,
)
from visus.vision.errors import VisusError
from visus.vision.images import Pixels
from visus.vision.model import Model
from visus.vision.model_wrapper import ModelWrapper
from visus.vision.resize import Geometry


class TiledModel(ModelWrapper):
    """A segmenter that predicts an image in overlapping square tiles.

    Each tile is resized to the model's input as a whole image would be. Where tiles overlap, their
    logits are averaged with weights that decrease towards each tile's edge. For an image that fits
    into one tile the prediction is that of the wrapped model.

    Args:
        model: A segmenter.
        tile: Side of a tile in pixels of the image.
        overlap: Least overlap of neighbouring tiles in pixels.

    Raises:
        VisusError: If the tile is empty, or the overlap negative or not smaller than the tile.
    """

    def __init__(self, model: Model, tile: int, overlap: int) -> None:
        super().__init__(model)
        if tile < 1 or not 0 <= overlap < tile:
            raise VisusError(
                f"--tile {tile} with --overlap {overlap}: tiles need a side of at least 1, and the "
                "overlap must be at least 0 and smaller than a tile"
            )
        self.tile = tile
        self.overlap = overlap

    def predict_image(self, image: Pixels) -> SegmentationPrediction:
        """See `Model.predict_image`."""
        height, width = image.shape[:2]
        classes = len(self.metadata.class_names)
        tops, lefts = (tile_starts(side, self.tile, self.overlap) for side in (height, width))
        mask = np.empty((height, width), np.uint8)
        # The logits of one row of tiles at a time: those of a large image would not fit in memory.
        band = np.zeros((classes, min(self.tile, height), width), np.float32)
        uncertainties: list[float] = []
        for top, next_top in zip(tops, [*tops[1:], height], strict=True):
            for left in lefts:
                cut = image[top : top + self.tile, left : left + self.tile]
                logits, geometry = self._logits(cut)
                uncertainties.append(mean_uncertainty(logits, geometry))
                planes = np.stack([geometry.plane_to_source(plane) for plane in logits])
                weights = self._weights(cut.shape[0], top, height)[:, None]
                weights = weights * self._weights(cut.shape[1], left, width)
                band[:, :, left : left + self.tile] += planes * weights
            done = next_top - top
            mask[top:next_top] = band[:, :done].argmax(0)
            band[:, : -done or None] = band[:, done:].copy()
            band[:, band.shape[1] - done :] = 0
        names, colours = self.metadata.class_names, class_colours(self.metadata)
        return SegmentationPrediction(mask, names, colours, float(np.mean(uncertainties)))

    def _logits(self, cut: Pixels) -> tuple[NDArray[np.float32], Geometry]:
        """The logits of a tile, (classes, rows, columns), and the map between both."""
        batch, geometry = self.preprocess(np.ascontiguousarray(cut))
        return self.run(batch)[0][0].astype(np.float32), geometry

    def _weights(self, side: int, start: int, length: int) -> NDArray[np.float32]:
        """Weights of the rows or columns of a tile, which decrease towards shared edges.

        Only their ratios matter, as the class of the largest logit is predicted.
        """
        weights = np.ones(side, np.float32)
        ramp = (np.arange(self.overlap, dtype=np.float32) + 0.5) / max(1, self.overlap)
        if start > 0:
            weights[: self.overlap] = ramp
        if start + side < length:
            weights[side - self.overlap :] *= ramp[::-1]
        return weights


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """First pixels of the tiles that cover a length; the last tile ends with it.

    Args:
        length: Side of the image in pixels.
        tile: Side of a tile in pixels.
        overlap: Least overlap of neighbouring tiles in pixels.
    """
    if length <= tile:
        return [0]
    return [*range(0, length - tile, tile - overlap), length - tile]
