"""COCO metrics of detections: average precision and recall, for all classes and for each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from faster_coco_eval.core import mask as coco_mask
from numpy.typing import NDArray

from visus.tasks.detection.prediction import DetectionPrediction
from visus.vision.boxes import box_coverage, box_iou
from visus.vision.truth import DetectionTruth

METRIC_NAMES = (
    *("map", "map_50", "map_75", "map_small", "map_medium", "map_large"),
    *("mar_1", "mar_10", "mar_100", "mar_small", "mar_medium", "mar_large"),
)
"""COCO's twelve metrics: mean average precision over the IoU thresholds 0.5 to 0.95, at IoU 0.5, at
IoU 0.75, and for objects below 32 x 32 pixels, below 96 x 96 pixels and larger; mean average recall
with at most 1, 10 and 100 detections per image, and for the same three sizes."""


@dataclass(frozen=True, eq=False)
class DetectionResult:
    """The metrics of one evaluation; metrics without any object to detect are NaN.

    Attributes:
        metrics: By name: `METRIC_NAMES`, and with masks the same with the prefix `mask_`.
        by_class: Average precision over the IoU thresholds 0.5 to 0.95, and at IoU 0.5, of each
            class.
        recall: Recall levels, float (101,), 0 to 1.
        precision: Precision at IoU 0.5 of each class at each recall level, float (classes, 101).
    """

    metrics: dict[str, float]
    by_class: list[tuple[float, float]]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]


@dataclass
class DetectionMetrics:
    """Accumulates predictions with their ground truth, and evaluates them all at once.

    Args:
        class_names: In the order of their ids.
        records: Of each image its source, its prediction and its ground truth.
    """

    class_names: tuple[str, ...]
    records: list[tuple[str, DetectionPrediction, DetectionTruth]] = field(default_factory=list)

    def add(self, source: str, prediction: DetectionPrediction, truth: DetectionTruth) -> None:
        """Add one image.

        Args:
            source: Name of the image in reports.
            prediction: All detections, sorted by descending score.
            truth: The ground truth.
        """
        self.records.append((source, prediction, truth))

    def compute(self) -> DetectionResult:
        """The metrics of all images that were added."""
        truth = self.truth()
        results = [entry for i in range(len(self.records)) for entry in self.results(i)]
        box = _evaluate(truth, results, "bbox")
        metrics = dict(zip(METRIC_NAMES, _defined(box.stats[:12]), strict=True))
        if any(record[2].masks is not None for record in self.records):
            stats = _evaluate(truth, results, "segm").stats[:12]
            names = [f"mask_{name}" for name in METRIC_NAMES]
            metrics |= dict(zip(names, _defined(stats), strict=True))
        # IoU thresholds, recall levels, classes; of objects of all sizes, with 100 detections.
        precision = np.asarray(box.eval["precision"])[:, :, :, 0, -1]
        by_class = [
            (_mean(precision[:, :, k]), _mean(precision[0, :, k]))
            for k in range(len(self.class_names))
        ]
        recall = np.asarray(box.params.recThrs)
        curves = np.where(precision[0] < 0, np.nan, precision[0]).T
        return DetectionResult(metrics, by_class, recall, curves)

    def results(self, index: int) -> list[dict[str, Any]]:
        """The detections of one image in COCO's results format, with `index` + 1 as `image_id`."""
        _, prediction, truth = self.records[index]
        boxes = prediction.boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        columns = (boxes, prediction.scores, prediction.class_ids)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        entries = []
        for i, (box, score, label) in enumerate(rows):
            entry = {
                "image_id": index + 1, "category_id": label + 1, "bbox": box, "score": score,
            }  # fmt: skip
            if truth.masks is not None and prediction.mask_grids is not None:
                entry["segmentation"] = _compress(prediction.mask(i))
            entries.append(entry)
        return entries

    def image_f1(self, index: int) -> float:
        """F1 of one image at the score threshold and IoU 0.5; 1 without objects and detections."""
        _, prediction, truth = self.records[index]
        correct, counted = match_detections(prediction.above_threshold(), truth)
        objects = int((~truth.ignored).sum())
        total = int(counted.sum()) + objects
        return 1.0 if total == 0 else 2 * int(correct.sum()) / total

    def best_threshold(self) -> float:
        """The score threshold with the highest mean F1 of the classes at IoU 0.5."""
        thresholds = np.linspace(0.05, 0.95, 91)
        shape = (len(self.class_names), len(thresholds))
        true_positives, detections = np.zeros(shape), np.zeros(shape)
        objects = np.zeros((len(self.class_names), 1))
        for _, prediction, truth in self.records:
            candidates = prediction.select(prediction.scores >= thresholds[0])
            correct, counted = match_detections(candidates, truth)
            passing = candidates.scores[:, None] >= thresholds
            np.add.at(detections, candidates.class_ids, passing & counted[:, None])
            np.add.at(true_positives, candidates.class_ids, passing & correct[:, None])
            np.add.at(objects[:, 0], truth.class_ids[~truth.ignored], 1)
        present = objects[:, 0] > 0
        if not present.any():
            return 0.5
        f1 = 2 * true_positives[present] / (detections[present] + objects[present])
        return round(float(thresholds[f1.mean(0).argmax()]), 2)

    def truth(self) -> dict[str, Any]:
        """The ground truth as a COCO data set, with the image ids of `results`."""
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


def match_detections(
    prediction: DetectionPrediction, truth: DetectionTruth, min_iou: float = 0.5
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Match detections with objects of their class in the order of the scores, each object once.

    Args:
        prediction: Sorted by descending score.
        truth: The ground truth.
        min_iou: Minimum IoU of a match.

    Returns:
        Whether each detection is correct, and whether it counts: detections that lie in ignored
        regions, by `min_iou` of their area at least, do not.
    """
    correct = np.zeros(len(prediction), bool)
    counted = np.ones(len(prediction), bool)
    iou = box_iou(prediction.boxes, truth.boxes)
    # A detection of one object of a crowd has a small IoU with its region.
    ignored = box_coverage(prediction.boxes, truth.boxes[truth.ignored])
    same = prediction.class_ids[:, None] == truth.class_ids
    iou[~same] = 0
    ignored[~same[:, truth.ignored]] = 0
    unmatched = ~truth.ignored
    for i, row in enumerate(iou):
        candidates = np.where(unmatched, row, 0)
        best = int(candidates.argmax()) if len(candidates) else 0
        if len(candidates) and candidates[best] >= min_iou:
            correct[i] = True
            unmatched[best] = False
        elif (ignored[i] >= min_iou).any():
            counted[i] = False
    return correct, counted


def _evaluate(truth: dict[str, Any], results: list[dict[str, Any]], kind: str) -> Any:
    """A finished COCO evaluation of `bbox` or `segm`."""
    expected = COCO(truth)
    # The library writes into its arguments, and sizes masks by boxes where both are given.
    left_out = "segmentation" if kind == "bbox" else "bbox"
    entries = [{k: v for k, v in entry.items() if k != left_out} for entry in results]
    evaluation = COCOeval_faster(expected, expected.loadRes(entries), kind)
    evaluation.run()
    return evaluation


def _compress(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask in COCO's compressed run lengths."""
    encoded = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(encoded["size"]), "counts": encoded["counts"]}


def _defined(values: Sequence[float]) -> list[float]:
    """The values with NaN in place of COCO's -1 for undefined ones."""
    return [float(value) if value >= 0 else float("nan") for value in values]


def _mean(precision: NDArray[np.float64]) -> float:
    defined = precision[precision >= 0]
    return float(defined.mean()) if defined.size else float("nan")
