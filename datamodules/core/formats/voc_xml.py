"""Parse Pascal VOC XML into elements with line numbers, and check their structure."""

import re
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from visus.datamodules.core.problems import short
from visus.vision.errors import VisusError

CORNERS = ("xmin", "ymin", "xmax", "ymax")
"""The elements of a bounding box, in the order of `LabelledObject.box`."""

_ONCE = {
    "annotation": ("filename", "size"),
    "size": ("width", "height"),
    "object": ("name", "bndbox", "difficult"),
    "bndbox": CORNERS,
}
"""The children that each element has at most once."""

_READ = ("object", "name", "bndbox", "difficult", "size", "width", "height", "filename", *CORNERS)


@dataclass
class Element:
    """An XML element.

    Attributes:
        tag: Its name.
        line: The line on which it starts, from 1.
        parts: Its text, in pieces.
        children: The elements in it.
    """

    tag: str
    line: int
    parts: list[str] = field(default_factory=list)
    children: list["Element"] = field(default_factory=list)

    def find(self, tag: str) -> "Element | None":
        """The first child with that tag."""
        return next((child for child in self.children if child.tag == tag), None)

    def value(self, tag: str) -> str:
        """The text of the first child with that tag; empty without one."""
        child = self.find(tag)
        return "" if child is None else "".join(child.parts).strip()


def parse(path: Path) -> Element:
    """Parse a file; returns its element `annotation`.

    Raises:
        VisusError: If it cannot be read, is not XML, is not an annotation, or declares entities,
            whose expansion can exhaust memory; the message names no file.
    """
    parser = expat.ParserCreate()
    top = Element("", 0)
    open_elements = [top]

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, parser.CurrentLineNumber)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def refuse(*declaration: object) -> None:
        raise ValueError(
            f"line {parser.CurrentLineNumber} declares an entity, which is never expanded"
        )

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: open_elements.pop()
    parser.CharacterDataHandler = lambda text: open_elements[-1].parts.append(text)
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(path.read_bytes(), True)
    except OSError as error:
        raise VisusError(f"cannot be read ({error.strerror}); check its permissions") from None
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise VisusError(f"is not usable XML ({error}); export it again") from None
    root = top.children[0]
    if root.tag != "annotation":
        raise VisusError(
            f"is not an annotation of Pascal VOC: its root is <{short(root.tag)}>, not <annotation>"
        )
    return root


@dataclass(frozen=True)
class Misplaced:
    """An element that would not be read, or that is there too often.

    Attributes:
        line: The line on which it starts.
        message: What is wrong with it.
        top: The child of `annotation` that holds it; None for `annotation` itself.
    """

    line: int
    message: str
    top: Element | None


def misplaced(root: Element) -> list[Misplaced]:
    """Elements that would be lost in silence: objects under a wrong tag, a second box of one."""
    problems = []
    pending: deque[tuple[Element, tuple[str, ...], Element | None]] = deque([(root, (), None)])
    while pending:
        element, parents, top = pending.popleft()
        message = _wrong(element, parents)
        if message:
            problems.append(Misplaced(element.line, message, top))
        # Deeper ones are not part of the format, and their tags would fill the memory.
        if len(parents) < 6:
            inner = (*parents, element.tag)
            pending += [(child, inner, top or child) for child in element.children]
    return problems


def _wrong(element: Element, parents: tuple[str, ...]) -> str:
    """What is wrong with an element in that place; empty for nothing."""
    written = element.tag
    if written not in _READ and parents and parents[-1] in _ONCE:
        known = re.sub("[^a-z]", "", written.lower())
        if known in _READ:
            return f"<{short(written)}> must be written <{known}>"
    if written == "bndbox" and parents[1:] not in (("object",), ("object", "part")):
        return "a <bndbox> that is in no <object> of <annotation>; move it"
    if written == "object" and parents != ("annotation",):
        return "an <object> that is not in <annotation>; move it"
    if written in _ONCE and parents[1:] != ("object", "part") and len(element.children) > 1:
        tags = [child.tag for child in element.children]
        several = [tag for tag in _ONCE[written] if tags.count(tag) > 1]
        if several:
            return f"<{written}> has several <{several[0]}>; keep one"
    return ""
