"""Small data sets of every format of labels, and what a lenient reader takes them to mean."""

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image

from visus.datamodules.captioning.files import read_captions
from visus.datamodules.classification.checks import read_listing
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.datamodules.segmentation.downloads import VOCSegmentationData
from visus.datamodules.segmentation.files import read_segmentation
from visus.vision.faces.pairs import read_pairs

IMAGES = 4


def save_images(folder: Path, ending="png", mask=False) -> None:
    for i in range(IMAGES):
        pixels = np.full((12, 16), i % 3, np.uint8) if mask else np.full((12, 16, 3), 9 + i, "u1")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"p{i}.{ending}")


def split_of(text: str | None) -> str:
    name = (text or "").strip().lower()
    return "train" if name == "restval" else SPLIT_NAMES.get(name, name)


def table(path: Path):
    """The rows of a CSV, each line for itself."""
    lines = path.read_text("utf-8-sig").split("\n")
    names = [name.strip().lower() for name in next(csv.reader([lines[0]]))]
    for line in lines[1:]:
        if line.strip():
            fields = next(csv.reader([line], strict=True))
            if len(fields) > len(names) and names[-1] == "caption":
                fields = [*fields[: len(names) - 1], ",".join(fields[len(names) - 1 :])]
            yield dict(zip(names, (field.strip() for field in fields), strict=True))


def lower(value):
    if isinstance(value, dict):
        return {k.lower().strip(" _"): lower(v) for k, v in value.items()}
    return [lower(v) for v in value] if isinstance(value, list) else value


def tree(path: Path):
    return lower(json.loads(path.read_text("utf-8-sig")))


def words(caption: str) -> str:
    return " ".join(caption.split())


class Classes:
    """A CSV of labels."""

    def save(self, root):
        save_images(root / "images")
        rows = ["path,label,split", "images/p0.png,cat,train", 'images/p1.png,"dog",train',
                "images/p2.png,cat|dog,val", "images/p3.png,dog,val"]  # fmt: skip
        (root / "labels.csv").write_text("\n".join(rows))

    def read(self, root):
        listing = read_listing(root)
        return listing.problems, [(s.path.stem, s.labels, s.split) for s in listing.samples]

    def literal(self, root):
        for row in table(root / "labels.csv"):
            parts = dict.fromkeys(p.strip() for p in row["label"].split("|") if p.strip())
            yield Path(row["path"]).stem, tuple(parts), split_of(row["split"])


class Captions:
    """Base of the formats of captions."""

    def read(self, root):
        listing = read_captions(root)
        facts = [(i.path.stem, text, i.split) for i in listing.samples for text in i.captions]
        return listing.problems, facts


class CocoCaptions(Captions):
    def save(self, root):
        save_images(root / "val2017")
        content = {
            "info": {"year": 2017},
            "images": [{"id": i, "file_name": f"p{i}.png", "height": 12} for i in range(IMAGES)],
            "annotations": [
                {"id": i + 10 * j, "image_id": i, "caption": f"A square of {'one two'.split()[j]}."}
                for i in range(IMAGES) for j in range(2)
            ],
        }  # fmt: skip
        (root / "annotations").mkdir()
        (root / "annotations" / "captions_val2017.json").write_text(json.dumps(content))

    def literal(self, root):
        content = tree(root / "annotations" / "captions_val2017.json")
        names = {str(i["id"]): Path(i["file_name"]).stem for i in content["images"]}
        for item in content["annotations"]:
            yield names[str(item["image_id"])], words(item["caption"]), "val"


