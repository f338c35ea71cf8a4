import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from visus.tasks.detection.metrics import METRIC_NAMES, DetectionMetrics, match_detections
from visus.tasks.detection.prediction import DetectionPrediction
from visus.vision.masks import encode_mask
from visus.vision.truth import DetectionTruth

NAMES = ("a", "b", "c")


def prediction(boxes, scores, ids, masks=None, size=(200, 300)):
    order = np.argsort(-np.asarray(scores), kind="stable")
    return DetectionPrediction(
        np.asarray(boxes, np.float32).reshape(-1, 4)[order],
        np.asarray(scores, np.float32)[order],
        np.asarray(ids, np.int64)[order],
        NAMES,
        size,
        mask_grids=None if masks is None else np.asarray(masks, np.float32)[order],
    )


def truth(boxes, ids, ignored=None, masks=None):
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    marks = np.zeros(len(boxes), bool) if ignored is None else np.asarray(ignored)
    return DetectionTruth(boxes, np.asarray(ids, np.int64), marks, areas, masks)


def random_metrics(seed, images=30, masks=False):
    """Boxes near the ground truth, false ones, missed ones, crowds, images without objects."""
    rng = np.random.default_rng(seed)
    metrics = DetectionMetrics(NAMES)
    for index in range(images):
        count = int(rng.integers(0, 8)) if index else 0
        corners = rng.uniform(0, 150, (count, 2))
        boxes = np.concatenate([corners, corners + rng.uniform(4, 140, (count, 2))], axis=1)
        boxes = boxes.clip(0, (300, 200, 300, 200))
        ids = rng.integers(0, 3, count)
        ignored = rng.random(count) < 0.1
        moved = boxes + rng.normal(0, 4, boxes.shape)
        moved = np.concatenate([np.minimum(moved[:, :2], moved[:, 2:] - 1), moved[:, 2:]], axis=1)
        keep = rng.random(count) < 0.8
        wrong = np.tile([[5.0, 5, 60, 70]], (2, 1)) + rng.normal(0, 1, (2, 4))
        boxes_predicted = np.concatenate([moved[keep], wrong]).clip(0, (300, 200, 300, 200))
        scores = rng.uniform(0.05, 1, len(boxes_predicted))
        labels = np.concatenate([ids[keep], rng.integers(0, 3, 2)])
        truth_masks = grids = None
        if masks:
            truth_masks = tuple(encode_mask(_fill(box)) for box in boxes)
            grids = np.ones((len(boxes_predicted), 28, 28))
        guess = prediction(boxes_predicted, scores, labels, grids)
        metrics.add(str(index), guess, truth(boxes, ids, ignored, truth_masks))
    return metrics


def _fill(box):
    mask = np.zeros((200, 300), bool)
    x1, y1, x2, y2 = box.round().astype(int)
    mask[y1:y2, x1:x2] = True
    return mask


def reference(metrics, kind):
    """The twelve metrics by pycocotools."""
    annotated = metrics.truth()
    results = [e for i in range(len(metrics.records)) for e in metrics.results(i)]
    left_out = "segmentation" if kind == "bbox" else "bbox"
    results = [{k: v for k, v in entry.items() if k != left_out} for entry in results]
    with contextlib.redirect_stdout(io.StringIO()):
        expected = COCO()
        expected.dataset = annotated
        expected.createIndex()
        evaluation = COCOeval(expected, expected.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


@pytest.mark.parametrize("seed", range(3))
def test_the_twelve_metrics_are_those_of_pycocotools(seed):
    metrics = random_metrics(seed)
    values = metrics.compute().metrics
    for name, value in zip(METRIC_NAMES, reference(metrics, "bbox"), strict=True):
        assert values[name] == pytest.approx(value, abs=1e-9), name


def test_the_metrics_of_masks_are_those_of_pycocotools():
    metrics = random_metrics(5, images=8, masks=True)
    values = metrics.compute().metrics
    for name, value in zip(METRIC_NAMES, reference(metrics, "segm"), strict=True):
        assert values[f"mask_{name}"] == pytest.approx(value, abs=1e-9), name


def test_a_case_counted_by_hand():
    metrics = DetectionMetrics(NAMES)
    # Of class a one is detected and one missed; of class b all; class c has no objects.
    metrics.add(
        "1",
        prediction([[0, 0, 50, 50], [100, 0, 150, 50], [200, 0, 250, 50]], [0.9, 0.8, 0.6],
                   [0, 1, 0]),
        truth([[0, 0, 50, 50], [100, 100, 150, 150], [100, 0, 150, 50]], [0, 0, 1]),
    )  # fmt: skip
    result = metrics.compute()
    # One of two detected first: precision 1 up to recall 0.5, that is 51 of 101 steps.
    assert result.by_class[0] == pytest.approx((51 / 101, 51 / 101))
    assert result.by_class[1] == pytest.approx((1.0, 1.0))
    assert np.isnan(result.by_class[2]).all()
    assert result.metrics["map"] == pytest.approx((51 / 101 + 1) / 2)
    assert np.isnan(result.metrics["map_small"])
    # Above 0.6 the false positive is excluded, above 0.8 class b too.
    assert 0.6 < metrics.best_threshold() <= 0.8
    assert metrics.image_f1(0) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))


def test_no_detections_and_no_objects():
    metrics = DetectionMetrics(NAMES)
    metrics.add("1", prediction([], [], []), truth([[0, 0, 50, 50]], [0]))
    assert metrics.compute().metrics["map"] == 0
    empty = DetectionMetrics(NAMES)
    empty.add("1", prediction([], [], []), truth([], []))
    assert np.isnan(empty.compute().metrics["map"])
    assert empty.image_f1(0) == 1


def test_an_object_of_a_crowd_does_not_count_against_the_detector():
    crowd = truth([[0, 0, 100, 100], [200, 0, 220, 20]], [0, 0], [True, False])
    inside, outside, other = [10, 10, 20, 30], [95, 95, 140, 140], [12, 10, 22, 30]
    guess = prediction([inside, outside, other], [0.9, 0.8, 0.7], [0, 0, 1])
    correct, counted = match_detections(guess, crowd)
    assert correct.tolist() == [False] * 3
    assert counted.tolist() == [False, True, True]
