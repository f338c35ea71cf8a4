"""What a gallery of people and their faces offers, wherever it keeps them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Embeddings = NDArray[np.float32]


@dataclass(frozen=True)
class Person:
    """Somebody who is enrolled.

    Attributes:
        name: Who it is.
        consent: How and when they agreed.
        enrolled: When, ISO 8601 in UTC.
        faces: How many faces of theirs are kept.
    """

    name: str
    consent: str
    enrolled: str
    faces: int


@dataclass(frozen=True)
class Calibration:
    """From which similarity on two faces are one person's.

    Attributes:
        threshold: The similarity, -1 to 1.
        far: The share of pairs of different people that reach it; None where nobody measured.
    """

    threshold: float
    far: float | None

    def __str__(self) -> str:
        """For people to read."""
        rate = "not calibrated" if self.far is None else f"false-accept rate {self.far:g}"
        return f"threshold {self.threshold:.3f}, {rate}"


class Gallery(Protocol):
    """What every gallery offers, wherever it keeps its faces."""

    def enrol(
        self, name: str, embeddings: Embeddings, consent: str, crops: Sequence[bytes], add: bool
    ) -> None:
        """Keep a person's faces; when this returns they are safe on the disk.

        Args:
            name: Who it is.
            embeddings: Shape (faces, numbers), of length one.
            consent: How and when they agreed.
            crops: The aligned faces as PNG, one for each embedding; empty to keep none.
            add: Whether the person may be there already.

        Raises:
            VisusError: If the person is there and `add` is false.
        """
        ...

    def forget(self, name: str) -> int:
        """Remove every trace of a person; returns how many faces.

        Raises:
            VisusError: If there is no such person.
        """
        ...

    def people(self) -> list[Person]:
        """Everybody, by name."""
        ...

    def nearest(self, embedding: Embeddings) -> tuple[str, float] | None:
        """The person with the most similar face, and the similarity; None in an empty gallery."""
        ...

    def similarity(self, name: str, embedding: Embeddings) -> float:
        """The similarity to the most similar face of a person.

        Raises:
            VisusError: If there is no such person.
        """
        ...

    @property
    def calibration(self) -> Calibration | None:
        """The threshold that was set for this gallery; None for the model's own."""
        ...

    def calibrate(self, calibration: Calibration) -> None:
        """Set the threshold."""
        ...
