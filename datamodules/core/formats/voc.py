"""Read and write Pascal VOC XML.

http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html describes the format.
Coordinates are read unchanged, as today's labelling tools count pixels from 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape

from visus.datamodules.core.labels import LabelledImage, LabelledObject, Labels, is_number
from visus.datamodules.core.splits import SPLIT_NAMES
from visus.vision.image_files import EXTENSIONS

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass
class _Element:
    """An XML element with its line number."""

    tag: str
    line: int
    text: str = ""
    children: list["_Element"] = field(default_factory=list)

    def find(self, tag: str) -> "_Element | None":
        """The first child with that tag."""
        return next((child for child in self.children if child.tag == tag), None)

    def value(self, tag: str) -> str:
        """The text of the first child with that tag; empty without one."""
        child = self.find(tag)
        return "" if child is None else child.text.strip()


def find(root: Path) -> list[Path]:
    """The XML files of a data set, sorted."""
    if not root.is_dir():
        return []
    home = root / "Annotations" if (root / "Annotations").is_dir() else root
    return sorted(path for path in home.rglob("*.xml") if not path.name.startswith("."))


def read(root: Path) -> Labels:
    """Read all XML files, or those that the split lists in `ImageSets/Main` name."""
    labels = Labels()
    files = find(root)
    images = {
        (path.parent, path.stem): path
        for path in sorted(root.rglob("*"))
        if path.suffix.lower() in EXTENSIONS
    }
    lists = [
        path
        for path in sorted((root / "ImageSets" / "Main").glob("*.txt"))
        if path.stem.lower() in SPLIT_NAMES
    ]
    if lists:
        by_stem = {path.stem: path for path in files}
        for path in lists:
            split = SPLIT_NAMES[path.stem.lower()]
            for number, line in enumerate(_lines(path, labels), 1):
                name = line.split()[0] if line.split() else ""
                if name and name not in by_stem:
                    labels.error(f"{path}:{number}", f"names {name!r}, which has no XML file")
                elif name:
                    _read_file(by_stem[name], root, split, images, labels)
    else:
        for path in files:
            words = [part.lower() for part in path.relative_to(root).parts[:-1]]
            split = next((SPLIT_NAMES[word] for word in words if word in SPLIT_NAMES), "")
            _read_file(path, root, split, images, labels)
    names = {item.label for image in labels.images for item in image.objects}
    labels.class_names = sorted(names)
    return labels


def _lines(path: Path, labels: Labels) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        labels.fatal(str(path), f"is not UTF-8 (byte {error.start}); save it as UTF-8")
        return []


def _read_file(path: Path, root: Path, split: str, images: dict[tuple[Path, str], Path],
               labels: Labels) -> None:  # fmt: skip
    try:
        tree = _parse(path)
    except (expat.ExpatError, ValueError, LookupError) as error:
        return labels.error(str(path), f"is not usable XML ({error}); export it again")
    stated = Path(tree.value("filename").replace("\\", "/")).stem
    homes = (root / "JPEGImages", root / "images", path.parent)
    keys = [(home, stem) for stem in (path.stem, stated) for home in homes]
    image = next((images[key] for key in keys if key in images), None)
    if image is None:
        return labels.error(str(path), f"there is no image named {path.stem!r}")
    size = tree.find("size")
    declared = None
    if size is not None:
        sides = [_number(size.value(tag)) for tag in ("height", "width")]
        if all(side is not None and side > 0 for side in sides):
            declared = (int(sides[0] or 0), int(sides[1] or 0))
        elif any(side != 0 for side in sides):
            # Some tools write zeros for an unknown size.
            labels.error(f"{path}:{size.line}", "states no usable size")
    objects = []
    for element in tree.children:
        if element.tag == "object":
            item = _read_object(f"{path}:{element.line}", element, labels)
            if item is not None:
                objects.append(item)
    labels.images.append(LabelledImage(image, tuple(objects), split, str(path), declared))


def _read_object(place: str, element: _Element, labels: Labels) -> LabelledObject | None:
    name, box = element.value("name"), element.find("bndbox")
    if not name:
        labels.error(place, "an object without a name")
        return None
    texts = [box.value(tag) if box is not None else "" for tag in _CORNERS]
    corners = [_number(text) for text in texts]
    x1, y1, x2, y2 = corners
    if x1 is None or y1 is None or x2 is None or y2 is None:
        values = ", ".join(f"{t} {v!r}" for t, v in zip(_CORNERS, texts, strict=True))
        labels.error(place, f"its bndbox is not four finite numbers ({values})")
        return None
    return LabelledObject(
        name, (x1, y1, x2, y2), place, difficult=element.value("difficult") == "1"
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if is_number(value) else None


def _parse(path: Path) -> _Element:
    """Parse a file; returns the root element.

    Raises:
        ValueError: If the file declares entities, whose expansion can exhaust memory.
        xml.parsers.expat.ExpatError: If it is not XML.
    """
    parser = expat.ParserCreate()
    top = _Element("", 0)
    open_elements = [top]

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = _Element(tag, parser.CurrentLineNumber)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def refuse(*declaration: object) -> None:
        raise ValueError(
            f"line {parser.CurrentLineNumber} declares an entity, which is never expanded"
        )

    def add(text: str) -> None:
        open_elements[-1].text += text

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: open_elements.pop()
    parser.CharacterDataHandler = add
    parser.EntityDeclHandler = refuse
    parser.Parse(path.read_bytes(), True)
    return top.children[0]


def write(images: Sequence[LabelledImage], names: Sequence[Path], class_names: Sequence[str],
          output: Path) -> list[Path]:  # fmt: skip
    """Write one XML file per image, and lists of the splits; see `formats.coco.write`."""
    targets = []
    lists: dict[str, list[str]] = {}
    for image, name in zip(images, names, strict=True):
        targets.append(output / "JPEGImages" / name)
        if image.split:
            lists.setdefault(image.split, []).append(name.stem)
        height, width = image.size
        lines = [
            "<annotation>",
            f"\t<filename>{escape(str(name))}</filename>",
            f"\t<size><width>{width}</width><height>{height}</height><depth>3</depth></size>",
        ]
        for item in image.objects:
            pairs = zip(_CORNERS, item.box, strict=True)
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
        path.write_text("\n".join([*lines, "</annotation>", ""]), encoding="utf-8")
    for split, stems in lists.items():
        path = output / "ImageSets" / "Main" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*stems, ""]), encoding="utf-8")
    return targets
