"""Photographs of faces, of which nothing is known but the five points that a face finder sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from visus.datamodules.core.face_finding import look_for_faces
from visus.datamodules.core.loading import Batch, to_tensor
from visus.datamodules.core.problems import Problem
from visus.datamodules.face3d.heads import misplaced
from visus.models.faces.mtcnn import create_face_finder
from visus.vision.errors import VisusError
from visus.vision.faces.crop import SMALLEST_FACE, crop_problem, cut_square, face_square
from visus.vision.images import list_images, read_image

_MIRRORED = [1, 0, 2, 4, 3]
"""The five points of a face in a mirror, in their order."""


@dataclass(frozen=True, eq=False)
class PhotographedFace:
    """A face in a photograph.

    Attributes:
        path: The file.
        landmarks: float32 (5, 2): (x, y) of the five points in pixels of the photograph.
        content: `content_hash` of the file: all faces of a photograph stay together.
        split: Empty, as none is stated.
    """

    path: Path
    landmarks: NDArray[np.float32]
    content: str
    split: str = ""


def find_photographed(folder: Path) -> tuple[list[PhotographedFace], list[Problem]]:
    """The faces of all photographs of a folder, those that are clear enough.

    Args:
        folder: With images, perhaps in folders within.

    Returns:
        The faces, and of photographs without one why they show none.

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
    for path, seen in zip(paths, look_for_faces(paths, stages, SMALLEST_FACE), strict=True):
        if seen.faces is None:
            problems.append(Problem(str(path), seen.problem, "warning"))
            continue
        reasons = [crop_problem(seen.faces, i) for i in range(len(seen.faces))]
        if all(reasons):
            problems.append(Problem(str(path), f"its face is {reasons[0]}", "warning"))
        faces += [
            PhotographedFace(path, landmarks, seen.content)
            for landmarks, reason in zip(seen.faces.landmarks, reasons, strict=True)
            if not reason
        ]
    return faces, problems


class Photographs:
    """Crops of faces in photographs.

    Args:
        faces: All that may be shown.
        size: (height, width) of crops in pixels.
        each: How many of the faces `at_random` shows at once.
    """

    def __init__(self, faces: Sequence[PhotographedFace], size: tuple[int, int], each: int) -> None:
        self.faces = faces
        self.size = size
        self.each = each

    def at_random(self, rng: np.random.Generator) -> Batch:
        """Some faces as they may be cut out; see `exactly`."""
        count = self.each
        chosen = [self.faces[i] for i in rng.integers(len(self.faces), size=count)]
        squares = face_square(np.stack([face.landmarks for face in chosen]))
        crops = self._cut(chosen, misplaced(squares, [rng] * count))
        for i in np.flatnonzero(rng.random(count) < 0.5):
            crops["photograph"][i] = crops["photograph"][i].flip(-1)
            points = crops["five_points"][i][_MIRRORED]
            crops["five_points"][i] = points * torch.tensor([-1, 1]) + torch.tensor(
                [self.size[1], 0]
            )
        return crops

    def exactly(self, numbers: Sequence[int]) -> Batch:
        """Faces as an application cuts them out.

        Args:
            numbers: Which; those beyond the last are left out.

        Returns:
            `photograph`, uint8 (faces, 3, height, width), and `five_points`, float32 (faces, 5, 2)
            in pixels of the crop; empty where there are no faces.
        """
        chosen = [self.faces[number] for number in numbers if number < len(self.faces)]
        if not chosen:
            return {}
        return self._cut(chosen, face_square(np.stack([face.landmarks for face in chosen])))

    def _cut(
        self, faces: Sequence[PhotographedFace], squares: NDArray[np.floating]
    ) -> dict[str, torch.Tensor]:
        crops, points = [], []
        for face, square in zip(faces, squares, strict=True):
            crops.append(to_tensor(cut_square(read_image(face.path), square, self.size)))
            placed = (face.landmarks - square[:2]) * (self.size[1] / square[2])
            points.append(torch.from_numpy(placed.astype(np.float32)))
        return {"photograph": torch.stack(crops), "five_points": torch.stack(points)}
