"""The report of a segmenter: metrics of each class, confusion matrix, example images."""

import math
from pathlib import Path
from typing import Any

from rich.table import Table

from visus.tasks.segmentation.metrics import SegmentationRecord
from visus.tasks.segmentation.prediction import class_colours
from visus.tasks.spec import ReportContext
from visus.vision.drawing.grid import grid
from visus.vision.drawing.masks import draw_areas
from visus.vision.drawing.plots import draw_confusion
from visus.vision.images import Pixels, read_mask, visible
from visus.vision.masks import IGNORE
from visus.vision.output_files import write_image
from visus.vision.sampling import first_and_spaced

_EXAMPLES = 12
_WORST = 6


def report_segmentation(task: Any, context: ReportContext) -> list[Table | str]:
    """See `visus.tasks.spec.Report`."""
    if task.tested is None:
        return []
    result = task.tested
    pixels = result.confusion.sum(1)
    classes = Table("class", "IoU", "boundary F1", "fraction of pixels")
    rows = zip(task.class_names, result.iou, result.boundary_f1, pixels, strict=True)
    for name, iou, f1, count in rows:
        values = ["undefined" if math.isnan(value) else f"{value:.3f}" for value in (iou, f1)]
        classes.add_row(name, *values, f"{count / max(1, pixels.sum()):.2%}")
    matrix = context.folder / "confusion.png"
    write_image(matrix, draw_confusion(result.confusion, task.class_names, percentages=True))
    examples = context.folder / "examples.jpg"
    write_image(examples, _draw_examples(task, context))
    return [classes, f"confusion matrix {matrix}", f"worst and other images {examples}"]


def _draw_examples(task: Any, context: ReportContext) -> Pixels:
    """True beside predicted masks: the worst images first, then evenly spaced others."""
    colours = class_colours(task.metadata)
    images, captions = [], []
    for record in _choose_examples(task.metrics.records):
        image = visible(context.read_image(record.source))
        true_mask, predicted_mask = read_mask(record.true_mask), read_mask(record.predicted_mask)
        # Without a label there is nothing to compare the prediction with.
        predicted_mask[true_mask == IGNORE] = IGNORE
        images += [
            draw_areas(image, true_mask, colours),
            draw_areas(image, predicted_mask, colours),
        ]
        captions += [f"{Path(record.source).name}, true", f"predicted, mean IoU {record.miou:.2f}"]
    return grid(images, captions, 4, 420)


def _choose_examples(records: list[SegmentationRecord]) -> list[SegmentationRecord]:
    """The images of the lowest mean IoU, in ascending order, and evenly spaced others."""
    labelled = [record for record in records if math.isfinite(record.miou)]
    order = sorted(labelled, key=lambda record: record.miou)
    return first_and_spaced(order, _WORST, _EXAMPLES)
