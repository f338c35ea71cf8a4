"""A folder a person: who is in it, and where the face is in each picture."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datamodules.problems import Problem
from datamodules.splits import SPLIT_NAMES, content_hash
from vision.errors import VisusError
from vision.face_detection import FaceStages, find_faces
from vision.images import ImageError, list_images, read_image
from vision.predictions import FacePrediction
from vision.progress import track


@dataclass(frozen=True, eq=False)
class FacePicture:
    """A picture of a person.

    Attributes:
        path: The file.
        person: Whose folder it lies in.
        split: `train`, `val`, `test`, or empty where the data set states none.
        content: `content_hash` of the person's name: people stay together.
        face: The face that is meant; None where the picture is an aligned face as a whole, or
            shows none.
    """

    path: Path
    person: str
    split: str
    content: str
    face: FacePrediction | None = None

    @property
    def landmarks(self) -> NDArray[np.float32] | None:
        """The five landmarks of the face, (5, 2) in pixels."""
        return None if self.face is None else self.face.landmarks[0]


def list_people(root: Path) -> list[FacePicture]:
    """The pictures of all people.

    Args:
        root: A folder a person, or these within `train`, `val` and `test`.

    Raises:
        VisusError: If there are no such folders.
    """
    if not root.is_dir():
        raise VisusError(f"data.root {str(root)!r}: there is no such folder; check the path")
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    if folders and all(path.name.lower() in SPLIT_NAMES for path in folders):
        people = [
            (SPLIT_NAMES[split.name.lower()], person)
            for split in folders
            for person in sorted(split.iterdir())
            if person.is_dir()
        ]
    else:
        people = [("", person) for person in folders]
    pictures = [
        FacePicture(path, folder.name, split, content_hash(folder.name.encode()))
        for split, folder in people
        for path in list_images(folder)
    ]
    if not pictures:
        raise VisusError(
            f"data.root {str(root)!r}: holds no folders with pictures; it needs a folder a person"
        )
    return pictures


def find_people(
    pictures: Sequence[FacePicture], stages: FaceStages | None, min_face: int
) -> tuple[list[FacePicture], list[Problem]]:
    """Read every picture once and find the face nearest to its centre.

    Args:
        pictures: As listed.
        stages: What finds faces; None where the pictures are aligned faces.
        min_face: The smallest face to look for, in pixels.

    Returns:
        The pictures that can be used, and what is wrong with the others.
    """
    usable, problems = [], []
    owners: dict[str, FacePicture] = {}
    for picture, (face, content, error) in zip(
        pictures, _look([p.path for p in pictures], stages, min_face), strict=True
    ):
        if error:
            problems.append(Problem(str(picture.path), error, "error"))
            continue
        first = owners.setdefault(content, picture)
        if first.person != picture.person:
            message = f"the same picture as {first.path}, of another person"
            problems.append(Problem(str(picture.path), message, "error"))
            continue
        usable.append(replace(picture, face=face))
    splits = defaultdict(set)
    for picture in usable:
        splits[picture.person].add(picture.split)
    for person, names in splits.items():
        if len(names) > 1:
            told = " and ".join(sorted(names))
            message = f"is in {told}: people must not cross splits, the figures would be too good"
            problems.append(Problem(person, message, "fatal"))
    return usable, problems


_Look = tuple[FacePrediction | None, str, str]


def _look(paths: Sequence[Path], stages: FaceStages | None, min_face: int) -> Iterator[_Look]:
    """Of each picture its face, its content and what is wrong with it."""
    look = partial(_look_at, stages=stages, min_face=min_face)
    # Decoding and networks run outside the interpreter's lock, so threads use all cores.
    with ThreadPoolExecutor() as pool:
        yield from track(pool.map(look, paths), "Finding faces", total=len(paths))


def _look_at(path: Path, stages: FaceStages | None, min_face: int) -> _Look:
    try:
        data = path.read_bytes()
        image = read_image(path)
    except (ImageError, OSError) as error:
        return None, "", str(error).removeprefix(f"{path}: ")
    if stages is None:
        return None, content_hash(data), ""
    found = find_faces(image, stages, min_face)
    if not len(found):
        return None, "", f"shows no face of {min_face} pixels or more; see data.min_face"
    return found.select([found.nearest_to_centre()]), content_hash(data), ""
