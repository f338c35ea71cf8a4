"""Read and write Pascal VOC XML.

http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html describes the format.
Coordinates are read unchanged, as today's labelling tools count pixels from 0.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

from visus.datamodules.core.formats.voc_xml import CORNERS, Element, misplaced, parse
from visus.datamodules.core.labels import LabelledImage, LabelledObject, Labels, parse_number
from visus.datamodules.core.pairing import simple_name, subfolder, unread_files
from visus.datamodules.core.problems import shown
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.datamodules.core.text_files import read_text
from visus.vision.errors import VisusError
from visus.vision.image_files import EXTENSIONS, list_files
from visus.vision.output_files import write_text


def find(root: Path) -> list[Path]:
    """The XML files of a data set, sorted."""
    if not root.is_dir():
        return []
    home = subfolder(root, "Annotations")
    files = list_files(home if home.is_dir() else root).others
    return [Path(path) for path in files if path.lower().endswith(".xml")]


def read(root: Path, allow_outside: bool = False) -> Labels:
    """Read all XML files, or those that the split lists in `ImageSets/Main` name.

    Args:
        root: The folder.
        allow_outside: Without effect, as the format names files without their folders.
    """
    labels = Labels()
    reader = _Reader(root, labels)
    files = find(root)
    lists = subfolder(subfolder(root, "ImageSets"), "Main")
    texts = [
        path
        for path in (sorted(lists.iterdir()) if lists.is_dir() else [])
        if path.is_file() and path.suffix.lower() == ".txt"
    ]
    split_lists = [path for path in texts if path.stem.lower() in SPLIT_NAMES]
    if all(SPLIT_NAMES[path.stem.lower()] == "test" for path in split_lists):
        split_lists += [path for path in texts if path.stem.lower() == "trainval"]
    if split_lists:
        by_stem = defaultdict(list)
        for path in files:
            by_stem[path.stem].append(path)
        for path in split_lists:
            labels.files.append(path)
            _read_list(path, by_stem, reader)
    else:
        for path in files:
            words = [part.lower() for part in path.relative_to(root).parts[:-1]]
            split = next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), "")
            reader.read(path, split)
    names = {item.label for image in labels.images for item in image.objects}
    labels.class_names = sorted(names)
    # The lists of single classes, and of training and validation together, repeat the others.
    repeats = lists.glob("*.txt") if split_lists else ()
    used = [*labels.files, *(image.path for image in labels.images), *reader.missed, *repeats]
    labels.problems += unread_files(root, used)
    return labels


def _read_list(path: Path, by_stem: dict[str, list[Path]], reader: "_Reader") -> None:
    # Of images for training and validation together some are held out.
    labels, split = reader.labels, SPLIT_NAMES.get(path.stem.lower(), "train")
    try:
        lines = read_text(path).splitlines()
    except VisusError as error:
        return labels.fatal(str(path), str(error))
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        text, place = line.strip(), f"{path}:{number}"
        # The lists of single classes state 1, -1 or 0 after the name.
        head, _, flag = text.rpartition(" ")
        bare = head.strip() if flag in {"1", "-1", "0"} else text
        stem = Path(bare).stem if Path(bare).suffix.lower() in EXTENSIONS else bare
        name = next((n for n in (text, bare, stem) if n in by_stem), bare)
        files = by_stem.get(name, [])
        if name in seen:
            labels.error(place, f"names {shown(name)}, as line {seen[name]} does; remove one")
        elif len(files) > 1:
            labels.error(place, f"names {shown(name)}, which may be {files[0]} or {files[1]}")
        elif files:
            seen[name] = number
            reader.read(files[0], split)
        elif text:
            labels.error(place, f"names {shown(name)}, which has no XML file")
    return None


@dataclass
class _Folder:
    """The images of one folder by their names.

    Attributes:
        exact: By the whole name.
        by_stem: By the name without ending.
        by_simple: By the name without ending and case.
    """

    exact: dict[str, Path] = field(default_factory=dict)
    by_stem: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    by_simple: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))


class _Reader:
    """Reads the XML files of one data set."""

    def __init__(self, root: Path, labels: Labels) -> None:
        self.root = root
        self.labels = labels
        self.folders: dict[Path, _Folder] = defaultdict(_Folder)
        self.taken: dict[Path, Path] = {}
        self.missed: list[Path] = []
        self.homes = cache(self._homes)
        for path in map(Path, list_files(root).images):
            folder = self.folders[path.parent]
            folder.exact[path.name] = path
            folder.by_stem[path.stem].append(path)
            folder.by_simple[simple_name(path.stem)].append(path)

    def _homes(self, folder: Path) -> list[Path]:
        """The folders in which the image of an XML file in `folder` may lie, nearest first."""
        kinds = [subfolder(self.root, name) for name in ("JPEGImages", "images")]
        annotations = subfolder(self.root, "Annotations")
        inner = folder.relative_to(annotations) if folder.is_relative_to(annotations) else Path()
        beside = [subfolder(folder.parent, name) for name in ("JPEGImages", "images")]
        homes = [*(kind / inner for kind in kinds), folder, *beside, *kinds, self.root]
        return [home for home in dict.fromkeys(homes) if home in self.folders]

    def read(self, path: Path, split: str) -> None:
        """Read one file into the labels."""
        labels = self.labels
        labels.files.append(path)
        try:
            tree = parse(path)
            image = self._image(path, tree.value("filename"))
        except VisusError as error:
            self.missed += self._own(path)
            return labels.error(str(path), str(error))
        if self.taken.setdefault(image, path) != path:
            message = f"labels {image}, as {self.taken[image]} does; correct a <filename>"
            return labels.error(str(path), message)
        wrong = misplaced(tree)
        for each in wrong:
            labels.error(f"{path}:{each.line}", each.message)
        tops = [each.top for each in wrong]
        if None in tops:
            return None
        found = [
            _read_object(f"{path}:{element.line}", element, labels)
            for element in tree.children
            if element.tag == "object" and not any(element is top for top in tops)
        ]
        objects = tuple(item for item in found if item is not None)
        declared = _declared(path, tree, labels)
        labels.images.append(LabelledImage(image, objects, split, str(path), declared))
        return None

    def _own(self, path: Path) -> list[Path]:
        """The images that have the name of an XML file."""
        homes = (self.folders[home] for home in self.homes(path.parent))
        return next((home.by_stem[path.stem] for home in homes if path.stem in home.by_stem), [])

    def _image(self, path: Path, stated: str) -> Path:
        """The image of an XML file: that of its `<filename>`, else that of its own name.

        Raises:
            VisusError: If there is none, or there are several.
        """
        homes = [self.folders[home] for home in self.homes(path.parent)]
        # Tools write whole paths of other machines; only the last part means something here.
        name = stated.replace("\\", "/").rpartition("/")[2]
        exact = next((home.exact[name] for home in homes if name in home.exact), None)
        own = self._own(path)
        if exact is not None:
            if own and exact not in own:
                message = f"its <filename> is {exact}, which is read, not {own[0]} of its own name"
                self.labels.warn(str(path), message)
            return exact
        simple = simple_name(path.stem)
        similar = next((home.by_simple[simple] for home in homes if simple in home.by_simple), [])
        stem = name.rpartition(".")[0] or name
        other = next((home.by_stem[stem] for home in homes if stem in home.by_stem), [])
        matches = own or other or similar
        if not matches:
            raise VisusError(f"there is no image named {shown(path.stem)}")
        if len(matches) > 1:
            raise VisusError(
                f"its image may be {matches[0]} or {matches[1]}; write which one into <filename>"
            )
        return matches[0]


def _declared(path: Path, tree: Element, labels: Labels) -> tuple[int, int] | None:
    """The size that a file states; None if it states none."""
    size = tree.find("size")
    if size is None:
        return None
    height, width = (parse_number(size.value(tag)) for tag in ("height", "width"))
    if height == width == 0:
        # Some tools write zeros for an unknown size.
        return None
    if height and width and min(height, width) >= 1 and height % 1 == width % 1 == 0:
        return int(height), int(width)
    labels.error(f"{path}:{size.line}", "states no usable size")
    return None


def _read_object(place: str, element: Element, labels: Labels) -> LabelledObject | None:
    name, box = element.value("name"), element.find("bndbox")
    if not name:
        labels.error(place, "an object without a name")
        return None
    texts = [box.value(tag) if box is not None else "" for tag in CORNERS]
    x1, y1, x2, y2 = (parse_number(text) for text in texts)
    if x1 is None or y1 is None or x2 is None or y2 is None:
        values = ", ".join(f"{t} {shown(v)}" for t, v in zip(CORNERS, texts, strict=True))
        labels.error(place, f"its bndbox is not four finite numbers ({values})")
        return None
    difficult = element.value("difficult")
    if difficult not in {"", "0", "1"}:
        labels.error(place, f"its <difficult> is {shown(difficult)}, neither 0 nor 1")
        return None
    return LabelledObject(name, (x1, y1, x2, y2), place, difficult=difficult == "1")


def image_path(output: Path, split: str, name: Path) -> Path:
    """The path of an image in a data set that `write` writes."""
    return output / "JPEGImages" / name


def write(images: Sequence[LabelledImage], names: Sequence[Path], class_names: Sequence[str],
          output: Path) -> list[Path]:  # fmt: skip
    """Write one XML file per image, and lists of the splits; see `formats.coco.write`."""
    targets = []
    lists: dict[str, list[str]] = {}
    # Where there is a list, images in none are not read.
    unstated = "train" if any(image.split for image in images) else ""
    for image, name in zip(images, names, strict=True):
        targets.append(image_path(output, image.split, name))
        if image.split or unstated:
            lists.setdefault(image.split or unstated, []).append(name.stem)
        height, width = image.size
        lines = [
            "<annotation>",
            f"\t<filename>{escape(str(name))}</filename>",
            f"\t<size><width>{width}</width><height>{height}</height><depth>3</depth></size>",
        ]
        for item in image.objects:
            pairs = zip(CORNERS, item.box, strict=True)
            corners = "".join(f"<{tag}>{value:.12g}</{tag}>" for tag, value in pairs)
            lines += [
                "\t<object>",
                f"\t\t<name>{escape(item.label)}</name>",
                f"\t\t<difficult>{int(item.difficult)}</difficult>",
                f"\t\t<bndbox>{corners}</bndbox>",
                "\t</object>",
            ]
        path = output / "Annotations" / f"{name.stem}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, "\n".join([*lines, "</annotation>", ""]))
    for split, stems in lists.items():
        path = output / "ImageSets" / "Main" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, "\n".join([*stems, ""]))
    return targets
