"""The evaluated images of a detector."""

from collections import Counter
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.tasks.assessment import Assessment, Curves, Floats, Indices, MetricTable, ReadImage
from visus.tasks.detection.metrics import DetectionMetrics, DetectionResult, match_detections
from visus.vision.drawing.boxes import draw_boxes
from visus.vision.images import Pixels, visible


class DetectionAssessment(Assessment):
    """Images with their detections and objects.

    Args:
        metrics: With all images.
    """

    main = "map"
    quality_name = "F1 at IoU 0.5"

    def __init__(self, metrics: DetectionMetrics) -> None:
        self.metrics = metrics
        self.sources = [source for source, _, _ in metrics.records]

    def compute(self, chosen: Indices | None = None) -> dict[str, float]:
        """See `Assessment.compute`."""
        if chosen is None:
            return self._result.metrics
        records = [self.metrics.records[i] for i in chosen]
        return DetectionMetrics(self.metrics.class_names, records).compute().metrics

    @cached_property
    def quality(self) -> Floats:
        """F1 of each image at the score threshold; see `DetectionMetrics.image_f1`."""
        return np.array([self.metrics.image_f1(i) for i in range(len(self.sources))], np.float64)

    @cached_property
    def confident_errors(self) -> Floats:
        """The highest score of a detection that matches no object."""
        return np.array([self._highest_false_score(i) for i in range(len(self.sources))])

    def describe(self, index: int) -> tuple[str, str]:
        """See `Assessment.describe`."""
        _, prediction, truth = self.metrics.records[index]
        counts = Counter(prediction.class_names[i] for i in truth.class_ids[~truth.ignored])
        true = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
        return true or "nothing", prediction.summary()

    def draw(self, index: int, read_image: ReadImage) -> list[tuple[str, Pixels]]:
        """See `Assessment.draw`."""
        source, prediction, truth = self.metrics.records[index]
        image = visible(read_image(source))
        names = [prediction.class_names[i] for i in truth.class_ids]
        shown = prediction.above_threshold()
        labels = [shown.label(i) for i in range(len(shown))]
        found = draw_boxes(image, shown.boxes, labels, shown.class_ids, shown.scores)
        caption = f"prediction, F1 {self.quality[index]:.2f}"
        return [
            (f"{Path(source).name}, truth", draw_boxes(image, truth.boxes, names, truth.class_ids)),
            (caption, found),
        ]

    def class_table(self) -> MetricTable:
        """See `Assessment.class_table`."""
        objects = np.zeros(len(self.metrics.class_names))
        for _, _, truth in self.metrics.records:
            np.add.at(objects, truth.class_ids[~truth.ignored], 1)
        named = zip(self.metrics.class_names, self._result.by_class, objects, strict=True)
        rows = tuple((name, (*averages, float(count))) for name, averages, count in named)
        return MetricTable(("class", "AP", "AP at IoU 0.5", "objects"), rows)

    def plots(self) -> list[Curves]:  # type: ignore[override]
        """See `Assessment.plots`."""
        result = self._result
        lines = {
            name: (result.recall, precision)
            for name, precision in zip(self.metrics.class_names, result.precision, strict=True)
        }
        return [Curves("Precision and recall", "recall", "precision at IoU 0.5", lines)]

    def properties(self) -> dict[str, NDArray[np.str_] | Floats]:
        """The number of objects, and their median side as a fraction of the image's side."""
        objects, sides = [], []
        for _, prediction, truth in self.metrics.records:
            areas = truth.areas[~truth.ignored]
            objects.append(float(len(areas)))
            shares = areas / float(np.prod(prediction.size))
            sides.append(float(np.sqrt(np.median(shares))) if len(areas) else np.nan)
        return {"objects": np.array(objects), "object size": np.array(sides)}

    @cached_property
    def _result(self) -> DetectionResult:
        return self.metrics.compute()

    def _highest_false_score(self, index: int) -> float:
        _, prediction, truth = self.metrics.records[index]
        shown = prediction.above_threshold()
        correct, counted = match_detections(shown, truth)
        return float(max(shown.scores[~correct & counted], default=0.0))
