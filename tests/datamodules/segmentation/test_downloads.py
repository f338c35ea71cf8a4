import numpy as np
import pytest
from PIL import Image

from visus.datamodules.segmentation.downloads import OxfordPetData, VOCSegmentationData
from visus.vision.errors import VisusError
from visus.vision.masks import IGNORE
from visus.vision.scenes import make_scene


def write_pets(root, count=8):
    """Scenes in the layout of Oxford-IIIT Pet: 1 is the animal, 2 the background, 3 the outline."""
    folder = root / "oxford-iiit-pet"
    for name in ("images", "annotations/trimaps"):
        (folder / name).mkdir(parents=True)
    names = [f"Cat_{i}" for i in range(count)]
    for i, name in enumerate(names):
        scene = make_scene(i, (40, 48), (1, 1))
        trimap = np.where(scene.class_mask() > 0, 1, 2).astype(np.uint8)
        trimap[0] = 3
        Image.fromarray(scene.image).save(folder / "images" / f"{name}.jpg")
        Image.fromarray(trimap).save(folder / "annotations" / "trimaps" / f"{name}.png")
    lines = [f"{name} 1 1 1" for name in names]
    (folder / "annotations" / "trainval.txt").write_text("\n".join(lines[:-2]))
    (folder / "annotations" / "test.txt").write_text("\n".join(lines[-2:]))
    return root


def write_voc(root, count=6):
    """Scenes in the layout of Pascal VOC 2012, with palette masks."""
    folder = root / "VOCdevkit" / "VOC2012"
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (folder / name).mkdir(parents=True)
    for i in range(count):
        scene = make_scene(i, (40, 48))
        mask = scene.class_mask()
        mask[0] = 255
        image = Image.fromarray(mask)
        image.putpalette([value for i in range(256) for value in (i, i, 255 - i)])
        image.save(folder / "SegmentationClass" / f"{i}.png")
        Image.fromarray(scene.image).save(folder / "JPEGImages" / f"{i}.jpg")
    lists = folder / "ImageSets" / "Segmentation"
    (lists / "train.txt").write_text("\n".join(map(str, range(count - 2))))
    (lists / "val.txt").write_text("\n".join(map(str, range(count - 2, count))))
    return root


def test_pets_are_read_with_their_outline_ignored(workplace):
    data = OxfordPetData(str(write_pets(workplace)), num_workers=0)
    assert data.class_names == ("background", "pet")
    assert [len(data.splits[split]) for split in ("train", "val", "test")] == [5, 1, 2]
    truth = data.dataset("test")[0]["truth"]
    assert (truth[0] == IGNORE).all() and set(np.unique(truth[1:])) <= {0, 1}
    assert (truth[1:] == (make_scene(6, (40, 48), (1, 1)).class_mask()[1:] > 0)).all()


def test_voc_is_read_by_palette_index(workplace):
    data = VOCSegmentationData(str(write_voc(workplace)), num_workers=0)
    assert len(data.class_names) == 21 and data.class_names[0] == "background"
    assert data.class_names[-1] == "tvmonitor"
    truth = data.dataset("val")[1]["truth"]
    assert (truth[0] == IGNORE).all()
    assert (truth[1:] == make_scene(5, (40, 48)).class_mask()[1:]).all()


@pytest.mark.parametrize("data", [OxfordPetData, VOCSegmentationData])
def test_a_failed_download_is_reported(workplace, monkeypatch, data):
    import torchvision.datasets

    def fail(*arguments, **more):
        raise OSError("no network")

    for name in ("OxfordIIITPet", "VOCSegmentation"):
        monkeypatch.setattr(torchvision.datasets, name, fail)
    with pytest.raises(VisusError, match="downloading it failed"):
        data(str(workplace), num_workers=0).dataset("train")


def test_a_missing_list_is_reported(workplace):
    root = write_pets(workplace)
    (root / "oxford-iiit-pet" / "annotations" / "test.txt").unlink()
    with pytest.raises(VisusError, match=r"test\.txt: is missing"):
        OxfordPetData(str(root), num_workers=0).dataset("train")


def test_names_with_spaces_are_read_and_wrong_lines_named(workplace):
    root = write_voc(workplace)
    folder = root / "VOCdevkit" / "VOC2012"
    for home, ending in (("JPEGImages", "jpg"), ("SegmentationClass", "png")):
        (folder / home / f"0.{ending}").rename(folder / home / f"my cat.{ending}")
    (workplace / "private.jpg").write_bytes((folder / "JPEGImages" / "1.jpg").read_bytes())
    lists = folder / "ImageSets" / "Segmentation"
    (lists / "train.txt").write_text("my cat\n1\n../../../private\n/etc/passwd\n1\ngone\n")
    listing = VOCSegmentationData(str(root), num_workers=0).read_listing()
    assert [image.path.stem for image in listing.samples] == ["my cat", "1", "4", "5"]
    report = {p.place: p.message for p in listing.problems if p.severity == "error"}
    assert set(report) == {f"{lists / 'train.txt'}:{line}" for line in (3, 4, 5, 6)}
    assert "already" in report[f"{lists / 'train.txt'}:5"]
    (lists / "val.txt").write_bytes(b"\xff")
    listing = VOCSegmentationData(str(root), num_workers=0).read_listing()
    assert "val.txt: is not UTF-8" in "\n".join(map(str, listing.problems))
