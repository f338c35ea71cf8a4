import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import save_detection, save_masked
from visus.datamodules.segmentation.class_table import ClassTable, read_class_table
from visus.datamodules.segmentation.data import ImageSegmentationData
from visus.datamodules.segmentation.dataset import read_masked
from visus.datamodules.segmentation.files import read_segmentation
from visus.vision.errors import VisusError
from visus.vision.images import read_mask
from visus.vision.masks import IGNORE
from visus.vision.scenes import SHAPES, make_scene

PALETTE = [value for i in range(256) for value in (i, 255 - i, (i * 40) % 256)]


def truth(seed):
    return make_scene(seed, (40, 48)).class_mask()


def messages(listing, severity="error"):
    return "\n".join(str(p) for p in listing.problems if p.severity == severity)


def masks_of(listing):
    return [read_masked(image, listing.classes)[1] for image in listing.samples]


@pytest.mark.parametrize("layout", ["folders", "splits", "inner", "annot", "csv"])
def test_every_layout_is_read(workplace, layout):
    save_masked(workplace / "set", layout)
    listing = read_segmentation(workplace / "set")
    assert not messages(listing) and not messages(listing, "fatal")
    assert len(listing.samples) == 8
    splits = {image.split for image in listing.samples}
    assert splits == ({""} if layout == "folders" else {"train", "val"})
    for mask, image in zip(masks_of(listing), listing.samples, strict=True):
        number = int(image.path.stem.removeprefix("p"))
        assert (mask == truth(number)).all()


def test_classes_are_numbered_without_names_and_those_of_a_checkpoint_are_used(workplace):
    root = save_masked(workplace / "set", "folders")
    listing = read_segmentation(root)
    assert listing.classes.names[0] == "class 0"
    names = ["ground", *SHAPES]
    assert read_segmentation(root, names).classes.names == tuple(names)
    few = read_segmentation(root, names[:3])
    assert "none of the 3 classes (ground, circle, cross)" in messages(few)


@pytest.mark.parametrize("kind", ["palette", "bilevel", "colours", "palette colours", "values"])
def test_every_encoding_of_a_mask(workplace, kind):
    """Ids by palette index, one bit per pixel, colours, or chosen values: the same classes."""
    root = save_masked(workplace / "set", "folders")
    rows = ["name,colour", "ground,#00ff00", "thing,10 20 30", "void,#ffffff"]
    if kind == "values":
        rows = ["name,value,colour", "ground,0,#00ff00", "thing,200,10 20 30", "void,9,#ffffff"]
    if "colours" in kind or kind == "values":
        (root / "classes.csv").write_text("\n".join(rows))
    expected = []
    for path in sorted((root / "masks").iterdir()):
        ids = (np.asarray(Image.open(path)) > 0).astype(np.uint8)
        ids[:4] = 0 if kind == "bilevel" else 2
        expected.append(np.where(ids == 2, IGNORE, ids))
        if kind == "palette":
            image = Image.fromarray(ids)
            image.putpalette(PALETTE)
        elif kind == "bilevel":
            image = Image.fromarray(ids * 255).convert("1")
        elif kind == "values":
            image = Image.fromarray(np.array([0, 200, 9], np.uint8)[ids])
        else:
            colours = np.array([(0, 255, 0), (10, 20, 30), (255, 255, 255)], np.uint8)
            image = Image.fromarray(colours[ids])
            if kind == "palette colours":
                image = image.quantize(8)
        image.save(path)
    ignore = {"palette": 2, "bilevel": 255}.get(kind, "void")
    listing = read_segmentation(root, ignore=ignore)
    assert not messages(listing), messages(listing)
    for mask, ids in zip(masks_of(listing), expected, strict=True):
        assert (mask == ids).all()
    if "colours" in kind or kind == "values":
        assert listing.classes.names == ("ground", "thing")
        assert listing.classes.colours == ((0, 255, 0), (10, 20, 30))


def test_each_kind_of_bad_pair_is_in_one_report(workplace):
    root = save_masked(workplace / "set", "folders", 10)
    images, masks = root / "images", root / "masks"
    Image.new("L", (7, 5)).save(masks / "p0.png")
    Image.fromarray(np.full((40, 48), 77, np.uint8)).save(masks / "p1.png")
    (masks / "p2.png").unlink()
    (images / "p3.png").unlink()
    Image.open(images / "p4.png").save(images / "p4.bmp")
    Image.open(masks / "p5.png").save(masks / "p5_mask.png")
    Image.fromarray(np.zeros((40, 48), np.uint16)).save(masks / "p6.png")
    Image.open(images / "p7.png").save(masks / "p7.png")
    Image.fromarray(np.full((40, 48), IGNORE, np.uint8)).save(masks / "p8.png")
    listing = read_segmentation(root, ["ground", *SHAPES])
    report = messages(listing)
    for words in (
        "p0.png: the mask is 7 x 5, its image 48 x 40",
        "p1.png: id 77 (1920 px) is none of the 8 classes",
        "p2.png: has no mask",
        "p3.png: is a mask without an image",
        "has the same name",
        "p5.png: has several masks",
        "p6.png: a 16-bit mask",
        "p7.png: is RGB where a mask of class ids is expected",
        "p8.png: no pixel belongs to a class",
    ):
        assert words in report, words
    assert [image.path.stem for image in listing.samples] == ["p9"]
    assert listing.left_out == 10


