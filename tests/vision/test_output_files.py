"""Outputs replace neither what is read nor each other."""

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visus.vision.errors import VisusError
from visus.vision.output_files import (
    OutputNames,
    copy_image,
    refuse_unwritable,
    replacing,
    write_image,
    write_text,
)


def test_images_beside_the_source_are_not_overwritten(visus, photos):
    folder = photos / "circle"
    Image.open(folder / "1.png").convert("RGB").save(folder / "1.jpg")
    before = (folder / "1.jpg").read_bytes()
    code, _, err = visus("predict", "imagenet", folder / "1.png", "--draw", folder)
    assert code == 2 and "lies beside the source" in err
    assert (folder / "1.jpg").read_bytes() == before


@pytest.mark.parametrize("option", ["--draw", "--explain"])
def test_no_output_replaces_an_image_that_is_read(visus, photos, option):
    # An image in a folder below is drawn into the name of another that is read.
    Image.open(photos / "circle" / "1.png").convert("RGB").save(photos / "1.jpg")
    before = (photos / "1.jpg").read_bytes()
    code, _, err = visus("predict", "imagenet", photos, option, photos)
    assert code == 2 and f"{photos / '1.jpg'}: would be overwritten" in err
    assert (photos / "1.jpg").read_bytes() == before


@pytest.mark.parametrize("option", ["--explain", "--masks", "--mesh", "--timeline"])
def test_two_outputs_do_not_share_a_folder(visus, photos, option):
    code, _, err = visus("predict", "imagenet", photos, "--draw", "out", option, "out")
    assert code == 2 and "writes to it too" in err
    assert not Path("out").exists()


def test_names_do_not_differ_by_case_alone(tmp_path):
    names = OutputNames(tmp_path)
    sources = ("a/cat.png", "b/Cat.png", "c/CAT.bmp")
    made = [names.name(source, ".jpg").name.casefold() for source in sources]
    assert made == ["cat.jpg", "cat-2.jpg", "cat-3.jpg"]


def test_files_of_similar_names_are_written_at_the_same_time(tmp_path):
    names = [f"parking-lot-north-entrance-camera-{i}.json" for i in (1, 2)]
    with replacing(tmp_path / names[0]) as one, replacing(tmp_path / names[1]) as other:
        one.write_text("1")
        other.write_text("2")
    assert [(tmp_path / name).read_text() for name in names] == ["1", "2"]


def test_names_that_are_not_text_are_an_error_that_shows_them(tmp_path):
    with pytest.raises(VisusError, match=r"caf\\xe9\.jpg.* is not UTF-8; rename that file"):
        write_text(tmp_path / "list.txt", "caf\udce9.jpg\n")
    assert not list(tmp_path.iterdir())


def test_outputs_that_cannot_be_written_are_refused_before(tmp_path):
    refuse_unwritable(tmp_path / "new" / "file.json")
    refuse_unwritable(Path("/dev/null"))
    assert list(tmp_path.rglob("*")) == [tmp_path / "new"]
    with pytest.raises(VisusError, match=r"new: cannot be written \(Is a directory\)"):
        refuse_unwritable(tmp_path / "new")
    (tmp_path / "file").touch()
    with pytest.raises(VisusError, match="cannot be written"):
        refuse_unwritable(tmp_path / "file" / "below.json")


def test_a_copy_names_what_cannot_be_read(tmp_path):
    with pytest.raises(VisusError, match=r"gone\.jpg: cannot be read"):
        copy_image(tmp_path / "gone.jpg", tmp_path / "copy.jpg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "size"), [("a.jpg", (1, 70_000)), ("a.psd", (4, 4))])
def test_images_that_a_format_does_not_hold_are_an_error_with_a_remedy(tmp_path, name, size):
    with pytest.raises(VisusError, match=rf"{name}: an image of .* write a \.png"):
        write_image(tmp_path / name, np.zeros((*size, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_names_of_many_equal_stems_take_no_longer_each(tmp_path):
    names = OutputNames(tmp_path)
    made, seconds = [], []
    for start in range(0, 20_000, 1000):
        began = time.process_time()
        numbers = range(start, start + 1000)
        made += [names.name(f"case{i}/image.png", ".jpg").name for i in numbers]
        seconds.append(time.process_time() - began)
    # Trying all earlier numbers takes 20 times as long for the last as for the first.
    assert min(seconds[-5:]) < 5 * min(seconds[:5])
    assert made[0] == "image.jpg" and made[-1] == "image-20000.jpg" and len(set(made)) == 20_000
