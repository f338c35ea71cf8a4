import subprocess
import sys

import pytest

from visus.apps.inference.loading import load_model
from visus.tasks.face_recognition.spec import FaceRecognitionSpec
from visus.vision.errors import VisusError


class Images:
    still, live, rate = True, False, 0.0


@pytest.fixture(scope="module")
def faces():
    return load_model("faces")


def test_options_are_applied_to_the_model(faces):
    values = {"gallery": None, "min_face": 80, "embeddings": True, "min_similarity": 0.95}
    session = FaceRecognitionSpec().configure(faces, values, Images())
    assert session.model is faces and faces.gallery is None
    assert faces.calibration.threshold == 0.95
    assert faces.metadata.options["min_face"] == 80
    assert faces.metadata.options["include_embeddings"] is True


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"min_face": 15}, "--min-face 15 must be at least 16 pixels"),
        ({"min_similarity": 1.5}, "--min-similarity 1.5 must lie between -1 and 1"),
        ({"gallery": "none.db"}, "there is no such file; visus faces enroll creates it"),
        ({"gallery": "qdrant://server"}, "must be qdrant://HOST:PORT/COLLECTION"),
    ],
)
def test_wrong_values_are_refused(faces, workplace, values, words):
    with pytest.raises(VisusError, match=words):
        FaceRecognitionSpec().configure(faces, values, Images())


def test_a_model_of_another_task_is_refused(workplace):
    with pytest.raises(VisusError, match="'imagenet' is a classification model"):
        FaceRecognitionSpec().configure(load_model("imagenet"), {"min_face": 80}, Images())


def test_spec_and_commands_need_neither_torch_nor_numpy():
    code = (
        "import sys; from visus.tasks.face_recognition.spec import FaceRecognitionSpec; "
        "(command,) = FaceRecognitionSpec().commands(); assert len(command.actions) == 7; "
        "assert not {'torch', 'numpy', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
