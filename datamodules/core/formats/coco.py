"""Read and write COCO JSON: https://cocodataset.org/#format-data."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visus.datamodules.core.formats.coco_objects import read_annotations, read_categories
from visus.datamodules.core.json_files import read_json
from visus.datamodules.core.labels import LabelledImage, Labels, is_number, misspelt
from visus.datamodules.core.named_files import NamedFileError, NamedFiles, image_folders
from visus.datamodules.core.pairing import unread_files
from visus.datamodules.core.problems import short, shown
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.vision.errors import VisusError
from visus.vision.image_files import list_files
from visus.vision.output_files import write_text

_OTHER_KINDS = ("captions", "person_keypoints", "image_info", "stuff", "panoptic")

_LISTS = ("images", "annotations", "categories")
_IMAGE_KEYS = ("id", "file_name", "width", "height")


def find(root: Path) -> list[Path]:
    """The annotation files of a data set: `root` itself, or those in it and its subfolders."""
    if root.is_file():
        return [root] if root.suffix.lower() == ".json" else []
    others = list_files(root).others
    paths = [Path(path) for path in others if path.lower().endswith(".json")]
    return [path for path in paths if _is_coco(path)]


def _is_coco(path: Path) -> bool:
    if path.name.startswith(_OTHER_KINDS):
        return False
    try:
        content = path.read_bytes()
    except OSError:
        return False
    if b'"caption"' in content and b'"bbox"' not in content:
        return False
    return b'"annotations"' in content or (b'"images"' in content and b'"categories"' in content)


def read(root: Path, allow_outside: bool = False) -> Labels:
    """Read all annotation files; the name of a file or its folder states the split.

    Args:
        root: A folder, or one annotation file.
        allow_outside: Whether images outside of the data set's folder may be named.
    """
    labels = Labels()
    folder = root if root.is_dir() else root.parent
    if root.is_file() and folder.name.lower() == "annotations":
        folder = folder.parent
    files = NamedFiles(folder, allow_outside)
    for path in find(root):
        labels.files.append(path)
        _read_file(path, files, _split_of(path, root), labels)
    labels.problems += unread_files(root, [*labels.files, *(i.path for i in labels.images)])
    return labels


def _split_of(path: Path, root: Path) -> str:
    folders = path.relative_to(root).parts[:-1] if path != root else ()
    for part in (path.stem, *reversed(folders)):
        for word in re.split(r"[^a-z]+", part.lower()):
            if word in SPLIT_NAMES:
                return SPLIT_NAMES[word]
    return ""


def _load(path: Path) -> dict[str, list[Any]]:
    """The three lists of an annotation file.

    Raises:
        VisusError: If it cannot be read or is not a COCO file.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise VisusError(
            "is not a COCO file: expected an object with images, annotations and categories; "
            "export it as COCO, or move it out of the data set"
        )
    if wrong := misspelt(content, _LISTS):
        raise VisusError(wrong)
    for key in _LISTS:
        if not isinstance(content.get(key), list):
            raise VisusError(f"its {key!r} is not a list; export it again")
    return content


def _read_file(path: Path, files: NamedFiles, split: str, labels: Labels) -> None:
    try:
        content = _load(path)
    except VisusError as error:
        return labels.fatal(str(path), str(error))
    names = read_categories(path, content["categories"], content["annotations"], labels)
    objects = read_annotations(path, content["annotations"], names, labels)
    ids = Counter(str(i["id"]) for i in content["images"] if _has_id(i))
    homes = image_folders(path, files.root)
    taken = {image.path: image.place for image in labels.images if image.split == split}
    for index, entry in enumerate(content["images"]):
        place = f"{path}: images[{index}]"
        if not _has_id(entry):
            labels.error(place, "has no usable id; expected a number")
            continue
        key = str(entry["id"])
        wrong = misspelt(entry, _IMAGE_KEYS)
        if ids[key] > 1:
            labels.error(
                place, f"has the same id {short(key)} as another image; ids must be unique"
            )
        elif wrong:
            labels.error(place, wrong)
        elif not isinstance(entry.get("file_name"), str):
            labels.error(place, f"has no usable file_name ({shown(entry.get('file_name'))})")
        else:
            try:
                image = _find_image(entry["file_name"], homes, files, split)
            except NamedFileError as error:
                labels.error(place, str(error))
                continue
            if image in taken:
                labels.error(place, f"names {image}, as {taken[image]} does; merge the two")
                continue
            taken[image] = place
            declared = _declared(place, entry, labels)
            found = tuple(objects.get(key, ()))
            labels.images.append(LabelledImage(image, found, split, place, declared))
    for key, orphans in objects.items():
        if key not in ids:
            for orphan in orphans:
                labels.error(orphan.place, f"refers to image {short(key)}, which is not listed")


def _find_image(name: str, homes: Sequence[Path], files: NamedFiles, split: str) -> Path:
    """The image of a name; where its folder is that of another machine, the only one so called.

    Raises:
        NamedFileError: If there is no such image, or it lies in the folder of another split.
    """
    try:
        return files.find(name, homes)
    except NamedFileError:
        # The address of a web server may end in a query, or have the name in it.
        address = name.partition("?")[0]
        written = address if Path(address).suffix else name
        image = files.find(written, homes, anywhere=True)
    folders = image.relative_to(files.root).parts[:-1]
    stated = {SPLIT_NAMES[each.lower()] for each in folders if each.lower() in SPLIT_NAMES}
    if split and stated and split not in stated:
        raise NamedFileError(f"there is no file {shown(name)} in its split, only {image}")
    return image


def _has_id(entry: object) -> bool:
    return isinstance(entry, dict) and type(entry.get("id")) in (int, str)


def _declared(place: str, entry: dict[str, Any], labels: Labels) -> tuple[int, int] | None:
    """The size that an image's entry states; None if it states none."""
    height, width = entry.get("height"), entry.get("width")
    if height is None and width is None:
        return None
    if all(type(side) is int and is_number(side) and side > 0 for side in (height, width)):
        return int(height or 0), int(width or 0)
    labels.error(place, f"states no usable size (height {shown(height)}, width {shown(width)})")
    return None


def image_path(output: Path, split: str, name: Path) -> Path:
    """The path of an image in a data set that `write` writes."""
    return output / (split or "images") / name


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
        targets.append(image_path(output, image.split, name))
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
            if item.score is not None:
                entry["score"] = item.score
            if item.runs:
                entry["segmentation"] = {"size": [height, width], "counts": list(item.runs)}
            elif item.polygons:
                entry["segmentation"] = [list(ring) for ring in item.polygons]
            part["annotations"].append(entry)
    for split, part in content.items():
        path = output / "annotations" / f"instances_{split}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(part))
    return targets
