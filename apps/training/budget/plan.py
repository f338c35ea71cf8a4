"""A plan for a time budget, and the measurements on which it is based."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Growth = Sequence[Sequence[float]]
"""Pairs of a fraction of the time and the size of training images from then on, relative to their
last size; ascending."""


@dataclass(frozen=True)
class Candidate:
    """A backbone and an input size.

    Attributes:
        backbone: Name of the backbone.
        size: (height, width) of the network's input in pixels.
        crop: (height, width) of training crops; None if the data have none.
    """

    backbone: str
    size: tuple[int, int]
    crop: tuple[int, int] | None = None

    @property
    def crop_share(self) -> float:
        """Fraction of an image's pixels that a training step computes."""
        return math.prod(self.crop or self.size) / math.prod(self.size)


@dataclass(frozen=True)
class Measured:
    """Measurements on which a plan is based.

    Attributes:
        train_samples: Number of training samples.
        val_samples: Number of validation samples.
        classes: Number of classes.
        batch_size: Samples in a batch.
        sample_seconds: Time of a training step for one sample with each candidate, in ascending
            order of the candidates.
        load_seconds: Time in which all loading processes together load a sample without
            augmentation.
        mixed_speed_up: Speed-up of half precision over float32; 1 if float32 is used. All times
            are in the chosen precision.
    """

    train_samples: int
    val_samples: int
    classes: int
    batch_size: int
    sample_seconds: Mapping[Candidate, float]
    load_seconds: float = 0.0
    mixed_speed_up: float = 1.0


@dataclass(frozen=True)
class Row:
    """One line of a plan.

    Attributes:
        setting: What is chosen.
        value: The choice.
        reason: Why.
    """

    setting: str
    value: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """A planned training.

    Attributes:
        rows: The choices with their reasons.
        candidate: The backbone and the input size.
        batch_size: Samples in a batch.
        validations: Number of validations.
        validated: Number of validation samples in each, evenly spread.
        validation_interval: Training batches between two of them.
        averaged: Fraction of the steps over which weights are averaged; 0 for no average.
        head_samples: Number of training samples whose features the head is fitted to first.
        growth: The sizes of training images.
        views: Number of augmented copies of each training sample on whose features the head alone
            is trained; 0 to train all layers.
    """

    rows: tuple[Row, ...]
    candidate: Candidate
    batch_size: int
    validations: int
    validated: int
    validation_interval: int
    averaged: float
    head_samples: int
    growth: Growth
    views: int = 0

    def to_plain(self) -> dict[str, Any]:
        """The plan as plain values, for `plan.json` and for checkpoints."""
        return {
            "rows": [[row.setting, row.value, row.reason] for row in self.rows],
            "validations": self.validations,
            "validated": self.validated,
            "averaged": self.averaged,
            "views": self.views,
            "head_samples": self.head_samples,
            "growth": [list(step) for step in self.growth],
        }