class Karpathy(Captions):
    def save(self, root):
        save_images(root / "images")
        images = [
            {"filepath": "images", "filename": f"p{i}.png", "split": split, "imgid": i,
             "sentences": [{"raw": f"Number {i}.", "sentid": 2 * i}, {"raw": "A square."}]}
            for i, split in enumerate(("train", "restval", "val", "test"))
        ]  # fmt: skip
        (root / "dataset.json").write_text(json.dumps({"images": images, "dataset": "x"}))

    def literal(self, root):
        for item in tree(root / "dataset.json")["images"]:
            sentences = item["sentences"]
            for sentence in sentences if isinstance(sentences, list) else [sentences]:
                text = sentence["raw"] if isinstance(sentence, dict) else sentence
                yield Path(item["filename"]).stem, words(text), split_of(item.get("split"))


class CaptionList(Captions):
    def save(self, root):
        save_images(root)
        content = [{"image": f"p{i}.png", "captions": [f"Number {i}.", "A square."],
                    "split": "train" if i else "val"} for i in range(IMAGES)]  # fmt: skip
        (root / "captions.json").write_text(json.dumps(content))

    def literal(self, root):
        for item in tree(root / "captions.json"):
            captions = item["captions"]
            for text in captions if isinstance(captions, list) else [captions]:
                yield Path(item["image"]).stem, words(text), split_of(item.get("split"))


class CaptionTable(Captions):
    def save(self, root):
        save_images(root / "images")
        rows = ["image,split,caption", 'p0.png,train,"A ""grey"" square, large."',
                "p1.png,train,Without quotes, but commas", "p2.png,val,A square",
                "p3.png,,Blue"]  # fmt: skip
        (root / "captions.csv").write_text("\n".join(rows))

    def literal(self, root):
        for row in table(root / "captions.csv"):
            yield Path(row["image"]).stem, words(row["caption"]), split_of(row["split"])


class Flickr(Captions):
    def save(self, root):
        save_images(root / "images", "jpg")
        lines = [f"p{i}.jpg#{j}\tA square , {i} ." for i in range(IMAGES) for j in range(2)]
        (root / "Flickr8k.token.txt").write_text("\n".join(lines))
        for word, names in (("train", (0, 1)), ("dev", (2,)), ("test", (3,))):
            path = root / f"Flickr_8k.{word}Images.txt"
            path.write_text("".join(f"p{i}.jpg\n" for i in names))

    def literal(self, root):
        splits = {}
        for word, split in (("train", "train"), ("dev", "val"), ("test", "test")):
            names = (root / f"Flickr_8k.{word}Images.txt").read_text("utf-8-sig").split("\n")
            splits.update({name.strip(): split for name in names})
        for line in (root / "Flickr8k.token.txt").read_text("utf-8-sig").split("\n"):
            if line.strip():
                key, caption = line.split("\t", 1)
                name = key.rpartition("#")[0]
                yield Path(name).stem, words(caption), splits.get(name, "")


class Masks:
    """A CSV of masks, with a table of classes."""

    rows = ("name,value,colour", "ground,0,#000000", "road,1,10 20 30", '"sky",2,#ffffff')

    def save(self, root):
        save_images(root / "images")
        save_images(root / "masks", mask=True)
        lines = ["path,mask,split"]
        lines += [f"images/p{i}.png,masks/p{i}.png,{'val' if i else 'train'}" for i in range(4)]
        (root / "masks.csv").write_text("\n".join(lines))
        (root / "classes.csv").write_text("\n".join(self.rows))

    def read(self, root):
        listing = read_segmentation(root)
        facts = [(i.path.stem, Path(str(i.mask)).stem, i.split) for i in listing.samples]
        names = listing.classes.names
        # Without usable images nothing is learnt from the classes.
        ids = listing.classes.ids.items() if facts else ()
        return listing.problems, facts + [("class", v, names[i]) for v, i in ids if i != 255]

    def literal(self, root):
        for row in table(root / "masks.csv"):
            yield Path(row["path"]).stem, Path(row["mask"]).stem, split_of(row.get("split"))
        for line, row in enumerate(table(root / "classes.csv")):
            yield "class", int(row.get("value", line)), row["name"]


class NumberedMasks(Masks):
    """The lines of the table number the classes."""

    rows = ("name", "ground", "road", "sky")


