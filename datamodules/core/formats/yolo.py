"""Read and write YOLO text files.

One line per object: class id, and box or outline as fractions of the image size.
https://docs.ultralytics.com/datasets/detect/ describes the layout.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from visus.datamodules.core.labels import LabelledImage, LabelledObject, Labels, is_number
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.vision.image_files import list_images

_HIGHEST_CLASS = 9_999
"""A higher class id is a typing error, and names for all ids below would exhaust memory."""

_NAME_FILES = ("classes.txt", "obj.names", "classes.names")


def find(root: Path) -> list[Path]:
    """The YAML file of a data set, or one label file of each folder; empty for other data."""
    if root.is_file():
        return [root] if root.suffix in {".yaml", ".yml"} else []
    described = [path for path in _yaml_files(root) if _parse_yaml(path)]
    folders = [root / "labels", *(root / split / "labels" for split in SPLIT_NAMES)]
    return described or [path for folder in folders for path in sorted(folder.rglob("*.txt"))[:1]]


def read(root: Path) -> Labels:
    """Read the label files of the images that the YAML file names, or of all in `images`."""
    labels = Labels()
    described = [root] if root.is_file() else [p for p in _yaml_files(root) if _parse_yaml(p)]
    if len(described) > 1:
        names = ", ".join(path.name for path in described)
        labels.fatal(str(root), f"has several YAML files ({names}); give one as data.root")
        return labels
    if described:
        images = _read_yaml(described[0], labels)
    else:
        images = _read_folders(root, labels)
    for image, split in images:
        _read_image(image, split, labels)
    return labels


def _yaml_files(root: Path) -> list[Path]:
    return sorted([*root.glob("*.yaml"), *root.glob("*.yml")])


def _parse_yaml(path: Path) -> dict[str, Any]:
    """The content of a YAML file that describes detection data; empty for any other file."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict) or "names" not in content:
        return {}
    # A YAML of names alone describes masks; its images have no label files.
    return content if any(key in content for key in SPLIT_NAMES) else {}


def _read_yaml(path: Path, labels: Labels) -> Iterator[tuple[Path, str]]:
    content = _parse_yaml(path)
    if not content:
        labels.fatal(str(path), "needs names, and train or val: the folders of the images")
        return
    names = content["names"]
    if isinstance(names, dict) and all(type(key) is int for key in names):
        highest = max(names, default=-1)
        if highest > _HIGHEST_CLASS:
            labels.fatal(f"{path}: names", f"has a class id {highest}; ids start from 0")
            return
        names = [names.get(i, str(i)) for i in range(highest + 1)]
    if not isinstance(names, list) or not all(isinstance(n, str | int) for n in names):
        labels.fatal(f"{path}: names", "is neither a list nor a mapping of ids to names")
        return
    labels.class_names = [str(name) for name in names]
    _refuse_duplicates(f"{path}: names", labels)
    base = path.parent / str(content.get("path") or "")
    if not base.is_dir():
        base = path.parent
    for key, split in SPLIT_NAMES.items():
        for entry in _listed(content.get(key)):
            # Exports often state ../train/images for a folder beside the file.
            parts = Path(entry).parts
            inside = Path(*[part for part in parts if part != ".."]) if parts else Path()
            home = next((h for h in (base / entry, base / inside) if h.exists()), None)
            if home is None:
                place = f"{path}: {key}"
                message = f"names {entry!r}, which does not exist"
                if split == "train":
                    labels.error(place, message)
                else:
                    labels.warn(place, f"{message}; the data set is used without that split")
            elif home.is_dir():
                yield from ((image, split) for image in list_images(home))
            else:
                lines = home.read_text(encoding="utf-8-sig").splitlines()
                yield from ((home.parent / line.strip(), split) for line in lines if line.strip())


