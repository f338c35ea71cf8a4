"""Damaged annotations of boxes: every problem is named, and nothing is read wrong in silence."""

import json
import random
import shutil
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from PIL import Image

from tests.reliability.counts import count
from tests.reliability.mutations import mutate_bytes, mutate_rows, mutate_tree, mutate_xml
from visus.datamodules.core.detection_files import FORMATS, read_detection
from visus.datamodules.core.labels import LabelledImage, LabelledObject
from visus.datamodules.core.problems import report
from visus.vision.errors import VisusError

SIZE = (40, 60)
"""(height, width) of the images."""

SECONDS = 20
"""Longer than the reading of a few small files ever takes."""


def save_boxes(root: Path, format: str) -> Path:
    """Three images with two boxes each, with everything that the format can state."""
    records = []
    for i in range(3):
        objects = (
            LabelledObject("cat", (5.0, 4.0, 25.0, 24.0), "", polygons=((5, 4, 25, 4, 25, 24),))
            if format == "coco"
            else LabelledObject("cat", (5.0, 4.0, 25.0, 24.0), ""),
            LabelledObject("dog", (30.0 + i, 10.0, 50.0, 30.0), "",
                           crowd=format == "coco" and i == 1, difficult=format == "voc" and i == 1),
        )  # fmt: skip
        records.append(LabelledImage(Path(f"p{i}.png"), objects, "train", "", SIZE, size=SIZE))
    names = [record.path for record in records]
    targets = FORMATS[format].write(records, names, ("cat", "dog"), root)
    for i, target in enumerate(targets):
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE[::-1], (i * 50, 9, 9)).save(target)
    return root


def annotation_files(root: Path) -> list[Path]:
    return sorted(p for p in root.rglob("*") if p.suffix in {".json", ".xml", ".txt", ".yaml"})


def mutate(path: Path, rng: random.Random) -> None:
    """Damage one file, half of the time with respect to its format."""
    data = path.read_bytes()
    if rng.random() < 0.5:
        path.write_bytes(mutate_bytes(data, rng))
        return
    text = data.decode("utf-8", "surrogateescape")
    try:
        if path.suffix == ".json":
            text = json.dumps(mutate_tree(json.loads(text), rng))
        elif path.suffix == ".yaml":
            text = yaml.safe_dump(mutate_tree(yaml.safe_load(text), rng))
        elif path.suffix == ".xml":
            text = mutate_xml(text, rng)
        else:
            text = mutate_rows(text, rng)
    except (ValueError, TypeError, yaml.YAMLError, KeyError, IndexError):
        # Damaged before, or a value that the format cannot state.
        path.write_bytes(mutate_bytes(data, rng))
        return
    path.write_bytes(text.encode("utf-8", "surrogatepass"))


def literal(root: Path, format: str) -> Counter:
    """What a lenient reader takes the files to mean: (image, class, box, ignored) of each object.

    Raises:
        Exception: If it cannot read one of them.
    """
    reader = {"coco": _literal_coco, "voc": _literal_voc, "yolo": _literal_yolo}[format]
    return Counter(
        (image, label, *(round(min(max(v, 0.0), side), 1) for v, side in zip(
            box, (SIZE[1], SIZE[0]) * 2, strict=True)), ignored)
        for image, label, box, ignored in reader(root)
    )  # fmt: skip


def _lower(value):
    if isinstance(value, dict):
        return {k.lower().strip(" _"): _lower(v) for k, v in value.items()}
    return [_lower(v) for v in value] if isinstance(value, list) else value


def _literal_coco(root):
    (path,) = (root / "annotations").iterdir()
    content = _lower(json.loads(path.read_text("utf-8-sig")))
    images = {str(i["id"]): Path(i["file_name"]).stem for i in content["images"]}
    names = {str(c["id"]): c["name"] for c in content["categories"]}
    for item in content["annotations"]:
        x, y, w, h = map(float, item["bbox"])
        crowd = str(item.get("iscrowd") or 0) != "0"
        yield images[str(item["image_id"])], names[str(item["category_id"])], (
            x, y, x + w, y + h), crowd  # fmt: skip


