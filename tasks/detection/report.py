"""The report of a detector: its classes, precision against recall, images, COCO results."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from visus.datamodules.detection.dataset import DetectionDataset
from visus.tasks.detection.metrics import DetectionMetrics
from visus.tasks.detection.task import DetectionTask
from visus.vision.drawing.boxes import draw_boxes
from visus.vision.drawing.grid import grid
from visus.vision.drawing.plots import draw_curves
from visus.vision.output_files import write_image

_IMAGES = 12
_WORST = 4


def report_detection(
    task: DetectionTask, split: str, dataset: Any, folder: Path, figures: dict[str, float]
) -> list[Table | str]:
    """See `visus.apps.training.reporting.Reporter`."""
    if split != "test" or task.tested is None:
        return []
    collected, scores = task.tested
    classes = Table("class", "AP", "AP at 0.5", "objects")
    counts = np.zeros(len(task.class_names), int)
    for _, _, truth in collected.records:
        np.add.at(counts, truth.class_ids[~truth.ignored], 1)
    rows = zip(task.class_names, scores.by_class, counts, strict=True)
    for name, averages, count in rows:
        told = ["undefined" if math.isnan(value) else f"{value:.3f}" for value in averages]
        classes.add_row(name, *told, str(count))
    curves = folder / "precision_recall.png"
    named = dict(zip(task.class_names, scores.precision, strict=True))
    write_image(curves, draw_curves(scores.recall, named, "recall", "precision at overlap 0.5"))
    results = folder / "detections.json"
    results.write_text(json.dumps(_coco_results(collected)), encoding="utf-8")
    names = {str(i + 1): source for i, (source, _, _) in enumerate(collected.records)}
    images = folder / "images.json"
    images.write_text(json.dumps(names, indent=1), encoding="utf-8")
    examples = folder / "examples.jpg"
    write_image(examples, _draw_examples(collected, dataset))
    return [
        classes,
        f"precision and recall {curves}",
        f"worst and other images {images}",
        f"detections in COCO's form {results}, the images' ids {images}",
    ]


def _coco_results(collected: DetectionMetrics) -> list[dict[str, Any]]:
    entries = [e for i in range(len(collected.records)) for e in collected.results(i)]
    for entry in entries:
        if "segmentation" in entry:
            mask = entry["segmentation"]
            entry["segmentation"] = {**mask, "counts": mask["counts"].decode("ascii")}
    return entries


def _draw_examples(collected: DetectionMetrics, dataset: DetectionDataset) -> Any:
    """Pairs of truth and detections: the worst images first, then an even choice of the rest."""
    order = sorted(range(len(collected.records)), key=collected.image_f1)
    rest = order[_WORST:]
    count = min(len(rest), _IMAGES - _WORST)
    chosen = order[:_WORST] + [rest[i * len(rest) // count] for i in range(count)]
    by_name = {dataset.name(i): i for i in range(len(dataset))}
    images, captions = [], []
    for index in chosen:
        source, found, truth = collected.records[index]
        image = dataset.read(dataset.sources[by_name[source]]).labelled.image
        labels = [found.class_names[i] for i in truth.class_ids]
        truly = draw_boxes(image, truth.boxes, labels, truth.class_ids)
        shown = found.shown()
        told = [f"{shown.label(i)} {shown.scores[i]:.2f}" for i in range(len(shown))]
        answer = draw_boxes(image, shown.boxes, told, shown.class_ids)
        images += [truly, answer]
        captions += [
            f"{Path(source).name}, truth", f"found, F1 {collected.image_f1(index):.2f}",
        ]  # fmt: skip
    return grid(images, captions, 4, 420)
