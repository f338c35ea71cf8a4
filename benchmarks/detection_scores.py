"""Time of COCO's figures for 5,000 images x 20 boxes, in turn with pycocotools.

python benchmarks/detection_scores.py
"""

import contextlib
import io
import statistics
import time

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from visus.tasks.detection.metrics import METRIC_NAMES, DetectionMetrics
from visus.tasks.detection.prediction import DetectionPrediction
from visus.vision.truth import DetectionTruth

IMAGES, BOXES, CLASSES, ROUNDS = 5000, 20, 20, 3


def random_metrics() -> DetectionMetrics:
    """Predictions near the ground truth, with random scores."""
    rng = np.random.default_rng(0)
    names = tuple(map(str, range(CLASSES)))
    metrics = DetectionMetrics(names)
    for index in range(IMAGES):
        corners = rng.uniform(0, 500, (BOXES, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(8, 140, (BOXES, 2))], axis=1)
        moved = np.sort((boxes + rng.normal(0, 4, boxes.shape)).reshape(-1, 2, 2), axis=1)
        ids = rng.integers(0, CLASSES, BOXES)
        scores = -np.sort(-rng.uniform(0.05, 1, BOXES))
        prediction = DetectionPrediction(
            moved.reshape(-1, 4).astype(np.float32),
            scores.astype(np.float32),
            ids,
            names,
            (640, 640),
        )
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(1).astype(np.float32)
        ignored = np.zeros(BOXES, bool)
        truth = DetectionTruth(boxes.astype(np.float32), ids, ignored, areas)
        metrics.add(str(index), prediction, truth)
    return metrics


def reference(metrics: DetectionMetrics) -> list[float]:
    """The same figures by pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        expected = COCO()
        expected.dataset = metrics.truth()
        expected.createIndex()
        results = [e for i in range(len(metrics.records)) for e in metrics.results(i)]
        evaluation = COCOeval(expected, expected.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


def main() -> None:
    """Print the seconds of both, their ratio, and the largest difference of a figure."""
    metrics = random_metrics()
    ours, theirs = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        figures = metrics.compute().metrics
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        stats = reference(metrics)
        theirs.append(time.perf_counter() - start)
    pairs = zip((figures[name] for name in METRIC_NAMES), stats, strict=True)
    difference = max(abs(a - b) for a, b in pairs if b >= 0)
    quick, slow = statistics.median(ours), statistics.median(theirs)
    print(f"{IMAGES} images x {BOXES} boxes, {CLASSES} classes; medians of {ROUNDS}")
    print(f"visus {quick:.2f} s, pycocotools {slow:.2f} s: ratio {quick / slow:.3f}")
    print(f"largest difference of the twelve figures {difference:.1e}")


if __name__ == "__main__":
    main()
