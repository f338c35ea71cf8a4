import numpy as np
import pytest

from visus.datamodules.classification.npz import NpzData
from visus.vision.errors import VisusError

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (40, 6, 8), np.uint8)
LABELS = np.arange(40) % 3


def saved(path, **arrays):
    np.savez(path / "images.npz", **arrays)
    return NpzData(str(path / "images.npz"))


def write_npz(folder):
    """A file with all parts, of three classes."""
    path = folder / "images.npz"
    parts = {f"x_{part}": IMAGES for part in ("train", "val", "test")}
    np.savez(path, **parts, **{f"y_{part}": LABELS for part in ("train", "val", "test")})
    return path


def test_flat_float_rows_are_square_images(tmp_path):
    rows = (IMAGES[:, :6, :6].reshape(40, 36) / 255).astype(np.float32)
    data = saved(tmp_path, X_train=rows, y_train=LABELS[:, None], X_valid=rows, y_valid=LABELS)
    assert data.image_size == (6, 6) and data.in_channels == 1 and data.class_names == tuple("012")
    assert len(data.splits["train"][0]) == len(data.splits["val"][0]) == 40
    np.testing.assert_array_equal(data.splits["val"][0][..., 0], IMAGES[:, :6, :6])


def test_without_a_validation_part_some_training_images_are_held_out(tmp_path):
    colour = np.repeat(IMAGES[..., None], 3, 3)
    data = saved(tmp_path, x_train=colour, y_train=LABELS, x_test=colour[:5], y_test=LABELS[:5])
    sizes = {name: len(images) for name, (images, _) in data.splits.items()}
    assert sizes["train"] + sizes["val"] == 40 and sizes["val"] > 0 and sizes["test"] == 5
    assert data.in_channels == 3 and data.image_size == (6, 8)
    sample = data.dataset("test").__getitems__([0])
    assert tuple(sample["image"].shape) == (1, 3, 6, 8)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": IMAGES}, "has no array x_train, but images"),
        ({"x_train": IMAGES}, "has x_train without y_train"),
        ({"x_train": IMAGES, "y_train": LABELS[:7]}, "x_train: 40 images, 7 labels"),
        ({"x_train": IMAGES, "y_train": LABELS / 2}, "y_train: labels must be whole numbers"),
        ({"x_train": IMAGES, "y_train": LABELS - 1}, "y_train: labels must be whole numbers"),
        ({"x_train": IMAGES * 1.0, "y_train": LABELS}, "float64 from 0 to 255; store uint8"),
        ({"x_train": IMAGES / np.nan, "y_train": LABELS}, "nan to nan; store uint8"),
        ({"x_train": np.zeros((40, 37)), "y_train": LABELS}, "rows of 37 values are not square"),
        ({"x_train": np.zeros((40, 4, 4, 2)), "y_train": LABELS}, "with 1 or 3 channels"),
        ({"x_train": np.array([{}] * 40), "y_train": LABELS}, "cannot be read as .npz"),
    ],
)
def test_wrong_arrays_are_named(tmp_path, arrays, words):
    with pytest.raises(VisusError, match=words):
        saved(tmp_path, **arrays)


def test_a_file_of_another_kind_and_a_missing_part_are_named(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(VisusError, match=r"cannot be read as \.npz"):
        NpzData(str(tmp_path / "text.npz"))
    with pytest.raises(VisusError, match=r"cannot be read as \.npz"):
        NpzData(str(tmp_path / "missing.npz"))
    data = saved(tmp_path, x_train=IMAGES, y_train=LABELS)
    with pytest.raises(VisusError, match="has no test split, but train, val"):
        data.dataset("test")
