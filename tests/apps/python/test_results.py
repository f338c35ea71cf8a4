"""Results: reported entries, selection, drawings, and forms for other libraries."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.apps.python.toy import classifier, detector
from visus.tasks.captioning.prediction import CaptionPrediction
from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.resize import resize_to_input
from visus.vision.scenes import make_scene

from visus.apps.python.results import Result  # isort: skip


@pytest.fixture
def image():
    return make_scene(3, (64, 80)).image


@pytest.fixture
def result(image):
    return detector()(image)


def test_only_what_reaches_the_threshold_is_reported(image):
    model = detector()
    assert [len(model(image, threshold=t)) for t in (0, 0.2, 0.9, 1)] == [4, 3, 1, 0]
    result = model(image)
    assert result.labels == ["dog", "cat"] and len(result.prediction) == 2
    np.testing.assert_allclose(result.scores, [0.9, 0.7])
    assert result.boxes.shape == (2, 4) and result.masks.shape == (2, 64, 80)
    assert not model(image, threshold=1) and model(image, threshold=1).boxes.shape == (0, 4)
    # An option holds for one call.
    assert model.inner.metadata.options["threshold"] == 0.5


def test_entries_are_iterated_and_numbered(result):
    assert [item.label for item in result] == ["dog", "cat"]
    assert result[0] == next(iter(result)) and result[-1].label == "cat"
    assert result[np.int64(1)].box == pytest.approx((11, 9, 41, 33))
    assert dict(result[0].details) == {"class_id": 1}
    with pytest.raises(IndexError):
        result[2]


def test_entries_are_selected_by_label_number_and_mask(image):
    result = detector()(image, threshold=0)
    assert result["dog"].scores.tolist() == pytest.approx([0.9, 0.4, 0.1])
    for index, scores in (
        (["cat", "dog"], [0.9, 0.7, 0.4, 0.1]),
        (result.scores > 0.5, [0.9, 0.7]),
        ([True, False, False, True], [0.9, 0.1]),
        (slice(1, 3), [0.7, 0.4]),
        ([3, 0], [0.1, 0.9]),
        (np.array([], int), []),
        ([], []),
    ):
        chosen = result[index]
        assert chosen.scores.tolist() == pytest.approx(scores)
        assert len(chosen.boxes) == len(chosen.masks) == len(chosen.prediction) == len(scores)
        assert len(chosen.to_json()["detections"]) == len(scores)
        assert chosen.source == result.source
    assert len(result) == 4 and result["cat"]["dog"].labels == []
    with pytest.raises(VisusError, match="no class 'dogs'; did you mean dog"):
        result["dogs"]
    with pytest.raises(VisusError, match="no class 'x'; the classes are cat, dog"):
        result["x"]
    with pytest.raises(IndexError):
        result[[True, False]]


def test_results_are_drawn_saved_and_shown(result, image, workplace):
    drawn = result.plot()
    assert drawn.shape == image.shape and (drawn != image).any()
    assert (result[:0].plot() == image).all()
    assert result.save("out/a.png") == Path("out/a.png")
    np.testing.assert_array_equal(np.asarray(Image.open("out/a.png")), drawn)
    shown = Image.open(io.BytesIO(result._repr_png_()))
    assert shown.size == (80, 64)
    large = detector()(np.zeros((1500, 3000, 3), np.uint8))
    assert max(Image.open(io.BytesIO(large._repr_png_())).size) == 1024
    assert repr(result) == "<Result of image, 80x64: 1 dog, 1 cat>"
    with pytest.raises(VisusError, match="would be overwritten"):
        detector()("out/a.png").save("out/a.png")


def test_json_is_the_line_of_the_command(result):
    line = result.to_json()
    assert json.loads(json.dumps(line)) == line
    assert [line[key] for key in ("source", "width", "height", "task")] == [
        *("image", 80, 64, "detection"),
    ]
    assert len(line["detections"]) == 2


def test_tables_have_a_row_for_each_entry(result):
    pandas = pytest.importorskip("pandas")
    table = result.to_pandas()
    assert list(table.columns) == [
        *("source", "label", "score", "x1", "y1", "x2", "y2", "class_id"),
    ]
    assert table.label.tolist() == ["dog", "cat"] and len(result[:0].to_pandas()) == 0
    assert len(pandas.concat([table, result["cat"].to_pandas()])) == 3
    classes = classifier()[0](np.zeros((4, 4, 3), np.uint8)).to_pandas()
    assert list(classes.columns) == ["source", "label", "score"] and len(classes) == 3


def test_other_libraries_are_imported_when_they_are_used(result, monkeypatch):
    for name in ("pandas", "supervision"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(VisusError, match=r"to_pandas\(\): .*pandas.*; pip install pandas"):
        result.to_pandas()
    with pytest.raises(VisusError, match=r"to_supervision\(\): .*; pip install supervision"):
        result.to_supervision()
    made = SimpleNamespace(Detections=lambda **fields: SimpleNamespace(**fields))
    monkeypatch.setitem(sys.modules, "supervision", made)
    detections = result.to_supervision()
    assert detections.xyxy.shape == (2, 4) and detections.mask.shape == (2, 64, 80)
    assert detections.class_id.tolist() == [1, 0] and detections.tracker_id is None
    assert detections.data["class_name"].tolist() == ["dog", "cat"]
    classes = classifier()[0](np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(VisusError, match="a result of classification has no boxes"):
        classes.to_supervision()


def test_entries_of_a_whole_image_cannot_be_selected(image):
    result = classifier()[0](image)
    assert len(result) == 3 and result[0].score == max(result.scores)
    assert [item.label for item in result] == [label for label, _ in result.prediction.labels()]
    with pytest.raises(VisusError, match="describes the whole image"):
        result["red"]
    with pytest.raises(VisusError, match="predicts no masks"):
        _ = result.masks


def test_results_of_every_task_have_entries(image):
    frame = Frame(image, "a.png", None, None, 0.0)
    mask = np.zeros((64, 80), np.uint8)
    mask[:16] = 1
    areas = Result(SegmentationPrediction(mask, ("a", "b"), ((0, 0, 0), (9, 9, 9))), frame, ())
    assert areas.labels == ["a", "b"] and np.isnan(areas.scores).all()
    assert areas[1].details["area"] == 0.25
    geometry = resize_to_input(image, (8, 8), "stretch")[1]
    sentences = ("a dog", "a cat")
    captions = CaptionPrediction(
        sentences, np.array([0.5, 0.25], np.float32), ("a", "dog"), None, geometry
    )
    assert Result(captions, frame, ()).labels == list(sentences)

    class Other:
        task = "mean_colour"

        def to_json(self):
            return {"task": self.task, "colour": [1, 2, 3], "name": "grey"}

        def summary(self):
            return "grey"

    (item,) = Result(Other(), frame, ())
    assert item.details == {"colour": "[1, 2, 3]", "name": "grey"}
