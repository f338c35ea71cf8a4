import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from visus.datamodules.face3d.data import FaceRendersData
from visus.datamodules.face3d.heads import misplaced
from visus.datamodules.face3d.photographs import PhotographedFace, Photographs
from visus.vision.errors import VisusError

COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255]])
POINTS = np.array([[70, 80], [130, 82], [100, 110], [76, 140], [126, 141]], np.float32)


@pytest.fixture
def dotted(tmp_path):
    """A photograph whose five points have a colour each."""
    image = np.full((220, 200, 3), 60, np.uint8)
    for (x, y), colour in zip(POINTS.astype(int), COLOURS, strict=True):
        image[y - 4 : y + 5, x - 4 : x + 5] = colour
    Image.fromarray(image).save(tmp_path / "dots.png")
    return PhotographedFace(tmp_path / "dots.png", POINTS, "")


def colours_at(batch, i):
    """The colours of the crop at its five points."""
    columns, rows = batch["five_points"][i].long().numpy().T
    return batch["photograph"][i].numpy()[:, rows, columns].T


def test_the_five_points_stay_on_what_they_mark(dotted):
    photographs = Photographs([dotted], (96, 96), 24)
    np.testing.assert_array_equal(colours_at(photographs.exactly([0]), 0), COLOURS)
    batch = photographs.at_random(np.random.default_rng(0))
    mirrored = [1, 0, 2, 4, 3]
    upright = 0
    for i in range(24):
        found = colours_at(batch, i)
        is_upright = (found == COLOURS).all()
        assert is_upright or (found == COLOURS[mirrored]).all()
        # The left eye's place is at the left in a mirror too.
        assert batch["five_points"][i, 0, 0] < batch["five_points"][i, 1, 0]
        upright += is_upright
    assert 4 < upright < 20


@given(st.integers(0, 1000), st.floats(20, 500))
def test_misplaced_squares_lie_around_the_same_middle(seed, side):
    """However large they are: a larger one must not lie aside."""
    rngs = [np.random.default_rng((seed, i)) for i in range(400)]
    squares = np.tile([30.0, 40.0, side], (400, 1))
    moved = misplaced(squares, rngs)
    grown = moved[:, 2] / side
    assert 0.87 <= grown.min() < 0.9 and 1.12 < grown.max() <= 1.15
    aside = (moved[:, :2] + moved[:, 2:] / 2 - (squares[:, :2] + side / 2)) / side
    assert np.abs(aside.mean(0)).max() < 0.008
    for axis in range(2):
        assert abs(np.corrcoef(grown, aside[:, axis])[0, 1]) < 0.25


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


def test_photographs_without_a_face_are_named_and_some_are_held_out(tmp_path, capsys):
    small = {"face_model": "procedural", "image_size": (64, 64), "count": 16, "batch_size": 4}
    folder = save_photographs(tmp_path / "photos")
    tiny = skimage.data.astronaut()[:256:8, 96:352:8]
    Image.fromarray(np.pad(tiny, ((40, 40), (40, 40), (0, 0)))).save(folder / "far.png")
    data = FaceRendersData(**small, photographs=str(folder), photographs_per_batch=3, num_workers=0)
    batch = next(iter(data.train_dataloader()))
    assert batch["image"].shape == (4, 3, 64, 64) == (4, *batch["photograph"].shape[1:])
    assert batch["photograph"].shape[0] == 3 and batch["five_points"].shape == (3, 5, 2)
    told = capsys.readouterr().err
    assert "blank.png: shows no face of 32 pixels" in told and "broken.jpg" in told
    assert data.skipped == 3 and "far.png" in told
    paths = {split: {face.path for face in faces} for split, faces in data.photographed.items()}
    assert not paths["train"] & paths["val"] and len(paths["train"] | paths["val"]) == 9
    shown = sum(len(batch.get("photograph", [])) for batch in data.val_dataloader())
    assert shown == len(data.photographed["val"]) >= 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no such folder"),
        ("", "holds no images"),
        ("blank", "shows no face to train on"),
    ],
)
def test_folders_without_faces_are_refused(tmp_path, content, told):
    folder = tmp_path / "photos"
    if content is not None:
        folder.mkdir()
    if content:
        Image.fromarray(np.full((80, 80, 3), 90, np.uint8)).save(folder / "blank.png")
    data = FaceRendersData(face_model="procedural", count=8, photographs=str(folder), num_workers=0)
    with pytest.raises(VisusError, match=told):
        data.train_dataloader()
    with pytest.raises(VisusError, match="photographs_per_batch 0 must be at least 1"):
        FaceRendersData(face_model="procedural", photographs=str(folder), photographs_per_batch=0)