class VocLists:
    def save(self, root):
        folder = root / "VOCdevkit" / "VOC2012"
        save_images(folder / "JPEGImages", "jpg")
        save_images(folder / "SegmentationClass", mask=True)
        lists = folder / "ImageSets" / "Segmentation"
        lists.mkdir(parents=True)
        (lists / "train.txt").write_text("p0\np1\n")
        (lists / "val.txt").write_text("p2\np3\n")

    def read(self, root):
        listing = VOCSegmentationData(str(root), num_workers=0).read_listing()
        return listing.problems, [(i.path.stem, i.split) for i in listing.samples]

    def literal(self, root):
        for split in ("train", "val"):
            path = root / "VOCdevkit/VOC2012/ImageSets/Segmentation" / f"{split}.txt"
            for line in path.read_text("utf-8-sig").split("\n"):
                if line.strip() and not line.startswith("#"):
                    yield line.strip(), split


class Outlines:
    """COCO's polygons as masks."""

    def save(self, root):
        save_images(root / "train")
        content = {
            "images": [{"id": i, "file_name": f"p{i}.png", "height": 12, "width": 16}
                       for i in range(IMAGES)],
            "categories": [{"id": 3, "name": "cat"}, {"id": 8, "name": "dog"}],
            "annotations": [
                {"id": i, "image_id": i, "category_id": 8 if i else 3, "bbox": [2, 1, 8, 9],
                 "area": 72, "iscrowd": 0, "segmentation": [[2, 1, 10, 1, 10, 10, 2, 10]]}
                for i in range(IMAGES)
            ],
        }  # fmt: skip
        (root / "annotations").mkdir()
        (root / "annotations" / "instances_train.json").write_text(json.dumps(content))

    def read(self, root):
        listing = read_segmentation(root)
        return listing.problems, [
            (image.path.stem, item.label, str([list(map(float, p)) for p in item.polygons]),
             item.ignored)
            for image in listing.samples for item in image.mask
        ]  # fmt: skip

    def literal(self, root):
        content = tree(root / "annotations" / "instances_train.json")
        images = {str(i["id"]): Path(i["file_name"]).stem for i in content["images"]}
        names = {str(c["id"]): c["name"] for c in content["categories"]}
        for item in content["annotations"]:
            crowd = str(item.get("iscrowd") or 0) != "0"
            rings = str([list(map(float, ring)) for ring in item["segmentation"]])
            yield images[str(item["image_id"])], names[str(item["category_id"])], rings, crowd


class Pairs:
    """A file of pairs of people."""

    def save(self, root):
        for person in ("Ann", "Bob", "Cleo", "Dan"):
            for i in (1, 2):
                (root / person).mkdir(exist_ok=True, parents=True)
                (root / person / f"{person}_{i:04d}.jpg").touch()
        lines = ["2\t1", "Ann\t1\t2", "Ann\t1\tBob\t1", "Cleo\t1\t2", "Cleo\t2\tDan\t1"]
        (root / "pairs.txt").write_text("\n".join(lines))

    def read(self, root):
        pairs = read_pairs(root / "pairs.txt", root)
        return (), [(Path(p.first).stem, Path(p.second).stem, p.same, p.fold) for p in pairs]

    def literal(self, root):
        lines = (root / "pairs.txt").read_text("utf-8-sig").split("\n")
        rows = [line for line in lines[1:] if line.strip()]
        each = int(lines[0].split()[-1])
        for index, line in enumerate(rows):
            names = line.split()
            other = names[0] if len(names) == 3 else names[2]
            first, second = f"{names[0]}_{int(names[1]):04d}", f"{other}_{int(names[-1]):04d}"
            yield first, second, names[0] == other, index // (2 * each)


FORMATS = (
    Classes, CocoCaptions, Karpathy, CaptionList, CaptionTable, Flickr, Masks, NumberedMasks,
    VocLists, Outlines, Pairs,
)  # fmt: skip
