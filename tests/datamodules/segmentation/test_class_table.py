"""The classes of masks: numbered, or named in a `classes.csv`."""

import numpy as np
import pytest
from PIL import Image

from tests.conftest import save_masked
from tests.datamodules.segmentation.test_files import masks_of, messages
from visus.datamodules.registry import recognise
from visus.datamodules.segmentation.class_table import read_class_table
from visus.datamodules.segmentation.files import read_segmentation


def test_zero_and_255_need_a_class_table(workplace):
    root = save_masked(workplace / "set", "folders")
    for path in (root / "masks").iterdir():
        ids = np.asarray(Image.open(path))
        Image.fromarray(((ids > 0) * 255).astype(np.uint8)).save(path)
    assert "background,0 and object,255" in messages(read_segmentation(root), "fatal")
    (root / "classes.csv").write_text("name,value\nbackground,0\nobject,255\n")
    listing = read_segmentation(root)
    assert not messages(listing, "fatal") and listing.classes.names == ("background", "object")
    assert {int(value) for mask in masks_of(listing) for value in np.unique(mask)} == {0, 1}


def test_masks_beside_images_are_read_as_roboflow_exports_them(workplace):
    root = save_masked(workplace / "set", "splits")
    for split in ("train", "val"):
        for path in sorted((root / split / "masks").iterdir()):
            (root / split / "images" / path.name).rename(root / split / path.name)
            path.rename(root / split / f"{path.stem}_mask.png")
        (root / split / "_classes.csv").write_text(
            "Pixel Value, Class\n" + "\n".join(f"{i}, kind {i}" for i in range(8))
        )
        for name in ("images", "masks"):
            (root / split / name).rmdir()
    assert recognise(root)[0].task == "segmentation"
    listing = read_segmentation(root)
    assert not messages(listing, "error") and not messages(listing, "fatal")
    assert "is not read" not in messages(listing, "warning")
    assert listing.classes.names[1] == "kind 1"
    assert [image.split for image in listing.samples] == ["train"] * 6 + ["val"] * 2


def test_smoothed_masks_are_refused(workplace):
    root = save_masked(workplace / "set", "folders", size=(120, 144))
    for path in (root / "masks").iterdir():
        ids = np.asarray(Image.open(path))
        mask = Image.fromarray(((ids > 0) * 255).astype(np.uint8))
        mask.resize((72, 60), Image.Resampling.LANCZOS).resize(
            (144, 120), Image.Resampling.BICUBIC
        ).save(path)
    assert "values, mostly 0 and 255: their edges are smoothed" in messages(
        read_segmentation(root), "fatal"
    )


@pytest.mark.parametrize(
    "text",
    [
        "name,colour\nsky,#ff0000\nroad,#0000ff\n",
        "name,color\nsky,255 0 0\nroad,0 0 255\n",
        "name, r, g, b\nsky,255,0,0\nroad,0,0,255\n",
    ],
)
def test_colours_are_written_in_several_ways(workplace, text):
    path = workplace / "classes.csv"
    path.write_text(text)
    table, problems = read_class_table(path, 255)
    assert not problems and table.by_colour
    assert table.ids == {0xFF0000: 0, 0x0000FF: 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,colour\na,#12345\n", "classes.csv:2: invalid colour '#12345'"),
        ("name,colour\na,1 2 300\n", "classes.csv:2: invalid colour '1 2 300'"),
        ("name,value\na,1\nb,256\n", "classes.csv:3: value '256'"),
        ("name,value\na,1\nb,1\n", "classes.csv:3: 'b' has the value 1 of another class"),
        ("name,colour\na,#010203\nb,1 2 3\n", "'b' has the colour of another class"),
        ("name\na\na\n", "classes.csv:3: the name 'a' is a duplicate"),
        ('name\na\n""\n', "classes.csv:3: the name '' is empty"),
    ],
)
def test_a_wrong_class_table_is_reported_by_line(workplace, text, words):
    root = save_masked(workplace / "set", "folders", 2)
    (root / "classes.csv").write_text(text)
    (root / "masks" / "p1.png").unlink()
    report = messages(read_segmentation(root), "fatal")
    assert words in report
    # The problems of other files are in the same report.
    assert "p1.png: has no mask" in messages(read_segmentation(root))


def test_every_line_of_a_class_table_is_reported(workplace):
    path = workplace / "classes.csv"
    path.write_text("name,value\n,1\nb,x\nc,3\nc,4\nd,3\ne,1_0\n\0,9\n" + "f" * 300 + ",8\n")
    table, problems = read_class_table(path, 255)
    assert table.names == ("c",)
    assert {p.place for p in problems} == {f"{path}:{line}" for line in (2, 3, 5, 6, 7, 8, 9)}
    # Without numbers, a line that is missing would shift the classes below.
    path.write_text("name\na\n\nb\n")
    assert "the numbers are unknown" in str(read_class_table(path, 255)[1][0])
