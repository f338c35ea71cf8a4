"""Photographs of faces, with the five landmarks of the face detector as labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from visus.datamodules.core.face_finding import detect_faces
from visus.datamodules.core.loading import Batch, to_tensor
from visus.datamodules.core.problems import Problem
from visus.datamodules.face3d.heads import jitter_squares
from visus.models.faces.mtcnn import create_face_finder
from visus.vision.errors import VisusError
from visus.vision.faces.crop import SMALLEST_FACE, crop_problem, cut_square, face_square
from visus.vision.image_files import list_images
from visus.vision.images import read_image

_MIRRORED = [1, 0, 2, 4, 3]
"""Order of the five landmarks in the mirror image of a face."""


@dataclass(frozen=True, eq=False)
class PhotographedFace:
    """A face in a photograph.

    Attributes:
        path: The file.
        landmarks: float32 (5, 2): (x, y) of the five landmarks in pixels of the photograph.
        content: `content_hash` of the file: all faces of a photograph are in one split.
        person: The subfolder of the person it shows; empty if that is unknown.
        split: Empty, since photographs state no split.
    """

    path: Path
    landmarks: NDArray[np.float32]
    content: str
    person: str = ""
    split: str = ""


@dataclass(frozen=True, eq=False)
class DetectedPhotographs:
    """The faces of a folder of photographs.

    Attributes:
        count: Number of photographs.
        faces: The faces that can be used.
        problems: For each photograph without a usable face the reason.
    """

    count: int
    faces: list[PhotographedFace]
    problems: list[Problem]


def detect_photographs(folder: Path, by_person: bool = False) -> DetectedPhotographs:
    """Detect the faces of all photographs of a folder.

    Args:
        folder: A folder of images, which may have subfolders.
        by_person: Whether each subfolder holds photographs of one person: the largest face of
            each; who the others are is unknown.

    Raises:
        VisusError: If there are no images.
    """
    if not folder.is_dir():
        raise VisusError(
            f"data.photographs {str(folder)!r}: there is no such folder; check the path"
        )
    paths = list_images(folder)
    if not paths:
        raise VisusError(f"data.photographs {str(folder)!r}: holds no images; check the path")
    stages = create_face_finder().stages()
    faces, problems = [], []
    for path, file in zip(paths, detect_faces(paths, stages, SMALLEST_FACE), strict=True):
        if file.faces is None:
            problems.append(Problem(str(path), file.problem, "warning"))
            continue
        reasons = [crop_problem(file.faces, i) for i in range(len(file.faces))]
        if all(reasons):
            problems.append(Problem(str(path), f"its face is {reasons[0]}", "warning"))
        # The subfolder of a person may have subfolders.
        parts = path.relative_to(folder).parts
        person = parts[0] if by_person and len(parts) > 1 else ""
        largest = int(file.faces.sides.argmax())
        faces += [
            PhotographedFace(path, landmarks, file.content, person if i == largest else "")
            for i, landmarks in enumerate(file.faces.landmarks)
            if not reasons[i]
        ]
    if not faces:
        message = (
            "shows no face to train on; give photographs of faces from the front, "
            f"{SMALLEST_FACE} pixels wide or more"
        )
        problems.append(Problem(str(folder), message, "fatal"))
    return DetectedPhotographs(len(paths), faces, problems)


class Photographs:
    """Crops of faces in photographs.

    Args:
        faces: The faces.
        size: (height, width) of the crops in pixels.
        count: Number of faces that `sample` draws.

    Attributes:
        people: The indices of the faces of each person with several.
    """

    def __init__(
        self, faces: Sequence[PhotographedFace], size: tuple[int, int], count: int
    ) -> None:
        self.faces = faces
        self.size = size
        self.count = count
        by_person: dict[str, list[int]] = {}
        for i, face in enumerate(faces):
            by_person.setdefault(face.person, []).append(i)
        by_person.pop("", None)
        self.people = [each for each in by_person.values() if len(each) > 1]

    def sample(self, rng: np.random.Generator) -> Batch:
        """Random faces, augmented by jittered crops and mirroring; see `select`.

        Where people are known the first half of them are pairs, each of one person, and `person`,
        int64 (faces,), is equal for faces of the same person only.
        """
        indices = self._draw(rng)
        chosen = [self.faces[i] for i in indices]
        squares = face_square(np.stack([face.landmarks for face in chosen]))
        crops = self._crop(chosen, jitter_squares(squares, [rng] * self.count))
        for i in np.flatnonzero(rng.random(self.count) < 0.5):
            crops["photograph"][i] = crops["photograph"][i].flip(-1)
            points = crops["five_points"][i][_MIRRORED]
            crops["five_points"][i] = points * torch.tensor([-1, 1]) + torch.tensor(
                [self.size[1], 0]
            )
        if self.people:
            names = [self.faces[i].person or f"/{i}" for i in indices]
            crops["person"] = torch.from_numpy(np.unique(names, return_inverse=True)[1])
        return crops

    def _draw(self, rng: np.random.Generator) -> list[int]:
        """Indices of random faces: pairs of some people first, then any."""
        drawn: list[int] = []
        pairs = min(self.count // 4, len(self.people))
        for person in rng.choice(len(self.people), pairs, replace=False) if pairs else []:
            drawn += rng.choice(self.people[int(person)], 2, replace=False).tolist()
        rest = rng.integers(len(self.faces), size=self.count - len(drawn))
        return [*drawn, *map(int, rest)]

    def select(self, indices: Sequence[int]) -> Batch:
        """Faces by index, cropped as for prediction.

        Args:
            indices: Indices of the faces; those beyond the last are left out.

        Returns:
            `photograph`, uint8 (faces, 3, height, width), and `five_points`, float32 (faces, 5, 2)
            in pixels of the crop; empty if there are no faces.
        """
        chosen = [self.faces[i] for i in indices if i < len(self.faces)]
        if not chosen:
            return {}
        return self._crop(chosen, face_square(np.stack([face.landmarks for face in chosen])))

    def _crop(
        self, faces: Sequence[PhotographedFace], squares: NDArray[np.floating]
    ) -> dict[str, torch.Tensor]:
        crops, points = [], []
        for face, square in zip(faces, squares, strict=True):
            crops.append(to_tensor(cut_square(read_image(face.path), square, self.size)))
            scaled = (face.landmarks - square[:2]) * (self.size[1] / square[2])
            points.append(torch.from_numpy(scaled.astype(np.float32)))
        return {"photograph": torch.stack(crops), "five_points": torch.stack(points)}