def test_jpeg_masks_damaged_files_and_copies_are_refused(workplace):
    root = save_masked(workplace / "set", "annot", 6)
    Image.fromarray(truth(0)).save(root / "trainannot" / "p0.jpg")
    (root / "trainannot" / "p0.png").unlink()
    data = (root / "trainannot" / "p1.png").read_bytes()
    (root / "trainannot" / "p1.png").write_bytes(data[: len(data) // 2])
    copied = next((root / "val").iterdir())
    (root / "train" / copied.name).write_bytes(copied.read_bytes())
    Image.open(root / "valannot" / copied.name).save(root / "trainannot" / copied.name)
    listing = read_segmentation(root)
    report = messages(listing)
    assert "p0.jpg: JPEG changes the pixels of a mask" in report
    assert "p1.png: truncated or damaged" in report
    assert "in train and val: the metrics would be too good" in report


def test_an_oriented_image_is_read_upright_or_refused(workplace):
    root = save_masked(workplace / "set", "folders", 3)
    for number, orientation in enumerate((6, 3)):
        image = Image.open(root / "images" / f"p{number}.png")
        exif = image.getexif()
        exif[0x0112] = orientation
        image.save(root / "images" / f"p{number}.png", exif=exif)
    report = messages(read_segmentation(root))
    assert "p0.png: the mask is 48 x 40, its image 40 x 48" in report
    assert "EXIF orientation 3, and it is unknown whether" in report


def test_outlines_in_coco_format_are_drawn(workplace):
    root = save_detection(workplace / "boxes", "coco", ("train", "val"))
    listing = read_segmentation(root)
    assert listing.classes.names[0] == "background" and len(listing.samples) == 16
    image, mask = read_masked(listing.samples[1], listing.classes)
    assert mask.shape == image.shape[:2]
    assert set(np.unique(mask)) <= set(range(4))
    scene = make_scene(1, (96, 128), (1, 3), 24)
    labelled = [item for item in scene.objects if item.shape in SHAPES[:3]]
    assert ((mask > 0) == np.any([item.mask for item in labelled], axis=0)).all()
    assert sum(sample.counts[0] for sample in listing.samples) > 0


def test_classes_are_matched_by_name(workplace):
    table = ClassTable(("road", "sky"), {0: 0, 1: 1, 9: IGNORE})
    reordered = table.reordered(["sky", "tree", "road"])
    mask = np.array([[0, 1, 9, 44]], np.uint8)
    assert reordered.to_ids(mask).tolist() == [[2, 0, IGNORE, IGNORE]]
    with pytest.raises(VisusError, match="unknown class 'road'"):
        table.reordered(["sky"])


@pytest.mark.parametrize("place", ["nowhere", "set/images"])
def test_a_path_without_masks_is_refused(workplace, place):
    save_masked(workplace / "set", "folders", 2)
    with pytest.raises(VisusError, match="expected the folders images and masks"):
        read_segmentation(workplace / place)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 255), min_size=1, max_size=6, unique=True), st.integers(0, 255))
def test_any_values_are_classes_or_reported(tmp_path_factory, values, ignore):
    root = tmp_path_factory.mktemp("any")
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    Image.new("RGB", (6, 4)).save(root / "images" / "a.png")
    mask = np.resize(np.array(values, np.uint8), (4, 6))
    Image.fromarray(mask).save(root / "masks" / "a.png")
    listing = read_segmentation(root, ["a", "b", "c"], ignore)
    unknown = set(np.unique(mask)) - {0, 1, 2} - {ignore}
    assert ("is none of" in messages(listing) or "are none of" in messages(listing)) == bool(
        unknown
    )
    if listing.samples:
        (ids,) = masks_of(listing)
        labelled = (mask <= 2) & (mask != ignore)
        assert (ids[labelled] == mask[labelled]).all() and (ids[~labelled] == IGNORE).all()


def test_pixels_are_counted_without_those_held_out(workplace):
    root = save_masked(workplace / "set", "folders", 12)
    data = ImageSegmentationData(str(root), num_workers=0, val_share=0.25)
    train, val = data.splits["train"], data.splits["val"]
    assert len(train) == 9 and len(val) == 3
    counted = sum(
        np.bincount(read_masked(p, data.listing.classes)[1].ravel(), minlength=8) for p in train
    )
    assert data.class_counts == tuple(counted[: len(data.class_names)].tolist())
    # 40 x 48 pixels, to the nearest multiples of 32.
    assert data.image_size == (32, 64)


