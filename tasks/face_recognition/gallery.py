"""The interface of a gallery: enrolled people and the embeddings of their faces."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from visus.vision.errors import VisusError

Embeddings = NDArray[np.float32]


@dataclass(frozen=True)
class Person:
    """An enrolled person.

    Attributes:
        name: Unique in the gallery.
        consent: How and when the person agreed.
        enrolled: Time of the first enrolment, ISO 8601 in UTC.
        faces: Number of stored faces.
    """

    name: str
    consent: str
    enrolled: str
    faces: int


@dataclass(frozen=True)
class Calibration:
    """A threshold, and the false-accept rate that it was chosen for.

    Attributes:
        threshold: Similarity from which two faces are accepted as one person's, -1 to 1.
        far: Fraction of the pairs of different people that reach it; None where it was not
            measured.
    """

    threshold: float
    far: float | None

    def __str__(self) -> str:
        """Both, in words."""
        rate = "not calibrated" if self.far is None else f"false-accept rate {self.far:g}"
        return f"threshold {self.threshold:.6g}, {rate}"


class UnstorableNameError(VisusError):
    """A person's name that no gallery stores."""


def normal_name(name: str) -> str:
    """A name with its accents as they are typed, not as some systems list file names."""
    return unicodedata.normalize("NFC", name.strip())


def person_name(name: str) -> str:
    """A person's name as a gallery stores it.

    Raises:
        UnstorableNameError: If it is empty, or cannot be stored as it is not UTF-8.
    """
    normal = normal_name(name)
    if not normal:
        raise UnstorableNameError("the name of a person must not be empty")
    try:
        normal.encode()
    except UnicodeEncodeError:
        raise UnstorableNameError(f"the name {name!r} is not UTF-8; rename the person") from None
    return normal


class Gallery(Protocol):
    """A store of people and their faces, in a file or on a server."""

    def enrol(
        self, name: str, embeddings: Embeddings, consent: str, crops: Sequence[bytes], add: bool
    ) -> None:
        """Store faces of a person durably.

        Args:
            name: The person's name.
            embeddings: Shape (faces, embedding), of unit length.
            consent: How and when the person agreed.
            crops: The aligned faces as PNG, one for each embedding; empty to store none.
            add: Whether the person may be enrolled already.

        Raises:
            VisusError: If the person is enrolled and `add` is false.
        """
        ...

    def forget(self, name: str) -> int:
        """Delete a person and all their faces; returns the number of faces.

        Raises:
            VisusError: If there is no such person.
        """
        ...

    def people(self) -> list[Person]:
        """All people, sorted by name."""
        ...

    def load(self, size: int) -> None:
        """Read what `nearest` needs, before the first face.

        Args:
            size: Length of an embedding.

        Raises:
            VisusError: If the gallery is damaged.
        """
        ...

    def nearest(self, embedding: Embeddings) -> tuple[str, float] | None:
        """The person with the most similar face, and the similarity; None in an empty gallery."""
        ...

    def candidates(self, embedding: Embeddings, count: int) -> list[tuple[str, float]]:
        """The people with the most similar faces, each with the similarity, the best first.

        Args:
            embedding: Of unit length.
            count: How many people at most.
        """
        ...

    def similarity(self, name: str, embedding: Embeddings) -> float:
        """The similarity to the most similar face of a person.

        Raises:
            VisusError: If there is no such person.
        """
        ...

    @property
    def calibration(self) -> Calibration | None:
        """The threshold of this gallery; None to use that of the model."""
        ...

    def calibrate(self, calibration: Calibration) -> None:
        """Set the threshold of this gallery."""
        ...
