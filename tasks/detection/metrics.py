"""COCO's figures for detections: average precision and recall, over all classes and for each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from faster_coco_eval.core import mask as coco_mask
from numpy.typing import NDArray

from visus.tasks.detection.prediction import DetectionPrediction
from visus.vision.boxes import box_iou
from visus.vision.truth import DetectionTruth

FIGURES = (
    *("map", "map_50", "map_75", "map_small", "map_medium", "map_large"),
    *("mar_1", "mar_10", "mar_100", "mar_small", "mar_medium", "mar_large"),
)
"""COCO's twelve: mean average precision over the overlaps 0.5 to 0.95, at 0.5, at 0.75, and for
objects of less than 32 x 32 and 96 x 96 pixels and more; mean average recall with at most 1, 10 and
100 detections an image, and for the same three sizes."""


@dataclass(frozen=True, eq=False)
class Scores:
    """The figures of one evaluation; undefined ones, of nothing to find, are NaN.

    Attributes:
        figures: By name: those of `FIGURES`, and with masks those under `mask_...` too.
        by_class: Average precision over the overlaps 0.5 to 0.95, and at 0.5, for each class.
        recall: Steps of recall, float (101,), 0 to 1.
        precision: Precision at overlap 0.5 for each class at each recall, float (classes, 101).
    """

    figures: dict[str, float]
    by_class: list[tuple[float, float]]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]


@dataclass
class DetectionMetrics:
    """Collects predictions with their truth, and scores them all at once.

    Args:
        class_names: In the order of their ids.
    """

    class_names: tuple[str, ...]
    records: list[tuple[str, DetectionPrediction, DetectionTruth]] = field(default_factory=list)

    def add(self, source: str, prediction: DetectionPrediction, truth: DetectionTruth) -> None:
        """Add one image; `source` names it in the results."""
        self.records.append((source, prediction, truth))

    def compute(self) -> Scores:
        """Score what was added."""
        truth = self.truth()
        results = [entry for i in range(len(self.records)) for entry in self.results(i)]
        box = _evaluate(truth, results, "bbox")
        figures = dict(zip(FIGURES, _defined(box.stats[:12]), strict=True))
        if any(record[2].masks is not None for record in self.records):
            stats = _evaluate(truth, results, "segm").stats[:12]
            names = [f"mask_{name}" for name in FIGURES]
            figures |= dict(zip(names, _defined(stats), strict=True))
        # Of all sizes and with a hundred detections: overlaps, recalls, classes.
        precision = np.asarray(box.eval["precision"])[:, :, :, 0, -1]
        by_class = [
            (_mean(precision[:, :, k]), _mean(precision[0, :, k]))
            for k in range(len(self.class_names))
        ]
        recall = np.asarray(box.params.recThrs)
        curves = np.where(precision[0] < 0, np.nan, precision[0]).T
        return Scores(figures, by_class, recall, curves)

    def results(self, index: int) -> list[dict[str, Any]]:
        """The detections of one image as COCO results, its number from 1 as `image_id`."""
        _, found, truth = self.records[index]
        boxes = found.boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        entries = []
        for i, (box, score, label) in enumerate(
            zip(boxes.tolist(), found.scores.tolist(), found.class_ids.tolist(), strict=True)
        ):
            entry = {
                "image_id": index + 1, "category_id": label + 1, "bbox": box, "score": score,
            }  # fmt: skip
            if truth.masks is not None and found.mask_grids is not None:
                entry["segmentation"] = _compress(found.mask(i))
            entries.append(entry)
        return entries

    def image_f1(self, index: int) -> float:
        """How well one image went, 0 to 1: F1 of what is shown, at overlap 0.5."""
        _, found, truth = self.records[index]
        shown = found.shown()
        hits, counted = match(shown, truth)
        there = int((~truth.ignored).sum())
        total = int(counted.sum()) + there
        return 1.0 if total == 0 else 2 * int(hits.sum()) / total

    def best_threshold(self) -> float:
        """The score from which on the mean F1 of the classes, at overlap 0.5, is highest."""
        steps = np.linspace(0.05, 0.95, 91)
        hits, shown = (np.zeros((len(self.class_names), len(steps))) for _ in range(2))
        there = np.zeros((len(self.class_names), 1))
        for _, found, truth in self.records:
            likely = found.select(found.scores >= steps[0])
            right, counted = match(likely, truth)
            passing = likely.scores[:, None] >= steps
            np.add.at(shown, likely.class_ids, passing & counted[:, None])
            np.add.at(hits, likely.class_ids, passing & right[:, None])
            np.add.at(there[:, 0], truth.class_ids[~truth.ignored], 1)
        known = there[:, 0] > 0
        if not known.any():
            return 0.5
        f1 = 2 * hits[known] / (shown[known] + there[known])
        return round(float(steps[f1.mean(0).argmax()]), 2)

    def truth(self) -> dict[str, Any]:
        """What is in the images as a COCO data set, their numbers from 1."""
        annotations: list[dict[str, Any]] = []
        for index, (_, _, truth) in enumerate(self.records):
            boxes = truth.boxes.astype(np.float64)
            boxes[:, 2:] -= boxes[:, :2]
            columns = (boxes.tolist(), truth.class_ids.tolist(), truth.ignored.tolist())
            rows = zip(*columns, truth.areas.tolist(), strict=True)
            for i, (box, label, ignored, area) in enumerate(rows):
                entry = {
                    "id": len(annotations) + 1, "image_id": index + 1, "category_id": label + 1,
                    "bbox": box, "area": area, "iscrowd": int(ignored),
                }  # fmt: skip
                if truth.masks is not None:
                    entry["segmentation"] = truth.masks[i]
                annotations.append(entry)
        sizes = [record[1].size for record in self.records]
        return {
            "images": [{"id": i + 1, "height": h, "width": w} for i, (h, w) in enumerate(sizes)],
            "annotations": annotations,
            "categories": [{"id": i + 1, "name": n} for i, n in enumerate(self.class_names)],
        }


def match(
    found: DetectionPrediction, truth: DetectionTruth, least: float = 0.5
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Give detections to objects of their class, the surest first, each object once.

    Args:
        found: The surest first.
        truth: What is there.
        least: The least overlap.

    Returns:
        Of each detection, whether it is right, and whether it counts at all: one that lies on an
        ignored region does not.
    """
    hits = np.zeros(len(found), bool)
    counted = np.ones(len(found), bool)
    overlaps = box_iou(found.boxes, truth.boxes)
    overlaps[found.class_ids[:, None] != truth.class_ids] = 0
    free = ~truth.ignored
    for i, row in enumerate(overlaps):
        candidates = np.where(free, row, 0)
        best = int(candidates.argmax()) if len(candidates) else 0
        if len(candidates) and candidates[best] >= least:
            hits[i] = True
            free[best] = False
        elif (row[truth.ignored] >= least).any():
            counted[i] = False
    return hits, counted


def _evaluate(truth: dict[str, Any], results: list[dict[str, Any]], kind: str) -> Any:
    """A finished COCO evaluation of `bbox` or `segm`."""
    expected = COCO(truth)
    # The library writes into what it is given; masks it would size by their boxes.
    left_out = "segmentation" if kind == "bbox" else "bbox"
    entries = [{k: v for k, v in entry.items() if k != left_out} for entry in results]
    evaluation = COCOeval_faster(expected, expected.loadRes(entries), kind)
    evaluation.run()
    return evaluation


def _compress(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """COCO's compressed run lengths."""
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(encoded["size"]), "counts": encoded["counts"]}


def _defined(values: Sequence[float]) -> list[float]:
    """COCO writes -1 for what is undefined."""
    return [float(value) if value >= 0 else float("nan") for value in values]


def _mean(precision: NDArray[np.float64]) -> float:
    known = precision[precision >= 0]
    return float(known.mean()) if known.size else float("nan")
