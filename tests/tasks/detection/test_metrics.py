import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from visus.tasks.detection.metrics import FIGURES, DetectionMetrics
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


def random_scores(seed, images=30, masks=False):
    """Boxes near the truth, false ones, missed ones, crowds, images of nothing."""
    rng = np.random.default_rng(seed)
    collected = DetectionMetrics(NAMES)
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
        found = np.concatenate([moved[keep], wrong]).clip(0, (300, 200, 300, 200))
        scores = rng.uniform(0.05, 1, len(found))
        labels = np.concatenate([ids[keep], rng.integers(0, 3, 2)])
        drawn = grids = None
        if masks:
            drawn = tuple(encode_mask(_fill(box)) for box in boxes)
            grids = np.ones((len(found), 28, 28))
        guess = prediction(found, scores, labels, grids)
        collected.add(str(index), guess, truth(boxes, ids, ignored, drawn))
    return collected


def _fill(box):
    mask = np.zeros((200, 300), bool)
    x1, y1, x2, y2 = box.round().astype(int)
    mask[y1:y2, x1:x2] = True
    return mask


def reference(collected, kind):
    """The twelve figures by pycocotools."""
    annotated = collected.truth()
    results = [e for i in range(len(collected.records)) for e in collected.results(i)]
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
def test_the_twelve_figures_are_those_of_pycocotools(seed):
    collected = random_scores(seed)
    figures = collected.compute().figures
    for name, value in zip(FIGURES, reference(collected, "bbox"), strict=True):
        assert figures[name] == pytest.approx(value, abs=1e-9), name


def test_the_figures_of_masks_are_those_of_pycocotools():
    collected = random_scores(5, images=8, masks=True)
    figures = collected.compute().figures
    for name, value in zip(FIGURES, reference(collected, "segm"), strict=True):
        assert figures[f"mask_{name}"] == pytest.approx(value, abs=1e-9), name


def test_a_case_counted_by_hand():
    collected = DetectionMetrics(NAMES)
    # Of class a one is found and one missed; of class b all; c is nowhere and counts for nothing.
    collected.add(
        "1",
        prediction([[0, 0, 50, 50], [100, 0, 150, 50], [200, 0, 250, 50]], [0.9, 0.8, 0.6],
                   [0, 1, 0]),
        truth([[0, 0, 50, 50], [100, 100, 150, 150], [100, 0, 150, 50]], [0, 0, 1]),
    )  # fmt: skip
    scores = collected.compute()
    # One of two found first: precision 1 up to recall 0.5, that is 51 of 101 steps.
    assert scores.by_class[0] == pytest.approx((51 / 101, 51 / 101))
    assert scores.by_class[1] == pytest.approx((1.0, 1.0))
    assert np.isnan(scores.by_class[2]).all()
    assert scores.figures["map"] == pytest.approx((51 / 101 + 1) / 2)
    assert np.isnan(scores.figures["map_small"])
    # Above 0.6 the false one is gone, above 0.8 class b too.
    assert 0.6 < collected.best_threshold() <= 0.8
    assert collected.image_f1(0) == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))


def test_nothing_found_and_nothing_there():
    collected = DetectionMetrics(NAMES)
    collected.add("1", prediction([], [], []), truth([[0, 0, 50, 50]], [0]))
    assert collected.compute().figures["map"] == 0
    empty = DetectionMetrics(NAMES)
    empty.add("1", prediction([], [], []), truth([], []))
    assert np.isnan(empty.compute().figures["map"])
    assert empty.image_f1(0) == 1
