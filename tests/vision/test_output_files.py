"""Outputs replace neither what is read nor each other."""

from pathlib import Path

import pytest
from PIL import Image

from visus.vision.output_files import OutputNames


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


def test_two_outputs_do_not_share_a_folder(visus, photos):
    code, _, err = visus("predict", "imagenet", photos, "--draw", "out", "--explain", "out")
    assert code == 2 and "--draw writes to it too" in err
    assert not Path("out").exists()


def test_names_do_not_differ_by_case_alone(tmp_path):
    names = OutputNames(tmp_path)
    sources = ("a/cat.png", "b/Cat.png", "c/CAT.bmp")
    made = [names.name(source, ".jpg").name.casefold() for source in sources]
    assert made == ["cat.jpg", "cat-2.jpg", "cat-3.jpg"]
