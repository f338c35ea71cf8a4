"""The detected faces of an image: boxes and landmarks, the input of every face task."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from visus.vision.faces import FACE
from visus.vision.prediction import Regions

Faces = TypeVar("Faces", bound="FoundFaces")


@dataclass(frozen=True, eq=False)
class FoundFaces:
    """The detected faces of an image, by descending score.

    Attributes:
        boxes: float32 of shape (N, 4), (x1, y1, x2, y2) in pixels of the image.
        scores: float32 of shape (N,), 0 to 1: confidence that this is a face.
        landmarks: float32 of shape (N, 5, 2), (x, y) in pixels: the eye on the left of the image,
            the other, the nose, the corner of the mouth on the left, the other.
        size: (height, width) of the image in pixels.
        problems: For each face why it cannot be used; empty where it can.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    size: tuple[int, int]
    problems: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Validate the shapes and values.

        Raises:
            ValueError: If shapes disagree, a score is outside 0 to 1, or a box is inverted.
        """
        count = len(self.scores)
        if not self.problems:
            object.__setattr__(self, "problems", ("",) * count)
        if self.boxes.shape != (count, 4) or self.landmarks.shape != (count, 5, 2):
            raise ValueError(
                f"{count} faces with boxes of shape {self.boxes.shape} and landmarks of shape "
                f"{self.landmarks.shape}"
            )
        if len(self.problems) != count:
            raise ValueError(f"{count} faces with {len(self.problems)} problems")
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError(f"scores must lie between 0 and 1, got {self.scores}")
        if not (self.boxes[:, :2] <= self.boxes[:, 2:]).all():
            raise ValueError(f"boxes must be (x1, y1, x2, y2) with x1 <= x2, got {self.boxes}")

    @classmethod
    def none(cls: type[Faces], size: tuple[int, int]) -> Faces:
        """No faces in an image of (height, width) pixels."""
        boxes, landmarks = np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32)
        return cls(boxes, np.zeros(0, np.float32), landmarks, size)

    def __len__(self) -> int:
        """Number of faces."""
        return len(self.scores)

    @property
    def source_size(self) -> tuple[int, int]:
        """(height, width) of the image, as `Geometry` names it."""
        return self.size

    @property
    def sides(self) -> NDArray[np.float32]:
        """The shorter side of each box in pixels, shape (N,)."""
        shorter: NDArray[np.float32] = (self.boxes[:, 2:] - self.boxes[:, :2]).min(1)
        return shorter

    def select(self: Faces, indices: Sequence[int] | NDArray[np.integer]) -> Faces:
        """The faces of these indices, in their order."""
        index = np.asarray(indices, int)
        return replace(
            self,
            boxes=self.boxes[index],
            scores=self.scores[index],
            landmarks=self.landmarks[index],
            problems=tuple(self.problems[i] for i in index),
        )

    def regions(self, labels: Collection[str]) -> Regions:
        """See `visus.vision.prediction.Concealable`; the only label is `FACE`."""
        index = np.arange(len(self) if FACE in labels else 0)
        return Regions(self.boxes[index], self.scores[index], np.zeros(len(index), np.int64))

    def largest(self) -> int:
        """The index of the face with the largest box."""
        return int((self.boxes[:, 2:] - self.boxes[:, :2]).prod(1).argmax())

    def nearest_to_centre(self) -> int:
        """The index of the face whose centre is nearest to the centre of the image."""
        centres = (self.boxes[:, :2] + self.boxes[:, 2:]) / 2
        image_centre = np.array([self.size[1] / 2, self.size[0] / 2])
        return int(np.linalg.norm(centres - image_centre, axis=1).argmin())
