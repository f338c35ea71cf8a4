"""The report of a detector: classes, precision-recall curves, example images, COCO results."""

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.table import Table

from visus.tasks.detection.metrics import DetectionMetrics
from visus.tasks.detection.task import DetectionTask
from visus.tasks.spec import ReportContext
from visus.vision.drawing.boxes import draw_boxes
from visus.vision.drawing.grid import grid
from visus.vision.drawing.plots import draw_curves
from visus.vision.images import Pixels
from visus.vision.output_files import write_image, write_text
from visus.vision.sampling import first_and_spaced

_EXAMPLES = 12
_WORST = 4
_CELL = 420
"""Side of a cell of the example images in pixels."""


def report_detection(task: DetectionTask, context: ReportContext) -> list[Table | str]:
    """See `visus.tasks.spec.Report`."""
    metrics, result = task.metrics, task.tested
    if result is None or metrics is None:
        return []
    classes = Table("class", "AP", "AP at IoU 0.5", "objects")
    counts = np.zeros(len(task.class_names), int)
    for _, _, truth in metrics.records:
        np.add.at(counts, truth.class_ids[~truth.ignored], 1)
    rows = zip(task.class_names, result.by_class, counts, strict=True)
    for name, averages, count in rows:
        cells = ["undefined" if math.isnan(value) else f"{value:.3f}" for value in averages]
        classes.add_row(name, *cells, str(count))
    curves = context.folder / "precision_recall.png"
    named = dict(zip(task.class_names, result.precision, strict=True))
    write_image(curves, draw_curves(result.recall, named, "recall", "precision at IoU 0.5"))
    results = context.folder / "detections.json"
    write_text(results, json.dumps(_coco_results(metrics)))
    names = {str(i + 1): source for i, (source, _, _) in enumerate(metrics.records)}
    images = context.folder / "images.json"
    write_text(images, json.dumps(names, indent=1))
    examples = context.folder / "examples.jpg"
    write_image(examples, _draw_examples(metrics, context))
    return [
        classes,
        f"precision and recall {curves}",
        f"ground truth beside predictions, the worst images first {examples}",
        f"detections in COCO's results format {results}, their image ids {images}",
    ]


def _coco_results(metrics: DetectionMetrics) -> list[dict[str, Any]]:
    entries = [entry for i in range(len(metrics.records)) for entry in metrics.results(i)]
    for entry in entries:
        if "segmentation" in entry:
            mask = entry["segmentation"]
            entry["segmentation"] = {**mask, "counts": mask["counts"].decode("ascii")}
    return entries


def _draw_examples(metrics: DetectionMetrics, context: ReportContext) -> Pixels:
    """Ground truth beside predictions: the worst images, then evenly spaced others by F1."""
    order = sorted(range(len(metrics.records)), key=metrics.image_f1)
    images, captions = [], []
    for index in first_and_spaced(order, _WORST, _EXAMPLES):
        source, prediction, truth = metrics.records[index]
        image = context.read_image(source)
        labels = [prediction.class_names[i] for i in truth.class_ids]
        # Drawn at the size of the cell, where the labels are read.
        scale = _CELL / max(image.shape[:2])
        size = [max(1, round(side * scale)) for side in (image.shape[1], image.shape[0])]
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        images.append(draw_boxes(image, truth.boxes * scale, labels, truth.class_ids))
        captions.append(f"{Path(source).name}, ground truth")
        shown = prediction.above_threshold()
        labels = [shown.label(i) for i in range(len(shown))]
        boxes = shown.boxes * scale
        images.append(draw_boxes(image, boxes, labels, shown.class_ids, shown.scores))
        captions.append(f"prediction, F1 {metrics.image_f1(index):.2f}")
    return grid(images, captions, 4, _CELL)
