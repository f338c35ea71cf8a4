import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.data import astronaut
from torch.nn import functional as F

from visus.models.faces.mtcnn import create_face_finder, read_arrays
from visus.tasks.face_recognition.data_info import FaceRecognitionInfo
from visus.tasks.face_recognition.networks import create_identity_loss
from visus.tasks.face_recognition.networks.dlib_resnet import MEAN, DlibResNet, load_dlib_weights
from visus.tasks.face_recognition.task import FaceRecognitionTask
from visus.tasks.registry import find_weights
from visus.vision.errors import VisusError
from visus.vision.faces.detection import find_faces


@pytest.fixture(scope="module")
def dlib_file():
    return find_weights("faces").path()


def test_the_port_of_dlibs_network_agrees_with_dlib(dlib_file):
    import dlib

    reference = dlib.face_recognition_model_v1(str(dlib_file))
    network = DlibResNet().eval()
    load_dlib_weights(network, dlib_file)
    rng = np.random.default_rng(0)
    photograph = np.ascontiguousarray(astronaut()[30:180, 150:300])
    for face in (photograph, rng.integers(0, 256, (150, 150, 3), dtype=np.uint8)):
        expected = np.array(reference.compute_face_descriptor(face))
        pixels = torch.from_numpy(face).permute(2, 0, 1)[None].float()
        with torch.inference_mode():
            found = network((pixels - torch.tensor(MEAN).view(1, 3, 1, 1)) / 256)[0].numpy()
        assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:-1], "ends too early"),
        (lambda data: data + b"0", "1 bytes follow"),
        (lambda data: data[:2000], "damaged at byte"),
        (lambda data: b"\x01\x01" + b"\x01\x02no" + data[6:], "'no' instead of 'loss_metric_2'"),
        (lambda data: b"", "ends too early"),
    ],
)
def test_a_damaged_file_is_refused(dlib_file, tmp_path, change, words):
    path = tmp_path / "damaged.dat"
    path.write_bytes(change(dlib_file.read_bytes()))
    with pytest.raises(VisusError, match=words):
        load_dlib_weights(DlibResNet(), path)


def test_a_face_and_its_landmarks_are_detected():
    stages = create_face_finder().stages()
    faces = find_faces(np.ascontiguousarray(astronaut()), stages, 40)
    assert len(faces) == 1 and faces.scores[0] > 0.99
    np.testing.assert_allclose(faces.boxes[0], [180, 62, 267, 174], atol=8)
    left, right, nose, *mouth = faces.landmarks[0]
    assert left[0] < nose[0] < right[0] and left[1] < nose[1] < mouth[0][1]
    for angle in (1, 3):
        turned = np.ascontiguousarray(np.rot90(astronaut(), angle))
        assert len(find_faces(turned, stages, 40)) <= 1


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (11, 11), (12, 12), (40, 700)])
def test_no_face_is_detected_in_plain_images(shape):
    stages = create_face_finder().stages()
    for value in (0, 128, 255):
        assert len(find_faces(np.full((*shape, 3), value, np.uint8), stages, 20)) == 0


class Harmful:
    def __reduce__(self):
        return (Path.touch, (Path("harmed"),))


def test_a_hostile_file_of_arrays_runs_nothing(tmp_path, monkeypatch):
    import lz4.frame

    monkeypatch.chdir(tmp_path)
    for content in ([Harmful()], [np.ones(3)], {"a": 1}, ["text"]):
        Path("x.lz4").write_bytes(lz4.frame.compress(pickle.dumps(content)))
        with pytest.raises(VisusError, match=r"x.lz4: holds"):
            read_arrays(Path("x.lz4"))
    Path("x.lz4").write_bytes(b"nonsense")
    with pytest.raises(VisusError, match="holds no list of arrays"):
        read_arrays(Path("x.lz4"))
    assert not Path("harmed").exists()


@pytest.mark.parametrize("name", ["arcface", "cosface", "triplet"])
def test_losses_are_smaller_for_embeddings_that_separate_people(name):
    torch.manual_seed(0)
    loss = create_identity_loss(name, 4, 2, scale=16.0, margin=0.3)
    people = torch.tensor([0, 0, 1, 1])
    if name != "triplet":
        with torch.no_grad():
            loss.centres.copy_(torch.eye(2, 4))
    good = torch.eye(2, 4)[people]
    worse = F.normalize(good + 0.5 * torch.randn(4, 4))
    bad = good[[2, 0, 0, 2]]
    assert loss(good, people) < loss(worse, people) < loss(bad, people)
    perfect = good.clone().requires_grad_()
    loss(perfect, people).backward()
    assert torch.isfinite(perfect.grad).all()


def test_arcface_without_a_margin_is_cross_entropy_of_cosines():
    loss = create_identity_loss("arcface", 4, 3, scale=8.0, margin=0.0)
    embeddings = F.normalize(torch.randn(5, 4))
    people = torch.tensor([0, 1, 2, 0, 1])
    logits = 8 * embeddings @ F.normalize(loss.centres).T
    torch.testing.assert_close(loss(embeddings, people), F.cross_entropy(logits, people))


@pytest.mark.parametrize(
    ("name", "margin"), [("arcface", 0.5), ("cosface", 0.35), ("triplet", 0.3)]
)
def test_losses_have_default_margins(name, margin):
    torch.manual_seed(0)
    embeddings, people = F.normalize(torch.randn(6, 4)), torch.tensor([0, 1, 2, 0, 1, 2])
    values = []
    for given in (None, margin, margin + 0.1):
        torch.manual_seed(1)
        loss = create_identity_loss(name, 4, 3, 8.0, given)
        values.append(float(loss(embeddings, people).detach()))
    assert values[0] == values[1] < values[2]


def test_wrong_arguments_of_losses_are_refused():
    with pytest.raises(VisusError, match="'softmax' is unknown; choose from arcface"):
        create_identity_loss("softmax", 4, 2, 16.0, 0.3)
    with pytest.raises(VisusError, match=r"model.scale 0"):
        create_identity_loss("arcface", 4, 2, 0.0, 0.3)


@pytest.mark.parametrize("name", ["arcface", "cosface", "triplet"])
def test_losses_are_computed_in_full_precision(name):
    torch.manual_seed(0)
    info = FaceRecognitionInfo(image_size=(32, 32), people_count=2)
    task = FaceRecognitionTask(info, backbone="test_resnet", loss=name)
    task.log = lambda *_, **__: None
    used = []
    task.identity_loss.register_forward_hook(
        lambda *_: used.append(torch.is_autocast_enabled("cpu"))
    )
    images = torch.randint(0, 256, (4, 3, 32, 32)).byte()
    with torch.autocast("cpu", torch.bfloat16):
        loss = task.training_step({"image": images, "person": torch.arange(4) // 2}, 0)
    assert loss.dtype == torch.float32 and used == [False]