def test_masks_of_two_and_four_bits_keep_their_ids():
    """Pillow scales such grey values to the range of a byte."""
    import struct
    import zlib

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    for depth, ids in ((2, [0, 1, 2, 3]), (4, [0, 7, 15, 2])):
        packed = 0
        for value in ids:
            packed = packed << depth | value
        row = b"\0" + packed.to_bytes(depth * 4 // 8, "big")
        header = struct.pack(">IIBBBBB", 4, 1, depth, 0, 0, 0, 0)
        parts = [(b"IHDR", header), (b"IDAT", zlib.compress(row)), (b"IEND", b"")]
        data = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
        assert read_mask(data).tolist() == [ids]


def test_folders_outside_the_layout_are_refused_and_hidden_ones_ignored(workplace):
    root = save_masked(workplace / "set", "inner")
    (root / "images" / ".ipynb_checkpoints").mkdir()
    assert {p.split for p in read_segmentation(root).samples} == {"train", "val"}
    (root / "images" / "extra").mkdir()
    with pytest.raises(VisusError, match="extra: belongs to no split"):
        read_segmentation(root)
    root = save_masked(workplace / "other", "annot")
    (root / "trainannot").rename(root / "elsewhere")
    with pytest.raises(VisusError, match=r"train: has no masks, while .*val has"):
        read_segmentation(root)


def test_the_given_value_or_class_is_ignored(workplace):
    path = workplace / "classes.csv"
    path.write_text("name\nroad\nsky\nvoid\n")
    assert read_class_table(path, 2)[0].names == ("road", "sky")
    assert read_class_table(path, "void")[0].ids[2] == IGNORE
    with pytest.raises(VisusError, match=r"data\.ignore"):
        read_class_table(path, 300)
    assert "data.ignore 'none'" in str(read_class_table(path, "none")[1][0])
    path.write_text("name,colour\nroad,#000000\nsky,#ffffff\n")
    with pytest.raises(VisusError, match="hold colours, not numbers; name the class"):
        read_class_table(path, 3)
    root = save_detection(workplace / "boxes", "coco")
    with pytest.raises(VisusError, match="in COCO format crowds are ignored"):
        read_segmentation(root, ignore="circle")
    with pytest.raises(VisusError, match="class 0 of COCO outlines is 'background'"):
        read_segmentation(root, ["circle", "cross"])


def test_without_training_images_the_others_are_usable(workplace):
    root = save_masked(workplace / "set", "annot")
    for name in ("train", "trainannot"):
        (root / name).rename(workplace / name)
    data = ImageSegmentationData(str(root), num_workers=0)
    assert sum(data.class_counts) == 0 and len(data.splits["val"]) == 2


def test_colours_are_reordered_with_their_classes(workplace):
    (workplace / "classes.csv").write_text("name,colour\nroad,#010101\nsky,#020202\n")
    table, _ = read_class_table(workplace / "classes.csv", 255)
    assert table.reordered(["sky", "road"]).colours == ((2, 2, 2), (1, 1, 1))
    assert table.reordered(["sky", "tree", "road"]).colours is None


@pytest.mark.parametrize("outlines", [False, True])
def test_large_photographs_are_not_decoded_as_a_whole(tmp_path, outlines):
    image, mask = np.zeros((1200, 1600, 3), np.uint8), np.zeros((1200, 1600), np.uint8)
    image[400:800, 200:1000], mask[400:800, 200:1000] = 255, 1
    entries = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "bird"}]}
    for i in range(5):
        image[0, 0] = 40 * i
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "images" / f"{i}.jpg", quality=95)
        if outlines:
            entries["images"].append(
                {"id": i, "file_name": f"images/{i}.jpg", "height": 1200, "width": 1600}
            )
            corners = [200, 400, 1000, 400, 1000, 800, 200, 800]
            entry = {"id": i + 1, "image_id": i, "category_id": 1, "segmentation": [corners]}
            entries["annotations"].append(entry | {"bbox": [200, 400, 800, 400]})
        else:
            (tmp_path / "masks").mkdir(exist_ok=True)
            Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
    if outlines:
        (tmp_path / "labels.json").write_text(json.dumps(entries))
    data = ImageSegmentationData(
        str(tmp_path), image_size=(192, 256), augment="none", num_workers=0
    )
    training = data.dataset("train")
    pixels, classes = training.read(training.sources[0])
    assert pixels.shape == (300, 400, 3) and classes.shape == (300, 400)
    np.testing.assert_array_equal(np.unique(classes), [0, 1])
    whole = data.dataset("val")
    assert whole.read(whole.sources[0])[1].shape == (1200, 1600)
    sample = training[0]
    differs = (sample["mask"].numpy() == 1) != (sample["image"][0].numpy() > 127)
    assert differs.mean() < 0.02
