"""Detect the faces of many image files once, before training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from visus.datamodules.core.images import file_hash
from visus.datamodules.core.thread_pools import thread_pool
from visus.vision.faces.detection import FaceStages, find_faces
from visus.vision.faces.found import FoundFaces
from visus.vision.images import ImageError, read_image
from visus.vision.progress import track


@dataclass(frozen=True, eq=False)
class FileFaces:
    """The faces of one image file.

    Attributes:
        faces: At least one; None without a detector, or where there is a problem.
        content: `content_hash` of the file; empty where it cannot be read.
        problem: Why the image cannot be used; empty where it can.
    """

    faces: FoundFaces | None
    content: str
    problem: str


def detect_faces(
    paths: Sequence[Path], stages: FaceStages | None, min_face: int
) -> Iterator[FileFaces]:
    """Read image files in parallel and detect their faces.

    Args:
        paths: The files.
        stages: The face detector's networks; None to check only that the files can be read.
        min_face: Side of the smallest face to detect, in pixels.

    Yields:
        The faces of each file, in order.
    """
    detect = partial(_detect_in_file, stages=stages, min_face=min_face)
    # Decoding and networks run outside the interpreter's lock, so threads use all cores.
    with thread_pool() as pool:
        yield from track(pool.map(detect, paths), "Finding faces", total=len(paths))


def _detect_in_file(path: Path, stages: FaceStages | None, min_face: int) -> FileFaces:
    try:
        image = read_image(path)
        content = file_hash(path)
    except (ImageError, OSError) as error:
        return FileFaces(None, "", str(error).removeprefix(f"{path}: "))
    if stages is None:
        return FileFaces(None, content, "")
    faces = find_faces(image, stages, min_face)
    if not len(faces):
        return FileFaces(None, content, f"shows no face of {min_face} pixels or more")
    return FileFaces(faces, content, "")
