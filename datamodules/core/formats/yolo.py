"""Read and write YOLO text files.

One line per object: class id, and box or outline as fractions of the image size.
https://docs.ultralytics.com/datasets/detect/ describes the layout.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import yaml

from visus.datamodules.core.formats.yolo_yaml import describes, load, read_description, yaml_files
from visus.datamodules.core.labels import LabelledImage, LabelledObject, Labels, parse_number
from visus.datamodules.core.pairing import pair_files, simple_name, subfolder, unread_files
from visus.datamodules.core.problems import shown
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.datamodules.core.text_files import read_text
from visus.vision.errors import VisusError
from visus.vision.image_files import list_files, list_images
from visus.vision.output_files import write_text

_NAME_FILES = ("classes.txt", "obj.names", "classes.names")

_LARGEST = 2.0
"""Larger coordinates are pixels; a fraction above 1 alone may be a box outside the image."""


def find(root: Path) -> list[Path]:
    """The YAML file of a data set, or one label file of each folder; empty for other data."""
    if root.is_file():
        return [root] if root.suffix.lower() in {".yaml", ".yml"} else []
    described = [path for path in yaml_files(root) if describes(path)]
    if described:
        return described
    parts = [p for p in sorted(root.iterdir()) if p.name.lower() in SPLIT_NAMES and p.is_dir()]
    folders = [subfolder(home, "labels") for home in (root, *parts)]
    return [path for folder in folders for path in _text_files(folder)[:1]]


def _text_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    others = list_files(folder).others
    return [Path(path) for path in others if path.lower().endswith(".txt")]


def read(root: Path, allow_outside: bool = False) -> Labels:
    """Read the label files of the images that the YAML file names, or of all in `images`.

    Args:
        root: The folder, or the YAML file.
        allow_outside: Whether the YAML file may name folders outside of its own that have not the
            form of a YOLO data set.
    """
    labels = Labels()
    described = [root] if root.is_file() else _described(root, labels)
    values = 0
    damaged = bool(labels.problems)
    if len(described) > 1:
        names = ", ".join(path.name for path in described)
        labels.fatal(str(root), f"has several YAML files ({names}); give one as data.root")
        return labels
    if described:
        labels.files.append(described[0])
        description = read_description(described[0], labels, allow_outside)
        labels.class_names, values = list(description.names), description.key_point_values
        labels.files += description.lists
        images = list(description.images)
    else:
        _read_names(root, labels, required=not damaged)
        images = _images_in_folders(root)
    counts = Counter(labels.class_names)
    duplicates = sorted(name for name, count in counts.items() if count > 1)
    if duplicates:
        message = f"names {shown(', '.join(duplicates))} twice; class names must be unique"
        labels.fatal(str(labels.files[0]), message)
    _read_images(images, values, labels)
    labels.problems += unread_files(root, [*labels.files, *(image for image, _ in images)])
    return labels


def _described(root: Path, labels: Labels) -> list[Path]:
    """The YAML files that describe detection data; adds a problem for those that are damaged."""
    for path in yaml_files(root):
        try:
            load(path)
        except VisusError as error:
            labels.fatal(str(path), str(error))
    return [path for path in yaml_files(root) if describes(path)]


def _read_names(root: Path, labels: Labels, required: bool) -> None:
    """Read the class names of a data set without a YAML file."""
    homes = [root, subfolder(root, "labels"), subfolder(root, "images")]
    files = [home / name for home in homes for name in _NAME_FILES if (home / name).is_file()]
    if required and not files:
        labels.fatal(
            str(root),
            "no file names the classes; add a data.yaml with names, or a classes.txt with one line "
            "per class in the order of the ids",
        )
    labels.files += files
    for path in files:
        try:
            names = [line.strip() for line in read_text(path).rstrip().splitlines()]
        except VisusError as error:
            labels.fatal(str(path), str(error))
            continue
        if "" in names:
            labels.fatal(f"{path}:{names.index('') + 1}", "is empty; each line names a class")
        elif labels.class_names and names != labels.class_names:
            labels.fatal(str(path), f"names other classes than {files[0]}; remove one of them")
        labels.class_names = labels.class_names or names


def _images_in_folders(root: Path) -> list[tuple[Path, str]]:
    """The images in folders `images`, with the splits that their folders state."""
    images = []
    for image in list_images(root):
        words = [part.lower() for part in image.relative_to(root).parts[:-1]]
        if "images" in words:
            split = next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), "")
            images.append((image, split))
    return images


def label_file(image: Path) -> Path:
    """The label file of an image: `labels` in place of the last `images` in its path."""
    homes = _homes(image.parent)
    folder = image.parent if homes is None else homes[1] / image.parent.relative_to(homes[0])
    return folder / f"{image.stem}.txt"


def _homes(folder: Path) -> tuple[Path, Path] | None:
    """The folder `images` that is or holds a folder, and the folder `labels` beside it."""
    for home in (folder, *folder.parents):
        if home.name.lower() == "images":
            return home, subfolder(home.parent, "labels")
    return None


def _read_images(images: Sequence[tuple[Path, str]], values: int, labels: Labels) -> None:
    """Pair the images with their label files, and read these."""
    unique = list(dict.fromkeys(image for image, _ in images))
    folders = {folder: label_file(folder / "x").parent for folder in {i.parent for i in unique}}
    homes = dict.fromkeys(_homes(folder) for folder in sorted(folders))
    beside = [home[1] for home in homes if home is not None]
    texts = dict.fromkeys(path for folder in beside for path in _text_files(folder))
    if None in homes:
        entries = [p for f in sorted(folders) if _homes(f) is None for p in sorted(f.iterdir())]
        texts |= dict.fromkeys(path for path in entries if path.suffix.lower() == ".txt")
    known = set(labels.files)
    partners = [p for p in texts if p not in known and p.name.lower() not in _NAME_FILES]
    pairing = pair_files(
        unique,
        partners,
        lambda image: [str(folders[image.parent] / image.stem)],
        lambda path: str(path.parent / path.stem),
        "label file",
    )
    labels.problems += pairing.problems
    labels.files += pairing.pairs.values()
    present = {
        simple_name(str(label_file(image)))
        for home in homes
        if home is not None and pairing.orphans
        for image in list_images(home[0])
    }
    for path in pairing.orphans:
        folders_of_labels = any(path.is_relative_to(folder) for folder in beside)
        if folders_of_labels and simple_name(str(path.with_suffix(".txt"))) not in present:
            labels.files.append(path)
            labels.error(str(path), "has no image of its name; add the image or remove the file")
    if pairing.alone:
        labels.warn(
            str(pairing.alone[0]),
            f"has no label file, as {len(pairing.alone)} of {len(unique)} images; they are used as "
            "negatives, without objects",
        )
    objects = {
        image: _read_file(path, values, labels) for image, path in pairing.pairs.items()
    } | dict.fromkeys(pairing.alone, ())
    _warn_of_mixture([item for items in objects.values() for item in items or ()], labels)
    for image, split in images:
        if objects.get(image) is not None:
            found = tuple(objects[image] or ())
            labels.images.append(LabelledImage(image, found, split, str(image), relative=True))


def _warn_of_mixture(objects: Sequence[LabelledObject], labels: Labels) -> None:
    """Add a warning if some lines are boxes and some outlines, as one may be a damaged other."""
    outlines = [item for item in objects if item.polygons]
    boxes = [item for item in objects if not item.polygons]
    if outlines and boxes:
        few, what = (outlines, "an outline") if len(outlines) < len(boxes) else (boxes, "a box")
        message = f"is {what}, as {len(few)} of {len(objects)} objects; the others are not"
        labels.warn(few[0].place, message)


def _read_file(path: Path, values: int, labels: Labels) -> tuple[LabelledObject, ...] | None:
    """The objects of a label file; None if it cannot be read."""
    try:
        lines = read_text(path).splitlines()
    except VisusError as error:
        labels.error(str(path), str(error))
        return None
    items = [
        _read_line(f"{path}:{number}", line.split(), values, labels)
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    return tuple(item for item in items if item is not None)


def _read_line(
    place: str, words: Sequence[str], key_point_values: int, labels: Labels
) -> LabelledObject | None:
    numbers = [parse_number(word) for word in words[1:]]
    known = len(labels.class_names)
    expected = 4 + key_point_values
    message = ""
    if not (words[0].isascii() and words[0].isdigit() and len(words[0]) < 10):
        message = "its first value is not a class id; fractions of the image size follow one"
    elif None in numbers:
        message = f"value {numbers.index(None) + 1} after the class id is not a finite fraction"
    elif known and int(words[0]) >= known:
        message = f"unknown class {words[0]}: there are {known} class names, ids start from 0"
    elif key_point_values and len(numbers) != expected:
        message = f"has {len(numbers)} values after the class id; kpt_shape declares {expected}"
    elif len(numbers) != expected and (len(numbers) < 6 or len(numbers) % 2):
        message = f"has {len(numbers)} values after the class id; 4 are a box, 6 or more an outline"
    elif _in_pixels(numbers[:4] if len(numbers) == expected else numbers):
        message = (
            "its coordinates are pixels; YOLO's are fractions of the image: divide x and width by "
            "the image's width, y and height by its height, or store the boxes as COCO or VOC, "
            "which are in pixels"
        )
    if message:
        labels.error(place, message)
    if message or not known:
        # Without usable class names, which are a problem already, only the form can be checked.
        return None
    values = [number for number in numbers if number is not None]
    label = labels.class_names[int(words[0])]
    if len(values) == expected:
        x, y, width, height = values[:4]
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return LabelledObject(label, box, place)
    box = (min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]))
    return LabelledObject(label, box, place, polygons=(tuple(values),))


def _in_pixels(coordinates: Sequence[float | None]) -> bool:
    """Whether coordinates exceed every fraction that a tool may have written by mistake."""
    return max((abs(value) for value in coordinates if value is not None), default=0) > _LARGEST


def image_path(output: Path, split: str, name: Path) -> Path:
    """The path of an image in a data set that `write` writes."""
    return output / "images" / (split or "train") / name


def write(images: Sequence[LabelledImage], names: Sequence[Path], class_names: Sequence[str],
          output: Path) -> list[Path]:  # fmt: skip
    """Write one text file per image, and `data.yaml`; see `formats.coco.write`.

    An outline of one ring is written in place of the box, which follows from it.
    """
    targets = []
    class_ids = {name: i for i, name in enumerate(class_names)}
    splits = dict.fromkeys(image.split or "train" for image in images)
    for image, name in zip(images, names, strict=True):
        target = image_path(output, image.split, name)
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
        write_text(path, "".join(f"{line}\n" for line in lines))
    description = {
        "path": ".",
        **{split: f"images/{split}" for split in splits},
        "names": dict(enumerate(class_names)),
    }
    text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
    write_text(output / "data.yaml", text)
    return targets
