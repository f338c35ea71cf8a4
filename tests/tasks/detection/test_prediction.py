import json
from dataclasses import replace

import numpy as np
import pytest

from visus.tasks.detection.draw import draw_detection
from visus.tasks.detection.prediction import DetectionPrediction, postprocess
from visus.vision.colours import class_colour
from visus.vision.metadata import ModelMetadata
from visus.vision.resize import resize_to_input

NAMES = ("cat", "dog")


def predicted(**changes):
    given = {
        "boxes": np.array([[10, 20, 30, 40], [0, 0, 8, 8]], np.float32),
        "scores": np.array([0.9, 0.2], np.float32),
        "class_ids": np.array([1, 0]),
        "class_names": NAMES,
        "size": (50, 60),
    }
    return DetectionPrediction(**{**given, **changes})


def test_only_detections_at_or_above_the_threshold_are_reported():
    prediction = predicted()
    assert prediction.summary() == "1 dog"
    (entry,) = prediction.to_json()["detections"]
    assert entry == {"box": [10.0, 20.0, 30.0, 40.0], "label": "dog", "score": 0.9}
    json.dumps(prediction.to_json())
    assert replace(prediction, threshold=0.1).summary() == "1 dog, 1 cat"
    tracked = replace(prediction, tracks=np.array([7, 8]))
    assert tracked.to_json()["detections"][0]["track"] == 7


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": np.array([1.5, 0.2], np.float32)},
        {"class_ids": np.array([2, 0])},
        {"boxes": np.array([[30, 20, 10, 40], [0, 0, 8, 8]], np.float32)},
        {"boxes": np.array([[np.nan, 20, 10, 40], [0, 0, 8, 8]], np.float32)},
        {"boxes": np.zeros((1, 4), np.float32)},
        {"tracks": np.array([1])},
    ],
)
def test_invalid_arrays_are_refused(changes):
    with pytest.raises(ValueError):
        predicted(**changes)


def test_boxes_are_mapped_to_pixels_of_the_original_image():
    image = np.zeros((50, 100, 3), np.uint8)
    _, geometry = resize_to_input(image, (200, 200), "letterbox")
    constants = (0.0,) * 3
    metadata = ModelMetadata(
        "detection", NAMES, (200, 200), 3, "letterbox", constants, constants, {"threshold": 0.4}
    )
    # The second lies in the padding of the letterbox, the third is padding of the batch.
    boxes = np.array([[20, 60, 120, 100], [0, 0, 50, 40], [0, 0, 0, 0]], np.float32)
    outputs = [boxes, np.array([0.8, 0.7, 0.0], np.float32), np.array([1, 0, 0])]
    prediction = postprocess(outputs, geometry, metadata)
    np.testing.assert_allclose(prediction.boxes, [[10, 5, 60, 25]])
    assert prediction.threshold == 0.4 and prediction.size == (50, 100)


def test_a_mask_is_its_grid_resized_to_the_box():
    grid = np.zeros((1, 28, 28), np.float32)
    grid[0, :, :14] = 1
    prediction = predicted(
        boxes=np.array([[10, 20, 30, 40]], np.float32),
        scores=np.array([0.9], np.float32),
        class_ids=np.array([0]),
        mask_grids=grid,
    )
    mask = prediction.mask(0)
    assert mask.shape == (50, 60)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 39, 10, 19)
    assert sum(prediction.to_json()["detections"][0]["segmentation"]["counts"]) == 50 * 60
    with pytest.raises(ValueError, match="no masks"):
        predicted().mask(0)


def test_masks_are_drawn_inside_their_boxes_with_an_outline():
    image = np.full((240, 320, 3), 90, np.uint8)
    boxes = np.array([[0.0, 40, 100, 140], [200, 100, 320, 240]], np.float32)
    prediction = DetectionPrediction(
        boxes=boxes,
        scores=np.array([0.9, 0.8], np.float32),
        class_ids=np.array([0, 1]),
        class_names=("cat", "dog"),
        size=(240, 320),
        mask_grids=np.ones((2, 7, 7), np.float32),
    )
    drawn = draw_detection(image, prediction, True)
    tint = np.array(class_colour(1)) * 0.5 + 45
    assert np.abs(drawn[160, 260] - tint).max() <= 1
    assert (image == 90).all()
    assert (drawn[20, 150] == 90).all()
