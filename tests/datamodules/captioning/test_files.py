import json

import numpy as np
import pytest
from PIL import Image

from visus.datamodules.captioning.files import is_captions, read_captions
from visus.vision.errors import VisusError


def images(root, count=4, folder="images"):
    for i in range(count):
        path = root / folder / f"p{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((12, 10, 3), 40 * i, np.uint8)).save(path)
    return root


def write_csv(root):
    rows = ["image,caption"]
    rows += [f'p{i}.png,"A ""grey"" square, number {i}."' for i in range(4)]
    rows += ["p0.png,Another, without quotes"]
    (root / "captions.csv").write_text("\n".join(rows), encoding="utf-8-sig")


def write_flickr(root):
    lines = [f"p{i}.png#{j}\tA grey square , number {i} ." for i in range(4) for j in range(2)]
    (root / "Flickr8k.token.txt").write_text("\n".join(lines))
    (root / "Flickr_8k.trainImages.txt").write_text("p0.png\np1.png\n")
    (root / "Flickr_8k.devImages.txt").write_text("p2.png\n")
    (root / "Flickr_8k.testImages.txt").write_text("p3.png\n")


def write_kaggle(root):
    rows = ["image,caption", *(f"p{i}.png,A grey square , number {i} ." for i in range(4))]
    (root / "captions.txt").write_text("\n".join(rows))


def write_karpathy(root):
    splits = ("train", "restval", "val", "test")
    images = [
        {
            "filename": f"p{i}.png",
            "filepath": "images",
            "split": splits[i],
            "sentences": [{"raw": f"A grey square, number {i}."}],
        }
        for i in range(4)
    ]
    (root / "dataset.json").write_text(json.dumps({"images": images, "dataset": "x"}))


def write_coco(root):
    for split, members in (("train", (0, 1)), ("val", (2, 3))):
        content = {
            "images": [{"id": i, "file_name": f"p{i}.png"} for i in members],
            "annotations": [
                {"id": i, "image_id": i, "caption": f"A grey square, number {i}."} for i in members
            ],
        }
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"captions_{split}2017.json").write_text(json.dumps(content))


def write_list(root):
    for split, members in (("train", (0, 1)), ("val", (2, 3))):
        content = [{"image": f"p{i}.png", "captions": [f"A grey square, number {i}."]}
                   for i in members]  # fmt: skip
        (root / f"{split}.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("write", "splits"),
    [
        (write_csv, ["", "", "", ""]),
        (write_flickr, ["train", "train", "val", "test"]),
        (write_kaggle, ["", "", "", ""]),
        (write_karpathy, ["train", "train", "val", "test"]),
        (write_coco, ["train", "train", "val", "val"]),
        (write_list, ["train", "train", "val", "val"]),
    ],
)
def test_every_format_is_recognised(tmp_path, write, splits):
    write(images(tmp_path))
    assert is_captions(tmp_path)
    listing = read_captions(tmp_path)
    assert [p.path.name for p in listing.samples] == [f"p{i}.png" for i in range(4)]
    assert [p.split for p in listing.samples] == splits
    for i, image in enumerate(listing.samples):
        assert (
            image.captions[0]
            .replace('"', "")
            .replace(" ,", ",")
            .startswith(f"A grey square, number {i}")
        )
    assert listing.problems == () and listing.left_out == 0


def test_quotes_and_commas_stay_in_captions(tmp_path):
    write_csv(images(tmp_path))
    first = read_captions(tmp_path).samples[0]
    assert first.captions == ('A "grey" square, number 0.', "Another, without quotes")


def test_a_file_alone_is_a_data_set(tmp_path):
    write_list(images(tmp_path))
    listing = read_captions(tmp_path / "train.json")
    assert [p.path.name for p in listing.samples] == ["p0.png", "p1.png"]


