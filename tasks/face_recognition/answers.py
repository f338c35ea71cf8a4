"""What a gallery answers in Python: candidates, verifications, faces found in a folder."""

from dataclasses import dataclass
from pathlib import Path

Box = tuple[float, float, float, float]
"""(x1, y1, x2, y2) in pixels of the image."""


@dataclass(frozen=True)
class Candidate:
    """A person that a face may be.

    Attributes:
        name: The person's name.
        similarity: Cosine similarity to the person's most similar face, -1 to 1.
    """

    name: str
    similarity: float


@dataclass(frozen=True)
class Face:
    """A face in an image.

    Attributes:
        name: The best candidate, where its similarity reaches the threshold; None otherwise.
        candidates: The most similar people, the best first.
        box: (x1, y1, x2, y2) in pixels of the image.
        score: Confidence that this is a face, 0 to 1.
        problem: Why it could not be compared, such as `too blurred`; empty where it was.
    """

    name: str | None
    candidates: tuple[Candidate, ...]
    box: Box
    score: float
    problem: str


@dataclass(frozen=True)
class Verification:
    """Whether two faces are one person's; true or false as a condition.

    Attributes:
        similarity: Cosine similarity, -1 to 1.
        threshold: The similarity from which they count as one person's.
    """

    similarity: float
    threshold: float

    def __bool__(self) -> bool:
        """Whether the similarity reaches the threshold."""
        return self.similarity >= self.threshold


@dataclass(frozen=True)
class Found:
    """A face in a folder of images that resembles the one searched for.

    Attributes:
        path: The image.
        similarity: Cosine similarity, -1 to 1.
        box: The face, (x1, y1, x2, y2) in pixels of the image.
    """

    path: Path
    similarity: float
    box: Box