def _literal_voc(root):
    listed = (root / "ImageSets/Main/train.txt").read_text("utf-8-sig").split()
    for path in [p for p in sorted((root / "Annotations").glob("*.xml")) if p.stem in listed]:
        tree = ElementTree.fromstring(path.read_bytes())
        for element in tree.iter():
            element.tag = element.tag.lower()
        stated = (tree.findtext(".//filename") or "").rpartition("/")[2]
        exists = (root / "JPEGImages" / stated).is_file() if len(stated) < 100 else False
        image = Path(stated).stem if stated and exists else path.stem
        for item in tree.iter("object"):
            texts = [item.findtext(f".//{k}") for k in ("xmin", "ymin", "xmax", "ymax")]
            difficult = (item.findtext(".//difficult") or "0").strip() not in {"0", ""}
            yield image, item.findtext(".//name").strip(), [*map(float, texts)], difficult


def _literal_yolo(root):
    names = yaml.load((root / "data.yaml").read_text("utf-8"), yaml.BaseLoader)["names"]
    names = names if isinstance(names, dict) else {str(i): n for i, n in enumerate(names)}
    for path in sorted((root / "labels/train").glob("*.txt")):
        for line in path.read_text("utf-8-sig").splitlines():
            if line.strip():
                number, x, y, w, h = line.split()
                x, y, w, h = (float(v) * s for v, s in zip((x, y, w, h), (60, 40) * 2, strict=True))
                box = x - w / 2, y - h / 2, x + w / 2, y + h / 2
                yield path.stem, names[str(int(number))], box, False


def found(listing) -> Counter:
    return Counter(
        (image.path.stem, item.label, *(round(v, 1) for v in item.box), item.ignored)
        for image in listing.samples
        for item in image.objects
    )


def outcome(root: Path, format: str, changed: list[Path]) -> str:
    """`named` or `read`; anything else fails."""
    start = time.monotonic()
    try:
        listing = read_detection(root, format)
        text = report(listing.problems)
    except VisusError as error:
        assert "\n" not in str(error) and len(str(error)) < 2000
        return "named"
    assert time.monotonic() - start < SECONDS
    text.encode()
    assert max(map(len, text.splitlines())) < 2000
    for image in listing.samples:
        for item in image.objects:
            x1, y1, x2, y2 = item.box
            assert 0 <= x1 < x2 <= SIZE[1] and 0 <= y1 < y2 <= SIZE[0]
            assert item.label in listing.class_names
    try:
        meant = literal(root, format)
    except Exception:
        meant = None
    extra = found(listing) - meant if meant is not None else Counter()
    assert not extra, (extra, text)
    images = str(root / "images" / "train")
    # Lines that refer to a class which a damaged data.yaml lacks are named in its place.
    lists = any(p.name == "data.yaml" for p in changed) and "error: " in text
    if lists or any(str(p) in text or f"{images}/{p.stem}.png" in text for p in changed):
        return "named"
    assert meant == found(listing), (meant, found(listing), text)
    return "read"


@pytest.mark.parametrize("format", FORMATS)
def test_damaged_files_are_named_or_read_as_they_are_written(tmp_path, format):
    kept = save_boxes(tmp_path / "kept", format)
    outcomes = Counter()
    for seed in range(count(120, 700)):
        rng = random.Random(seed)
        root = tmp_path / "set"
        shutil.copytree(kept, root)
        changed = [rng.choice(annotation_files(root)) for _ in range(rng.choice((1, 1, 2)))]
        for path in changed:
            mutate(path, rng)
        try:
            outcomes[outcome(root, format, changed)] += 1
        except BaseException as error:
            raise AssertionError(f"seed {seed}: {changed}") from error
        shutil.rmtree(root)
    print(format, dict(outcomes))
    assert outcomes["named"] and outcomes["read"]
