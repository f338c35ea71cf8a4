"""Read a folder of images for each person, and select the face of the person in each image."""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from visus.datamodules.core.face_finding import detect_faces
from visus.datamodules.core.named_folders import find_named_folders
from visus.datamodules.core.pairing import unread_files
from visus.datamodules.core.problems import Problem
from visus.datamodules.core.splits import content_hash
from visus.vision.errors import VisusError
from visus.vision.faces.detection import FaceStages
from visus.vision.faces.found import FoundFaces
from visus.vision.image_files import list_images


@dataclass(frozen=True, eq=False)
class FaceImage:
    """An image of a person.

    Attributes:
        path: The file.
        person: Name of the person's folder.
        split: `train`, `val`, `test`, or empty where the data set states none.
        content: `content_hash` of the person's name, so that splits separate people.
        face: The person's face; None where the image is an aligned face, or shows no face.
    """

    path: Path
    person: str
    split: str
    content: str
    face: FoundFaces | None = None


def list_people(root: Path) -> tuple[list[FaceImage], list[Problem]]:
    """List the images of all people.

    Args:
        root: A folder with a folder for each person, perhaps within `train`, `val` and `test`.

    Returns:
        The images; and the problems of files and folders that are not used.

    Raises:
        VisusError: If there are no such folders.
    """
    if not root.is_dir():
        raise VisusError(f"data.root {str(root)!r}: there is no such folder; check the path")
    folders, problems, unread = find_named_folders(root)
    images = [
        FaceImage(path, folder.name, split, content_hash(os.fsencode(folder.name)))
        for split, folder in folders
        for path in list_images(folder)
    ]
    if not images:
        raise VisusError(
            f"data.root {str(root)!r}: holds no folders with images; it needs a folder for each "
            "person"
        )
    empty = {folder.name for _, folder in folders} - {image.person for image in images}
    problems += [
        Problem(str(root / name), "holds no image of the person; fill or remove it", "warning")
        for name in sorted(empty)
    ]
    problems += _people_in_several_splits(images)
    return images, problems + unread_files(root, [*(i.path for i in images), *unread])


def select_faces(
    images: Sequence[FaceImage], stages: FaceStages | None, min_face: int
) -> tuple[list[FaceImage], list[Problem]]:
    """Read every image once and select the face nearest to its centre.

    Args:
        images: As listed.
        stages: The face detector's networks; None where the images are aligned faces.
        min_face: Side of the smallest face to detect, in pixels.

    Returns:
        The images that can be used, and the problems of the others.
    """
    usable, problems = [], []
    first_images: dict[str, FaceImage] = {}
    detected = detect_faces([image.path for image in images], stages, min_face)
    for image, file in zip(images, detected, strict=True):
        if file.problem:
            remedy = "; see data.min_face" if file.content else ""
            problems.append(Problem(str(image.path), file.problem + remedy, "error"))
            continue
        first = first_images.setdefault(file.content, image)
        if first.person != image.person:
            message = f"the same image as {first.path}, of another person"
            problems.append(Problem(str(image.path), message, "error"))
            continue
        if first is not image:
            # A pair of the two would be verified by chance.
            message = f"the same image as {first.path}; remove one"
            problems.append(Problem(str(image.path), message, "warning"))
        faces = file.faces
        face = None if faces is None else faces.select([faces.nearest_to_centre()])
        usable.append(replace(image, face=face))
    return usable, problems


def _people_in_several_splits(images: Sequence[FaceImage]) -> list[Problem]:
    splits = defaultdict(set)
    for image in images:
        splits[image.person].add(image.split)
    return [
        Problem(
            person,
            f"is in {' and '.join(sorted(names))}: with a person in several splits the metrics are "
            "too good; keep each person in one",
            "fatal",
        )
        for person, names in splits.items()
        if len(names) > 1
    ]