def _listed(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [item for item in values if isinstance(item, str) and item]


def _read_folders(root: Path, labels: Labels) -> Iterator[tuple[Path, str]]:
    homes = [root, root / "labels", root / "images"]
    files = [home / name for home in homes for name in _NAME_FILES if (home / name).is_file()]
    if files:
        lines = files[0].read_text(encoding="utf-8-sig").splitlines()
        labels.class_names = [line.strip() for line in lines if line.strip()]
        _refuse_duplicates(str(files[0]), labels)
    else:
        labels.fatal(
            str(root),
            "no file names the classes; add a data.yaml with names, or a classes.txt with one line "
            "per class in the order of the ids",
        )
    for image in list_images(root):
        words = [part.lower() for part in image.relative_to(root).parts[:-1]]
        if "images" in words:
            yield image, next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), "")


def _refuse_duplicates(place: str, labels: Labels) -> None:
    counts = Counter(labels.class_names)
    duplicates = sorted(name for name, count in counts.items() if count > 1)
    if duplicates:
        labels.fatal(place, f"names {', '.join(duplicates)} twice; class names must be unique")


def label_file(image: Path) -> Path:
    """The label file of an image: `labels` in place of the last `images` in its path."""
    parts = list(image.parts)
    for i in range(len(parts) - 2, -1, -1):
        if parts[i] == "images":
            return Path(*parts[:i], "labels", *parts[i + 1 : -1], image.stem + ".txt")
    return image.with_suffix(".txt")


def _read_image(image: Path, split: str, labels: Labels) -> None:
    path = label_file(image)
    objects = []
    if path.is_file():
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            return labels.error(str(path), f"is not UTF-8 text (byte {error.start})")
        for number, line in enumerate(lines, 1):
            item = _read_line(f"{path}:{number}", line, labels) if line.strip() else None
            if item is not None:
                objects.append(item)
    labels.images.append(LabelledImage(image, tuple(objects), split, str(image), relative=True))
    return None


def _read_line(place: str, line: str, labels: Labels) -> LabelledObject | None:
    words = line.split()
    try:
        values = [float(word) for word in words[1:]]
        number = int(words[0])
    except ValueError:
        labels.error(
            place, f"{line.strip()[:60]!r} is not a class id and fractions of the image size"
        )
        return None
    if not all(map(is_number, values)):
        labels.error(place, f"{line.strip()[:60]!r} holds a value that is not finite")
    elif not 0 <= number < len(labels.class_names):
        known = len(labels.class_names)
        labels.error(
            place, f"unknown class {number}: there are {known} class names, ids start from 0"
        )
    elif len(values) == 4:
        x, y, width, height = values
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return LabelledObject(labels.class_names[number], box, place)
    elif len(values) >= 6 and len(values) % 2 == 0:
        box = (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))
        outline = (tuple(values),)
        return LabelledObject(labels.class_names[number], box, place, polygons=outline)
    else:
        labels.error(
            place, f"has {len(values)} values after the class id; 4 are a box, 6 or more an outline"
        )
    return None


def write(images: Sequence[LabelledImage], names: Sequence[Path], class_names: Sequence[str],
          output: Path) -> list[Path]:  # fmt: skip
    """Write one text file per image, and `data.yaml`; see `formats.coco.write`.

    An outline of one ring is written in place of the box, which follows from it.
    """
    targets = []
    class_ids = {name: i for i, name in enumerate(class_names)}
    splits = dict.fromkeys(image.split or "train" for image in images)
    for image, name in zip(images, names, strict=True):
        target = output / "images" / (image.split or "train") / name
        targets.append(target)
        height, width = image.size
        lines = []
        for item in image.objects:
            x1, y1, x2, y2 = item.box
            values = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height]
            values += [(x2 - x1) / width, (y2 - y1) / height]
            if len(item.polygons) == 1:
                ring = item.polygons[0]
                values = [v / (height if i % 2 else width) for i, v in enumerate(ring)]
            lines.append(" ".join([str(class_ids[item.label]), *(f"{v:.10g}" for v in values)]))
        path = label_file(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    description = {
        "path": ".",
        **{split: f"images/{split}" for split in splits},
        "names": dict(enumerate(class_names)),
    }
    text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
    (output / "data.yaml").write_text(text, encoding="utf-8")
    return targets
