"""A folder a person: who is in it, and where the face is in each image."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.datamodules.core.face_finding import look_for_faces
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.splits import SPLIT_NAMES, content_hash
from visus.vision.errors import VisusError
from visus.vision.faces.detection import FaceStages
from visus.vision.faces.found import FoundFaces
from visus.vision.images import list_images


@dataclass(frozen=True, eq=False)
class FaceImage:
    """An image of a person.

    Attributes:
        path: The file.
        person: Whose folder it lies in.
        split: `train`, `val`, `test`, or empty where the data set states none.
        content: `content_hash` of the person's name: people stay together.
        face: The face that is meant; None where the image is an aligned face as a whole, or
            shows none.
    """

    path: Path
    person: str
    split: str
    content: str
    face: FoundFaces | None = None

    @property
    def landmarks(self) -> NDArray[np.float32] | None:
        """The five landmarks of the face, (5, 2) in pixels."""
        return None if self.face is None else self.face.landmarks[0]


def list_people(root: Path) -> list[FaceImage]:
    """The images of all people.

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
    images = [
        FaceImage(path, folder.name, split, content_hash(folder.name.encode()))
        for split, folder in people
        for path in list_images(folder)
    ]
    if not images:
        raise VisusError(
            f"data.root {str(root)!r}: holds no folders with images; it needs a folder a person"
        )
    return images


def find_people(
    images: Sequence[FaceImage], stages: FaceStages | None, min_face: int
) -> tuple[list[FaceImage], list[Problem]]:
    """Read every image once and find the face nearest to its centre.

    Args:
        images: As listed.
        stages: What finds faces; None where the images are aligned faces.
        min_face: The smallest face to look for, in pixels.

    Returns:
        The images that can be used, and what is wrong with the others.
    """
    usable, problems = [], []
    owners: dict[str, FaceImage] = {}
    for image, seen in zip(
        images, look_for_faces([p.path for p in images], stages, min_face), strict=True
    ):
        if seen.problem:
            remedy = "; see data.min_face" if seen.content else ""
            problems.append(Problem(str(image.path), seen.problem + remedy, "error"))
            continue
        first = owners.setdefault(seen.content, image)
        if first.person != image.person:
            message = f"the same image as {first.path}, of another person"
            problems.append(Problem(str(image.path), message, "error"))
            continue
        found = seen.faces
        meant = None if found is None else found.select([found.nearest_to_centre()])
        usable.append(replace(image, face=meant))
    splits = defaultdict(set)
    for image in usable:
        splits[image.person].add(image.split)
    for person, names in splits.items():
        if len(names) > 1:
            told = " and ".join(sorted(names))
            message = f"is in {told}: people must not cross splits, the figures would be too good"
            problems.append(Problem(person, message, "fatal"))
    return usable, problems
