import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from visus.tasks.classification.prediction import ClassificationPrediction, postprocess
from visus.vision.errors import VisusError
from visus.vision.metadata import ModelMetadata
from visus.vision.resize import resize_to_input

NAMES = ("cat", "dog", "Übergröße")


def metadata(**options):
    constants = (127.5,) * 3
    return ModelMetadata(
        "classification", NAMES, (8, 8), 3, "crop", constants, constants, dict(options)
    )


def predict(logits, **options):
    _, geometry = resize_to_input(np.zeros((4, 4, 3), np.uint8), (8, 8), "crop")
    return postprocess([np.asarray(logits)], geometry, metadata(**options))


@given(arrays(np.float32, 3, elements=st.floats(-1e4, 1e4, width=32)))
def test_softmax_is_a_distribution(logits):
    prediction = predict(logits)
    assert prediction.scores.sum() == pytest.approx(1, abs=1e-5)
    best, _ = prediction.top(1)[0]
    # Logits that differ by less than the precision of a score are a tie.
    assert logits[NAMES.index(best)] == pytest.approx(logits.max(), abs=1e-5)


def test_multi_label_predicts_scores_of_at_least_a_half():
    prediction = predict([3.0, -3.0, 1.0], multi_label=True)
    assert [label for label, _ in prediction.labels()] == ["cat", "Übergröße"]
    assert predict([-3.0, -3.0, -1.0], multi_label=True).to_json()["classes"] == []


def test_json_is_sorted_by_descending_score():
    entry = json.loads(json.dumps(predict([0.0, 2.0, 1.0]).to_json()))
    assert entry["task"] == "classification"
    assert [c["label"] for c in entry["classes"]] == ["dog", "Übergröße", "cat"]


@given(arrays(np.float32, 9, elements=st.sampled_from([0, 0.25, 0.5, 1])), st.integers(0, 12))
def test_top_sorts_by_score_and_equal_scores_by_class_id(scores, count):
    names = tuple("abcdefghi")
    expected = sorted(zip(names, scores.tolist(), strict=True), key=lambda pair: -pair[1])
    assert ClassificationPrediction(scores, names).top(count) == expected[:count]


@pytest.mark.parametrize("scores", [[0.5, 0.5], [0.1, 0.2, 1.5], [0.1, 0.2, np.nan]])
def test_impossible_scores_are_refused(scores):
    with pytest.raises(ValueError):
        ClassificationPrediction(np.array(scores, np.float32), NAMES)


def test_metadata_survives_json():
    stored = json.loads(json.dumps(metadata(multi_label=True).to_dict()))
    assert ModelMetadata.from_dict(stored, "here") == metadata(multi_label=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"format": 99}, "format 99"), ({"resize_mode": "squeeze"}, "squeeze")],
)
def test_metadata_of_an_unknown_format_or_resize_mode_is_refused(change, words):
    with pytest.raises(VisusError, match=words):
        ModelMetadata.from_dict({**metadata().to_dict(), **change}, "x.onnx")
    with pytest.raises(VisusError, match=r"x\.onnx"):
        ModelMetadata.from_dict(None, "x.onnx")
    with pytest.raises(VisusError, match="lacks task"):
        ModelMetadata.from_dict({"format": 1}, "x.onnx")
