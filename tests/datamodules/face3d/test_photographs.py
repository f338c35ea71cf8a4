from dataclasses import replace

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from visus.datamodules.face3d.data import FaceRendersData
from visus.datamodules.face3d.heads import jitter_squares
from visus.datamodules.face3d.photographs import PhotographedFace, Photographs
from visus.datamodules.face3d.spec import Face3DDataSpec
from visus.vision.errors import VisusError

COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255]])
POINTS = np.array([[70, 80], [130, 82], [100, 110], [76, 140], [126, 141]], np.float32)


@pytest.fixture
def dotted(tmp_path):
    """A photograph with a dot of another colour at each of its five landmarks."""
    image = np.full((220, 200, 3), 60, np.uint8)
    for (x, y), colour in zip(POINTS.astype(int), COLOURS, strict=True):
        image[y - 4 : y + 5, x - 4 : x + 5] = colour
    Image.fromarray(image).save(tmp_path / "dots.png")
    return PhotographedFace(tmp_path / "dots.png", POINTS, "")


def colours_at(batch, i):
    """The colours of the crop at its five landmarks."""
    columns, rows = batch["five_points"][i].long().numpy().T
    return batch["photograph"][i].numpy()[:, rows, columns].T


def test_the_landmarks_follow_the_crop(dotted):
    photographs = Photographs([dotted], (96, 96), 24)
    np.testing.assert_array_equal(colours_at(photographs.select([0]), 0), COLOURS)
    batch = photographs.sample(np.random.default_rng(0))
    mirrored = [1, 0, 2, 4, 3]
    not_mirrored = 0
    for i in range(24):
        colours = colours_at(batch, i)
        unchanged = (colours == COLOURS).all()
        assert unchanged or (colours == COLOURS[mirrored]).all()
        # The first landmark is the eye on the left of the image in mirror images too.
        assert batch["five_points"][i, 0, 0] < batch["five_points"][i, 1, 0]
        not_mirrored += unchanged
    assert 4 < not_mirrored < 20


def test_half_of_the_faces_are_pairs_of_one_person(dotted):
    people = ("a", "a", "a", "b", "", "c", "c", "d")
    faces = [replace(dotted, person=person) for person in people]
    photographs = Photographs(faces, (32, 32), 8)
    for seed in range(20):
        person = photographs.sample(np.random.default_rng(seed))["person"]
        assert person[0] == person[1] != person[2] == person[3]
    assert "person" not in Photographs([dotted] * 3, (32, 32), 8).sample(np.random.default_rng(0))


@given(st.integers(0, 1000), st.floats(20, 500))
def test_jittered_squares_have_the_same_mean_centre(seed, side):
    """Whatever their size: a larger one must not be off-centre."""
    rngs = [np.random.default_rng((seed, i)) for i in range(400)]
    squares = np.tile([30.0, 40.0, side], (400, 1))
    moved = jitter_squares(squares, rngs)
    scale = moved[:, 2] / side
    assert 0.87 <= scale.min() < 0.9 and 1.12 < scale.max() <= 1.15
    offset = (moved[:, :2] + moved[:, 2:] / 2 - (squares[:, :2] + side / 2)) / side
    assert np.abs(offset.mean(0)).max() < 0.008
    for axis in range(2):
        assert abs(np.corrcoef(scale, offset[:, axis])[0, 1]) < 0.25


def save_photographs(folder):
    """Write nine photographs of one face, in two folders, and files that show none."""
    rng = np.random.default_rng(0)
    for i in range(9):
        face = skimage.data.astronaut()[i : 256 + i, 96:352]
        noisy = (face + rng.normal(0, 5, face.shape)).clip(0, 255).astype(np.uint8)
        path = folder / f"p{i % 2}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noisy).save(path)
    Image.fromarray(np.full((80, 80, 3), 90, np.uint8)).save(folder / "blank.png")
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


def test_photographs_without_a_face_are_reported_and_some_are_held_out(tmp_path, capsys):
    small = {"face_model": "procedural", "image_size": (64, 64), "count": 16, "batch_size": 4}
    folder = save_photographs(tmp_path / "photos")
    tiny = skimage.data.astronaut()[:256:8, 96:352:8]
    Image.fromarray(np.pad(tiny, ((40, 40), (40, 40), (0, 0)))).save(folder / "far.png")
    data = FaceRendersData(**small, photographs=str(folder), photographs_per_batch=3, num_workers=0)
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (4, 3, 64, 64) == (4, *batch["photograph"].shape[1:])
    assert batch["photograph"].shape[0] == 3 and batch["five_points"].shape == (3, 5, 2)
    printed = capsys.readouterr().err
    assert "blank.png: shows no face of 32 pixels" in printed and "broken.jpg" in printed
    assert data.skipped == 3 and "far.png" in printed
    paths = {split: {face.path for face in faces} for split, faces in data.photographed.items()}
    assert not paths["train"] & paths["val"] and len(paths["train"] | paths["val"]) == 9
    shown = sum(len(batch.get("photograph", [])) for batch in data.val_dataloader())
    assert shown == len(data.photographed["val"]) >= 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no such folder"),
        ("", "holds no images"),
        ("blank", "shows no face to train on"),
    ],
)
def test_folders_without_faces_are_refused(tmp_path, content, words):
    folder = tmp_path / "photos"
    if content is not None:
        folder.mkdir()
    if content:
        Image.fromarray(np.full((80, 80, 3), 90, np.uint8)).save(folder / "blank.png")
    data = FaceRendersData(face_model="procedural", count=8, photographs=str(folder), num_workers=0)
    with pytest.raises(VisusError, match=words):
        data.train_dataloader()
    with pytest.raises(VisusError, match="photographs_per_batch 0 must be at least 1"):
        FaceRendersData(face_model="procedural", photographs=str(folder), photographs_per_batch=0)


def test_data_check_detects_the_faces_of_a_folder(visus, workplace):
    save_photographs(workplace / "photos")
    code, out, err = visus("data", "check", "photos", "--task", "face3d")
    assert code == 0, err
    assert "11 photographs, 9 usable faces in 9" in out
    assert "blank.png: shows no face of 32 pixels" in out and "broken.jpg" in out
    assert "2 problems (2 warning)" in out
    (workplace / "blank").mkdir()
    Image.fromarray(np.full((80, 80, 3), 90, np.uint8)).save("blank/a.png")
    code, out, err = visus("data", "check", "blank", "--task", "face3d")
    assert code == 2 and "shows no face to train on" in out
    # Photographs without labels may be for any task.
    assert Face3DDataSpec().recognise(workplace / "photos") == ""
