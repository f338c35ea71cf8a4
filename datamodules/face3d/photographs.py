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
        split: Empty, since photographs state no split.
    """

    path: Path
    landmarks: NDArray[np.float32]
    content: str
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


def detect_photographs(folder: Path) -> DetectedPhotographs:
    """Detect the faces of all photographs of a folder.

    Args:
        folder: A folder of images, which may have subfolders.

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
        faces += [
            PhotographedFace(path, landmarks, file.content)
            for landmarks, reason in zip(file.faces.landmarks, reasons, strict=True)
            if not reason
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
    """

    def __init__(
        self, faces: Sequence[PhotographedFace], size: tuple[int, int], count: int
    ) -> None:
        self.faces = faces
        self.size = size
        self.count = count

    def sample(self, rng: np.random.Generator) -> Batch:
        """Random faces, augmented by jittered crops and mirroring; see `select`."""
        chosen = [self.faces[i] for i in rng.integers(len(self.faces), size=self.count)]
        squares = face_square(np.stack([face.landmarks for face in chosen]))
        crops = self._crop(chosen, jitter_squares(squares, [rng] * self.count))
        for i in np.flatnonzero(rng.random(self.count) < 0.5):
            crops["photograph"][i] = crops["photograph"][i].flip(-1)
            points = crops["five_points"][i][_MIRRORED]
            crops["five_points"][i] = points * torch.tensor([-1, 1]) + torch.tensor(
                [self.size[1], 0]
            )
        return crops

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
