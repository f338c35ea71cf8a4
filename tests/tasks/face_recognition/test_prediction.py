import json

import numpy as np
import pytest

from visus.tasks.face_recognition.draw import draw_faces
from visus.tasks.face_recognition.prediction import FacePrediction, postprocess
from visus.tasks.face_recognition.spec import FaceRecognitionSpec
from visus.vision.faces.found import FoundFaces
from visus.vision.metadata import ModelMetadata


def metadata(**options):
    size, constants = (112, 112), (127.5, 127.5, 127.5)
    return ModelMetadata(
        "face_recognition", (), size, 3, "stretch", constants, constants, options=options
    )


def three_faces():
    boxes = np.array([[10, 10, 50, 60], [60, 5, 90, 45], [0, 70, 20, 95]], np.float32)
    landmarks = np.tile(boxes[:, None, :2] + 5, (1, 5, 1))
    scores = np.array([0.99, 0.9, 0.8], np.float32)
    return FoundFaces(boxes, scores, landmarks, (100, 120), ("", "too blurred", ""))


def test_embeddings_are_assigned_to_the_faces_without_a_problem():
    vectors = np.eye(2, 4, dtype=np.float32)
    prediction = postprocess([vectors], three_faces(), metadata())
    assert isinstance(prediction, FacePrediction) and len(prediction) == 3
    np.testing.assert_array_equal(prediction.embedding(0), vectors[0])
    np.testing.assert_array_equal(prediction.embedding(2), vectors[1])
    assert prediction.embedding(1) is None and np.isnan(prediction.embeddings[1]).all()
    single = postprocess([vectors[0]], three_faces().select([0]), metadata())
    np.testing.assert_array_equal(single.embeddings, vectors[:1])
    none = postprocess([np.zeros((0, 4), np.float32)], FoundFaces.none((9, 9)), metadata())
    assert none.embeddings.shape == (0, 4) and none.summary() == "no face"


def test_json_holds_names_problems_and_embeddings_where_there_are_any():
    vectors = np.eye(2, 4, dtype=np.float32)
    plain = postprocess([vectors], three_faces(), metadata()).to_json()["faces"]
    assert [set(face) for face in plain] == [
        {"box", "landmarks", "score"},
        {"box", "landmarks", "score", "problem"},
        {"box", "landmarks", "score"},
    ]
    prediction = FacePrediction(
        **vars(three_faces()),
        embeddings=np.array([[1, 0], [np.nan, np.nan], [0, 1]], np.float32),
        names=("Ada", None, None),
        similarities=np.array([0.97, np.nan, 0.2], np.float32),
        include_embeddings=True,
    )
    faces = json.loads(json.dumps(prediction.to_json()))["faces"]
    assert [face["name"] for face in faces] == ["Ada", None, None]
    assert [face["similarity"] for face in faces] == [0.97, None, 0.2]
    assert faces[0]["embedding"] == [1, 0] and "embedding" not in faces[1]
    assert prediction.summary() == "Ada 0.97, unknown 0.20; left out: too blurred"


def test_every_embedded_face_is_named_before_the_problems_of_others():
    problems = ("too small: 26 pixels, 40 needed", "", "too small: 20 pixels, 40 needed")
    values = {**vars(three_faces()), "problems": problems}
    text = FacePrediction(**values).summary()
    assert text == f"a face 0.90; left out: {problems[0]}, {problems[2]}"
    values["problems"] = (problems[0],) * 3
    assert FacePrediction(**values).summary().startswith("no usable face; left out: too small")


def test_an_unknown_faces_similarity_never_reads_as_its_threshold():
    prediction = FacePrediction(
        **vars(three_faces()),
        names=(None, None, "Ada"),
        similarities=np.array([0.92896, np.nan, 0.9291], np.float32),
        nearest=("Bob", None, "Ada"),
        threshold=0.929,
    )
    assert prediction.label(0) == "unknown 0.92896" and prediction.label(2) == "Ada 0.93"
    assert prediction.summary() == "unknown (nearest Bob 0.92896), Ada 0.93; left out: too blurred"
    faces = prediction.to_json()["faces"]
    assert faces[0]["nearest"] == "Bob" and faces[0]["similarity"] < 0.929
    assert all("nearest" not in face for face in faces[1:])
    assert prediction.select([0, 2]).nearest == ("Bob", "Ada")


def test_wrong_lengths_are_refused():
    with pytest.raises(ValueError, match="3 faces need as many embeddings, names"):
        FacePrediction(**vars(three_faces()), names=("Ada",))


def test_the_nearest_and_the_largest_face_are_selected():
    faces = three_faces()
    assert faces.largest() == 0
    assert faces.nearest_to_centre() == 1
    assert faces.select([2, 1]).problems == ("", "too blurred")


def test_a_name_has_one_colour_in_every_image():
    image = np.full((100, 120, 3), 90, np.uint8)
    values = {**vars(three_faces()), "similarities": np.ones(3, np.float32)}
    first = draw_faces(image, FacePrediction(**values, names=("Ada", None, "Bob")), False)
    second = draw_faces(image, FacePrediction(**values, names=("Ada", None, None)), True)
    assert first.shape == image.shape and not np.array_equal(first, image)
    corner = (30, 10)
    assert (first[corner] == second[corner]).all() and (first[corner] != 90).any()
    assert (image == 90).all()


def test_agreement_with_an_export_is_the_fraction_of_equal_faces():
    compare = FaceRecognitionSpec().compare_outputs
    expected = np.eye(4, 8, dtype=np.float32)
    assert compare((expected,), (expected,)) == (0.0, 1.0)
    other = expected.copy()
    other[0] = expected[1]
    difference, same = compare((other,), (expected,))
    assert difference == 1 and same == 0.75