def test_all_problems_are_in_one_report(tmp_path):
    root = images(tmp_path)
    (root / "images" / "p1.png").write_bytes(b"no image")
    content = [
        {"image": "p0.png", "captions": ["A good one.", " . "]},
        {"image": "p1.png", "captions": ["Of a broken image."]},
        {"image": "gone.png", "captions": ["Of a missing image."]},
        {"image": "p2.png", "captions": []},
        {"image": "p3.png", "captions": ["In no split."], "split": "later"},
        {"captions": ["Of no image."]},
        "text",
    ]
    (root / "all.json").write_text(json.dumps(content))
    listing = read_captions(root)
    assert [p.path.name for p in listing.samples] == ["p0.png"]
    assert listing.samples[0].captions == ("A good one.",)
    messages = "\n".join(map(str, listing.problems))
    for words in (
        "entry 0: an empty caption of 'p0.png'",
        "entry 1: p1.png: ",
        "entry 2: there is no file 'gone.png'",
        "entry 3: an image without a caption: 'p2.png'",
        "entry 4: split 'later' is unknown",
        "entry 5: names no image",
        "entry 6: is 'text'",
    ):
        assert words in messages, messages
    assert listing.left_out == 6


def test_a_coco_image_without_captions_and_a_caption_without_an_image_are_reported(tmp_path):
    content = {
        "images": [{"id": 0, "file_name": "p0.png"}, {"id": 1, "file_name": "p1.png"}],
        "annotations": [
            {"image_id": 0, "caption": "A square."}, {"image_id": 7, "caption": "What?"},
        ],
    }  # fmt: skip
    (images(tmp_path) / "captions.json").write_text(json.dumps(content))
    messages = "\n".join(map(str, read_captions(tmp_path).problems))
    assert "an image without a caption: 'p1.png'" in messages and "image of id 7" in messages


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("captions.csv", "image,caption\np0.png,caf\xe9".encode("latin-1"), "not UTF-8"),
        ("captions.json", b'[{"image": "p0.png", "captions": ["a"', "not valid JSON"),
        ("captions.json", b'{"images": 3, "captions": 4}', "holds no list"),
        ("captions.json", b'[{"image": "p0.png", "captions": NaN}]', "a caption that is nan"),
        ("captions.json", b'[{"image": "a", "image": "b", "captions": []}]', "key 'image' twice"),
        ("captions.json", b'{"Images": [], "captions": []}', "must be written 'images'"),
    ],
)
def test_a_file_that_cannot_be_read_hides_no_other_problem(tmp_path, name, content, words):
    root = images(tmp_path)
    (root / name).write_bytes(content)
    (root / "more.csv").write_text("image,caption\ngone.png,A square.\n")
    messages = "\n".join(map(str, read_captions(root).problems))
    assert words in messages and f"{name}:" in messages, messages
    assert "more.csv:2: there is no file 'gone.png'" in messages


def test_a_folder_without_captions_is_refused(tmp_path):
    (images(tmp_path) / "notes.txt").write_bytes(b"nothing")
    with pytest.raises(VisusError, match="holds no captions"):
        read_captions(tmp_path)


def test_an_image_in_two_splits_is_left_out_of_training(tmp_path):
    root = images(tmp_path, 2)
    for split in ("train", "val"):
        content = [{"image": f"p{i}.png", "captions": ["A square."]} for i in range(2)]
        (root / f"{split}.json").write_text(json.dumps(content[: 1 if split == "val" else 2]))
    listing = read_captions(root)
    assert {(p.path.name, p.split) for p in listing.samples} == {
        ("p0.png", "val"),
        ("p1.png", "train"),
    }
    assert any("metrics would be too good" in p.message for p in listing.problems)


def test_split_lists_are_compared_with_the_captions(tmp_path):
    write_flickr(images(tmp_path))
    (tmp_path / "Flickr_8k.devImages.txt").write_text("p2.png\np0.png\ngone.png\n")
    (tmp_path / "Flickr_8k.testImages.txt").unlink()
    messages = "\n".join(map(str, read_captions(tmp_path).problems))
    assert "devImages.txt:2: 'p0.png' is in the list" in messages
    assert "1 listed images have no usable caption, the first is 'gone.png'" in messages
    assert "states no split, as 1 of 4 do" in messages


def test_captions_that_begin_with_splits_lack_a_column(tmp_path):
    rows = ["image,caption", "p0.png,train,A square.", "p1.png,val,A square."]
    (images(tmp_path) / "captions.csv").write_text("\n".join(rows))
    messages = "\n".join(map(str, read_captions(tmp_path).problems))
    assert "its captions begin with splits; name the column split" in messages
