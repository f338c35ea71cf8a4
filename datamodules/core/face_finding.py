"""Find the faces of many images, once, before training begins."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from visus.datamodules.core.splits import content_hash
from visus.vision.faces.detection import FaceStages, find_faces
from visus.vision.faces.found import FoundFaces
from visus.vision.images import ImageError, read_image
from visus.vision.progress import track


@dataclass(frozen=True, eq=False)
class SeenImage:
    """What a look at an image gave.

    Attributes:
        faces: One at least; None where they were not looked for, or there is a problem.
        content: `content_hash` of the file; empty where it cannot be read.
        problem: Why the image cannot be used; empty where it can.
    """

    faces: FoundFaces | None
    content: str
    problem: str


def look_for_faces(
    paths: Sequence[Path], stages: FaceStages | None, min_face: int
) -> Iterator[SeenImage]:
    """Look at images one after the other.

    Args:
        paths: The files.
        stages: What finds faces; None to see only whether the files can be read.
        min_face: The smallest face to look for, in pixels.
    """
    look = partial(_look_at, stages=stages, min_face=min_face)
    # Decoding and networks run outside the interpreter's lock, so threads use all cores.
    with ThreadPoolExecutor() as pool:
        yield from track(pool.map(look, paths), "Finding faces", total=len(paths))


def _look_at(path: Path, stages: FaceStages | None, min_face: int) -> SeenImage:
    try:
        content = content_hash(path.read_bytes())
        image = read_image(path)
    except (ImageError, OSError) as error:
        return SeenImage(None, "", str(error).removeprefix(f"{path}: "))
    if stages is None:
        return SeenImage(None, content, "")
    found = find_faces(image, stages, min_face)
    if not len(found):
        return SeenImage(None, content, f"shows no face of {min_face} pixels or more")
    return SeenImage(found, content, "")
