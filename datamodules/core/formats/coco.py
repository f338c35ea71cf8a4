"""Read and write COCO JSON: https://cocodataset.org/#format-data."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faster_coco_eval.core import mask as coco_mask

from visus.datamodules.core.labels import LabelledImage, LabelledObject, Labels, is_number
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.vision.masks import encode_mask

_OTHER_KINDS = ("captions", "person_keypoints", "image_info", "stuff", "panoptic")


def find(root: Path) -> list[Path]:
    """The annotation files of a data set: `root` itself, or those in it and its subfolders."""
    if root.is_file():
        return [root] if root.suffix == ".json" else []
    files = [*root.glob("*.json"), *root.glob("*/*.json")]
    return sorted(
        path
        for path in files
        if not path.name.startswith((*_OTHER_KINDS, ".")) and b'"annotations"' in path.read_bytes()
    )


def read(root: Path) -> Labels:
    """Read all annotation files; the name of a file or its folder states the split."""
    labels = Labels()
    files = find(root)
    for path in files:
        _read_file(path, root if root.is_dir() else root.parent, _split_of(path, root), labels)
    return labels


def _split_of(path: Path, root: Path) -> str:
    parts = [path.stem, path.parent.name] if path.parent != root else [path.stem]
    for part in parts:
        for word in re.split(r"[^a-z]+", part.lower()):
            if word in SPLIT_NAMES:
                return SPLIT_NAMES[word]
    return ""


def _read_file(path: Path, root: Path, split: str, labels: Labels) -> None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, RecursionError) as error:
        return labels.fatal(str(path), f"is not JSON in UTF-8 ({error}); export it again")
    except json.JSONDecodeError as error:
        return labels.fatal(f"{path}:{error.lineno}", f"is not JSON ({error.msg}); export it again")
    except ValueError as error:
        # Python refuses numbers of thousands of digits.
        return labels.fatal(str(path), f"is not usable JSON ({error}); export it again")
    if not isinstance(content, dict):
        return labels.fatal(
            str(path),
            "is not a COCO file: expected an object with images, annotations and categories",
        )
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            return labels.fatal(str(path), f"its {key!r} is not a list; export it again")
    names = _read_categories(path, content["categories"], labels)
    objects = _read_annotations(path, content["annotations"], names, labels)
    ids = Counter(str(i.get("id")) for i in content["images"] if isinstance(i, dict))
    known = set()
    for index, entry in enumerate(content["images"]):
        place = f"{path}: images[{index}]"
        if not isinstance(entry, dict) or type(entry.get("id")) not in (int, str):
            labels.error(place, "has no usable id; expected a number")
            continue
        key = str(entry["id"])
        known.add(key)
        file_name = entry.get("file_name")
        if ids[key] > 1:
            labels.error(place, f"has the same id {key} as another image; ids must be unique")
        elif not isinstance(file_name, str) or not file_name or "\0" in file_name:
            labels.error(place, f"has no usable file_name ({file_name!r})")
        else:
            size = (entry.get("height"), entry.get("width"))
            whole = all(isinstance(side, int) and is_number(side) and side > 0 for side in size)
            labels.images.append(
                LabelledImage(
                    _find_image(file_name, path, root),
                    tuple(objects.pop(key, ())),
                    split,
                    place,
                    (int(size[0] or 0), int(size[1] or 0)) if whole else None,
                )
            )
            if not whole and (size[0] is not None or size[1] is not None):
                labels.error(place, f"states no usable size (height {size[0]}, width {size[1]})")
    for key, orphans in objects.items():
        if key not in known:
            for orphan in orphans:
                labels.error(orphan.place, f"refers to image {key}, which is not listed")


def _read_categories(path: Path, entries: list[Any], labels: Labels) -> dict[str, str]:
    """Class names by id as a string; adds them to the labels in the order of the ids."""
    names: dict[str, str] = {}
    usable = []
    for index, entry in enumerate(entries):
        place = f"{path}: categories[{index}]"
        named = isinstance(entry, dict) and isinstance(entry.get("name"), str) and entry["name"]
        if not named or type(entry.get("id")) is not int:
            labels.error(place, "needs a numeric id and a name")
        elif str(entry["id"]) in names:
            labels.fatal(
                place,
                f"has the same id {entry['id']} as {names[str(entry['id'])]!r}; ids must be unique",
            )
        elif entry["name"] in names.values():
            labels.fatal(place, f"its name {entry['name']!r} occurs twice; merge the two")
        else:
            names[str(entry["id"])] = entry["name"]
            usable.append((entry["id"], entry["name"]))
    labels.class_names += [name for _, name in sorted(usable) if name not in labels.class_names]
    return names


def _read_annotations(
    path: Path, entries: list[Any], names: dict[str, str], labels: Labels
) -> dict[str, list[LabelledObject]]:
    """The objects of each image, by its id as a string."""
    objects = defaultdict(list)
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        place = f"{path}: annotations[{index}]"
        if not isinstance(entry, dict):
            labels.error(place, f"is not a JSON object ({type(entry).__name__})")
            continue
        key = entry.get("id")
        if key is not None and str(key) in seen:
            labels.error(place, f"its id {key} occurs twice; ids must be unique")
            continue
        seen.add(str(key))
        category, box = entry.get("category_id"), entry.get("bbox")
        if str(category) not in names:
            labels.error(place, f"unknown class: category_id {category!r} is no category's id")
        elif not (isinstance(box, list) and len(box) == 4 and all(map(is_number, box))):
            labels.error(place, f"its bbox {box!r} is not four finite numbers")
        else:
            x, y, width, height = box
            mask = _read_segmentation(place, entry.get("segmentation"), labels)
            if mask is None:
                continue
            objects[str(entry.get("image_id"))].append(
                LabelledObject(
                    names[str(category)],
                    (x, y, x + width, y + height),
                    place,
                    crowd=entry.get("iscrowd") in (1, True),
                    polygons=mask[0],
                    runs=mask[1],
                    area=entry["area"] if is_number(entry.get("area")) else None,
                )
            )
    return objects


def _read_segmentation(
    place: str, value: Any, labels: Labels
) -> tuple[tuple[tuple[float, ...], ...], tuple[int, ...]] | None:
    """Polygons and run lengths, of which at least one is empty; None if they are invalid."""
    if value is None or value == []:
        return (), ()
    if isinstance(value, list) and all(isinstance(ring, list) for ring in value):
        if all(len(r) >= 6 and len(r) % 2 == 0 and all(map(is_number, r)) for r in value):
            return tuple(tuple(map(float, ring)) for ring in value), ()
    elif isinstance(value, dict):
        size, counts = value.get("size"), value.get("counts")
        if isinstance(size, list) and len(size) == 2 and all(type(s) is int for s in size):
            if isinstance(counts, str) and 0 < size[0] * size[1] < 2**28:
                try:
                    decoded = coco_mask.decode({"size": size, "counts": counts.encode()})
                    counts = encode_mask(decoded.astype(bool))["counts"]
                except (ValueError, RuntimeError, TypeError):
                    counts = None
            if isinstance(counts, list) and all(type(c) is int and c >= 0 for c in counts):
                if sum(counts) == size[0] * size[1]:
                    return (), tuple(counts)
    labels.error(place, "its segmentation is neither polygons nor run lengths that fill its size")
    return None


def _find_image(name: str, annotations: Path, root: Path) -> Path:
    """The path of an image, searched for in the usual folders."""
    home = annotations.parent
    # instances_train2017.json belongs to train2017/.
    folder = annotations.stem.rpartition("_")[2]
    for base in (home, root, root / "images", root / folder, root / "images" / folder):
        if (base / name).is_file():
            return base / name
    return home / name


def write(images: Sequence[LabelledImage], names: Sequence[Path], class_names: Sequence[str],
          output: Path) -> list[Path]:  # fmt: skip
    """Write one JSON file per split.

    Args:
        images: The checked images.
        names: A unique file name for each.
        class_names: In the order of their ids.
        output: The folder to write.

    Returns:
        The path for each image.
    """
    ids = {name: i + 1 for i, name in enumerate(class_names)}
    targets = []
    content: dict[str, dict[str, Any]] = {}
    number = 0
    for image, name in zip(images, names, strict=True):
        split = image.split or "all"
        targets.append(output / split / name)
        categories = [{"id": ids[n], "name": n} for n in class_names]
        empty = {"images": [], "annotations": [], "categories": categories}
        part = content.setdefault(split, empty)
        image_id = len(part["images"]) + 1
        height, width = image.size
        part["images"].append(
            {"id": image_id, "file_name": str(name), "width": width, "height": height}
        )
        for item in image.objects:
            number += 1
            x1, y1, x2, y2 = item.box
            entry: dict[str, Any] = {
                "id": number,
                "image_id": image_id,
                "category_id": ids[item.label],
            }
            area = (x2 - x1) * (y2 - y1) if item.area is None else item.area
            entry |= {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": area}
            entry["iscrowd"] = int(item.crowd)
            if item.runs:
                entry["segmentation"] = {"size": [height, width], "counts": list(item.runs)}
            elif item.polygons:
                entry["segmentation"] = [list(ring) for ring in item.polygons]
            part["annotations"].append(entry)
    for split, part in content.items():
        path = output / "annotations" / f"instances_{split}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(part), encoding="utf-8")
    return targets
