"""Galleries of faces in Python; `images` are made by tests/faces.py."""

from pathlib import Path

import cv2
import numpy as np
import pytest

import visus as package
from tests.apps.python.toy import classifier
from visus.tasks.face_recognition.sqlite_gallery import SqliteGallery
from visus.vision.errors import VisusError
from visus.vision.images import read_image


@pytest.fixture(scope="module")
def faces():
    return package.load("faces")


@pytest.fixture
def gallery(faces, images):
    return package.faces.Gallery("g.db", faces)


def test_people_are_enrolled_identified_verified_and_forgotten(gallery, images):
    with pytest.warns(UserWarning, match=r"none.png: shows no face"):
        assert gallery.enroll("Eileen", ["a.png", "none.png"], consent="in writing") == 1
    assert gallery.enroll("Eileen", read_image("lighter.png"), consent="again", add=True) == 1
    (person,) = gallery.people()
    assert (person.name, person.faces) == ("Eileen", 2)
    (face,) = gallery.identify("a.png")
    assert face.name == "Eileen" and face.candidates[0].similarity > 0.99 and not face.problem
    assert face.box[0] < face.box[2] and face.score > 0.9
    (unknown,) = gallery.identify(read_image("a.png") // 2, threshold=1)
    assert unknown.name is None and unknown.candidates[0].name == "Eileen"
    (blurred,) = gallery.identify("blurred.png")
    assert blurred.problem == "too blurred" and blurred.candidates == ()
    assert len(gallery.identify("two.png")) == 2 and gallery.identify("none.png") == []
    match = gallery.verify("a.png", name="Eileen")
    assert match and match.similarity > 0.99 and match.threshold == pytest.approx(0.929)
    assert not gallery.verify(read_image("a.png") // 2, name="Eileen", threshold=1.0)
    assert gallery.forget("Eileen") == 2 and gallery.people() == []


def test_candidates_are_ranked(gallery, images):
    gallery.enroll("Eileen", "a.png", consent="yes")
    store = SqliteGallery(Path("g.db"), gallery._pipeline.fingerprint)
    rng = np.random.default_rng(0)
    for i in range(8):
        vector = rng.normal(size=128).astype(np.float32)
        store.enrol(f"P{i}", (vector / np.linalg.norm(vector))[None], "yes", [], False)
    (face,) = gallery.identify("a.png", count=3)
    similarities = [each.similarity for each in face.candidates]
    assert face.candidates[0].name == "Eileen" and len(similarities) == 3
    assert similarities == sorted(similarities, reverse=True)


def test_images_are_compared_and_searched_without_enrolment(faces, images):
    gallery = package.faces.Gallery("new/none.db", faces, channels="bgr")
    assert gallery.verify(cv2.imread("a.png"), "lighter.png")
    folder = Path("people")
    folder.mkdir()
    for name in ("none.png", "two.png", "blurred.png"):
        Path(name).rename(folder / name)
    (folder / "damaged.png").write_bytes(b"x")
    with pytest.warns(UserWarning, match=r"damaged.png: "):
        found = gallery.find("a.png", folder)
    assert [each.path.name for each in found] == ["two.png", "two.png"]
    assert found[0].similarity >= found[1].similarity > 0.9
    with pytest.raises(VisusError, match="holds no images"):
        gallery.find("a.png", "new")
    assert not Path("new").exists()


def test_wrong_uses_are_refused(gallery, images):
    with pytest.raises(VisusError, match=r"^gallery 'g.db': there is no such file"):
        gallery.identify("a.png")
    with pytest.raises(TypeError, match="with another image or with name="):
        gallery.verify("a.png")
    with pytest.raises(VisusError, match="name and consent must not be empty"):
        gallery.enroll("Eileen", "a.png", consent=" ")
    with pytest.raises(VisusError, match=r"none.png: shows no face .*nothing was enrolled"):
        gallery.enroll("Eileen", "none.png", consent="yes")
    gallery.enroll("Eileen", "a.png", consent="yes")
    with pytest.raises(VisusError, match="is enrolled already; pass add for more faces"):
        gallery.enroll("Eileen", "a.png", consent="yes")
    with pytest.raises(VisusError, match="threshold 2 must lie between -1 and 1"):
        gallery.identify("a.png", threshold=2)
    with pytest.raises(VisusError, match=r"'Ada' is not in g.db"):
        gallery.verify("a.png", name="Ada")
    with pytest.raises(VisusError, match=r"two.png: shows 2 faces"):
        gallery.verify("a.png", "two.png")
    with pytest.raises(TypeError, match="one image is expected, not several"):
        gallery.identify(["a.png", "a.png"])
    with pytest.raises(VisusError, match="use one of face recognition"):
        package.faces.Gallery("g.db", classifier()[0]).identify("a.png")
    assert repr(gallery) == "<Gallery g.db>"


def test_results_of_faces_select_and_draw(faces, images):
    result = faces("two.png")
    assert len(result) == 2 and result.labels == ["", ""]
    first = result[:1]
    assert len(first.prediction) == 1 and len(first.prediction.embeddings) == 1
    assert (result.plot() != result.image).any()
    named = package.faces.Gallery("g.db", faces)
    named.enroll("Eileen", "a.png", consent="yes")
    result = faces("two.png", gallery="g.db")
    assert len(result["Eileen"]) == 2 and result[0].details["similarity"] > 0.9
    # The gallery was opened for that call alone.
    assert faces("a.png").labels == [""]
