"""The report of a segmenter: its classes, its confusion, images with the worst first."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.table import Table

from visus.datamodules.segmentation.dataset import SegmentationDataset
from visus.tasks.segmentation.metrics import SegmentationMetrics
from visus.tasks.segmentation.prediction import class_colours
from visus.tasks.segmentation.task import SegmentationTask
from visus.vision.drawing.grid import grid
from visus.vision.drawing.masks import draw_areas
from visus.vision.drawing.plots import draw_confusion
from visus.vision.images import Pixels, visible
from visus.vision.masks import IGNORE
from visus.vision.output_files import write_image

_IMAGES = 12
_WORST = 6


def report_segmentation(
    task: SegmentationTask, split: str, dataset: Any, folder: Path, figures: dict[str, float]
) -> list[Table | str]:
    """See `visus.apps.training.reporting.Reporter`."""
    if split != "test" or task.tested is None:
        return []
    collected, scores = task.tested
    pixels = scores.confusion.sum(1)
    classes = Table("class", "IoU", "boundary F1", "share of pixels")
    rows = zip(task.class_names, scores.iou, scores.boundary_f1, pixels, strict=True)
    for name, iou, f1, count in rows:
        told = ["undefined" if math.isnan(value) else f"{value:.3f}" for value in (iou, f1)]
        classes.add_row(name, *told, f"{count / max(1, pixels.sum()):.2%}")
    matrix = folder / "confusion.png"
    write_image(matrix, draw_confusion(scores.confusion, task.class_names, shares=True))
    images = folder / "examples.jpg"
    write_image(images, _draw_examples(task, collected, dataset))
    return [classes, f"confusion matrix {matrix}", f"worst and other images {images}"]


def _draw_examples(
    task: SegmentationTask, collected: SegmentationMetrics, dataset: SegmentationDataset
) -> Pixels:
    """Truth beside answer: the worst images first, then an even choice of the rest."""
    records = [record for record in collected.records if math.isfinite(record.miou)]
    order = sorted(records, key=lambda record: record.miou)
    rest = order[_WORST:]
    count = min(len(rest), _IMAGES - _WORST)
    chosen = order[:_WORST] + [rest[i * len(rest) // count] for i in range(count)]
    by_name = {dataset.name(i): i for i in range(len(dataset))}
    palette = class_colours(task.metadata)
    images, captions = [], []
    for record in chosen:
        image, truth = dataset.read(dataset.sources[by_name[record.source]])
        image = visible(image)
        answer = np.asarray(Image.open(io.BytesIO(record.answer)))
        images += [draw_areas(image, truth, palette), draw_areas(image, answer, palette)]
        # Nobody is told an answer where there is no truth to compare it with.
        images[-1][truth == IGNORE] = image[truth == IGNORE]
        captions += [f"{Path(record.source).name}, truth", f"found, mean IoU {record.miou:.2f}"]
    return grid(images, captions, 4, 420)
