"""The evaluated images of a segmenter."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.tasks.assessment import Assessment, Confusion, Floats, Indices, MetricTable, ReadImage
from visus.tasks.segmentation.metrics import SegmentationMetrics, SegmentationResult
from visus.vision.colours import Colour
from visus.vision.drawing.masks import draw_areas
from visus.vision.images import Pixels, read_mask, visible
from visus.vision.masks import IGNORE


class SegmentationAssessment(Assessment):
    """Images with their true and predicted masks.

    Args:
        metrics: With all images, thorough.
        class_names: One name for each class id.
        colours: Colour of each class in drawings.
    """

    main = "miou"
    quality_name = "mean IoU of its classes"

    def __init__(
        self, metrics: SegmentationMetrics, class_names: Sequence[str], colours: Sequence[Colour]
    ) -> None:
        self.records = metrics.records
        self.class_names = class_names
        self.colours = colours
        self.sources = [record.source for record in self.records]

    def compute(self, chosen: Indices | None = None) -> dict[str, float]:
        """See `Assessment.compute`."""
        return self._result(range(len(self.records)) if chosen is None else chosen).metrics

    @cached_property
    def quality(self) -> Floats:
        """Mean IoU of each image; NaN where nothing is labelled."""
        return np.array([record.miou for record in self.records], np.float64)

    def describe(self, index: int) -> tuple[str, str]:
        """The three largest classes of both masks."""
        table = self.records[index].confusion
        return self._largest(table.sum(1)), self._largest(table.sum(0))

    def draw(self, index: int, read_image: ReadImage) -> list[tuple[str, Pixels]]:
        """See `Assessment.draw`."""
        record = self.records[index]
        image = visible(read_image(record.source))
        true, predicted = read_mask(record.true_mask), read_mask(record.predicted_mask)
        # Without a label there is nothing to compare the prediction with.
        predicted[true == IGNORE] = IGNORE
        return [
            (f"{Path(record.source).name}, truth", draw_areas(image, true, self.colours)),
            (
                f"prediction, mean IoU {record.miou:.2f}",
                draw_areas(image, predicted, self.colours),
            ),
        ]

    def class_table(self) -> MetricTable:
        """See `Assessment.class_table`."""
        result = self._result(range(len(self.records)))
        pixels = result.confusion.sum(1) / max(1, int(result.confusion.sum()))
        named = zip(self.class_names, result.iou, result.boundary_f1, pixels, strict=True)
        rows = tuple((name, tuple(float(value) for value in values)) for name, *values in named)
        columns = ("class", "IoU", "boundary F1", "fraction of pixels")
        return MetricTable(columns, rows, counts=False)

    def plots(self) -> list[Confusion]:  # type: ignore[override]
        """See `Assessment.plots`."""
        result = self._result(range(len(self.records)))
        return [Confusion(result.confusion, self.class_names, "pixels")]

    def properties(self) -> dict[str, NDArray[np.str_] | Floats]:
        """The number of classes in each image, and the class that covers most of it."""
        pixels = np.stack([record.confusion.sum(1) for record in self.records])
        largest = np.array(self.class_names, str)[pixels.argmax(1)]
        classes = (pixels > 0).sum(1).astype(np.float64)
        return {"largest class": largest, "number of classes": classes}

    def _result(self, chosen: Sequence[int] | Indices) -> SegmentationResult:
        metrics = SegmentationMetrics(len(self.class_names), thorough=True)
        metrics.records = [self.records[i] for i in chosen]
        return metrics.compute()

    def _largest(self, pixels: NDArray[np.int64]) -> str:
        order = np.argsort(-pixels, kind="stable")[:3]
        shares = pixels / max(1, int(pixels.sum()))
        texts = [f"{self.class_names[i]} {shares[i]:.0%}" for i in order if pixels[i]]
        return ", ".join(texts) or "nothing labelled"
