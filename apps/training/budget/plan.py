"""Plan a training for a time budget, from measurements of its speed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from visus.tasks.budget import BudgetChoices, epoch_share
from visus.vision.wording import counted

VALIDATION_SHARE = 0.05
"""Fraction of the time that validations may take."""

_MOST_VALIDATIONS = 10
_HEAD_SHARE = 0.15
"""Fraction of the time that computing features for the head may take."""

_FEW_EPOCHS = 3
"""Epochs of all layers below which a head on features of the frozen backbone is better; fewer of
large data sets, see `epoch_share`."""

_FEATURES_SHARE = 0.6
"""Fraction of the time that computing features may take where only the head is trained."""

_MOST_VIEWS = 8
_FORWARD = 3
"""A training step takes as long as so many forward passes."""

_FEW_STEPS = 20
"""Steps in an epoch below which smaller batches give more of them."""

_SMALLEST_BATCH = 8

_NEVER = 10**9
"""Batches between two validations, so that there is one at the end."""

_GROWTH = ((0.0, 0.6), (0.3, 0.8), (0.6, 1.0))
"""A `Growth` in three steps."""

_LEAST_GROWING = 112
"""Shorter side of the input in pixels below which training images do not grow: little would be
left of them."""


Growth = Sequence[Sequence[float]]
"""From which fraction of the time training images have which size, relative to their last one."""


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
    """What a plan is made from.

    Attributes:
        train_samples: Number of training samples.
        val_samples: Number of validation samples.
        batch_size: Samples in a batch.
        sample_seconds: Time of a training step for one sample with each candidate, in ascending
            order of the candidates.
        load_seconds: Time in which all loading processes together load a sample without
            augmentation.
        mixed_speed_up: How many times as fast steps in half precision are, in which all were
            measured then; 1 for float32.
    """

    train_samples: int
    val_samples: int
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
            "averaged": self.averaged,
            "views": self.views,
            "head_samples": self.head_samples,
            "growth": [list(step) for step in self.growth],
        }


def make_plan(measured: Measured, choices: BudgetChoices, seconds: float) -> Plan:
    """Choose the settings of a training.

    Args:
        measured: The data and the speed of this machine.
        choices: What the task may choose from.
        seconds: Time for training and validation.
    """
    training = seconds * (1 - VALIDATION_SHARE)
    epochs = {
        candidate: training / (each * measured.train_samples)
        for candidate, each in measured.sample_seconds.items()
    }
    frozen = _head_alone(measured, epochs, choices, seconds)
    if frozen is not None:
        return frozen
    rows: list[Row] = []
    if measured.mixed_speed_up > 1:
        reason = f"{measured.mixed_speed_up:.2f} times as fast as float32 on this machine"
        rows.append(Row("precision", "half, in bfloat16", reason))
    candidate = _choose(epochs, choices.epochs_needed(measured.train_samples), rows)
    sample_seconds = measured.sample_seconds[candidate]
    batch_size = _batch_size(measured, rows)
    growth = _growth(epochs[candidate], candidate, choices, rows)
    steps = max(1, round(training * _speed_up(growth) / (sample_seconds * batch_size)))
    head_samples = 0
    if choices.fits_head:
        forward = _forward_seconds(measured, candidate) * growth[0][1] ** 2
        affordable = int(_HEAD_SHARE * seconds / max(forward, measured.load_seconds))
        head_samples = min(measured.train_samples, affordable)
        rows.append(
            Row(
                "head first",
                counted(head_samples, "sample"),
                "the head is fitted to features of the frozen backbone, then all layers are "
                "trained from a head that fits",
            )
        )
    validations = _validations(measured, sample_seconds / candidate.crop_share, seconds, rows)
    averaged = choices.averaged if steps >= 2 * _FEW_STEPS else 0.0
    if averaged:
        value = f"averaged over about the last {averaged:.0%}"
        rows.append(Row("weights", value, f"of about {steps} steps"))
    # The last validation is at the end, whatever the number of steps is by then.
    interval = math.ceil(steps / (validations - 0.5))
    return Plan(
        tuple(rows), candidate, batch_size, validations, interval, averaged, head_samples, growth
    )


def _head_alone(
    measured: Measured, epochs: Mapping[Candidate, float], choices: BudgetChoices, seconds: float
) -> Plan | None:
    """A plan that trains the head alone, at the full input size; None where more is possible."""
    first, *_ = epochs
    largest = [each for each in epochs if each.backbone == first.backbone][-1]
    each = _forward_seconds(measured, largest) + measured.load_seconds
    views = min(_MOST_VIEWS, int(_FEATURES_SHARE * seconds / (each * measured.train_samples)))
    few = _FEW_EPOCHS * epoch_share(measured.train_samples)
    if not choices.fits_head or epochs[largest] >= few or views < 1:
        return None
    height, width = largest.size
    rows = [
        Row("backbone", largest.backbone, "that of the configuration"),
        Row("input size", f"{height} x {width}", "that of the data"),
        Row(
            "layers",
            "the head alone",
            f"{epochs[largest]:.1f} epochs of all layers fit in the time, of {few:.2g} needed",
        ),
        Row("views", str(views), "augmented copies whose features are computed once"),
    ]
    batch_size = _batch_size(measured, rows)
    rows.append(Row("validations", "1", "at the end"))
    return Plan(tuple(rows), largest, batch_size, 1, _NEVER, 0.0, 0, ((0.0, 1.0),), views)


def _forward_seconds(measured: Measured, candidate: Candidate) -> float:
    """Seconds of a forward pass for one sample, which computes features in float32."""
    return measured.sample_seconds[candidate] * measured.mixed_speed_up / _FORWARD


def _choose(epochs: Mapping[Candidate, float], needed: float, rows: list[Row]) -> Candidate:
    """The most accurate candidate with enough epochs, else the fastest."""
    enough = [each for each, count in epochs.items() if count >= needed]
    first, *_ = epochs
    chosen = enough[-1] if enough else first
    height, width = chosen.size
    reason = f"{epochs[chosen]:.1f} epochs fit in the time"
    following = list(epochs)[list(epochs).index(chosen) + 1 :]
    if following:
        what = following[0]
        reason += (
            f"; {epochs[what]:.1f} with {what.backbone} at {what.size[0]} x {what.size[1]}, of "
            f"{needed:.2g} needed"
        )
    rows += [
        Row("backbone", chosen.backbone, reason),
        Row("input size", f"{height} x {width}", "chosen together with the backbone"),
    ]
    if chosen.crop not in (None, chosen.size):
        height, width = chosen.crop
        reason = "a step takes less time than with whole images, at the same resolution"
        rows.append(Row("training crops", f"{height} x {width}", reason))
    return chosen


def _batch_size(measured: Measured, rows: list[Row]) -> int:
    """The batch size: smaller where an epoch would have few steps."""
    size = measured.batch_size
    while size > _SMALLEST_BATCH and measured.train_samples / size < _FEW_STEPS:
        size //= 2
    per_epoch = math.ceil(measured.train_samples / size)
    count = counted(measured.train_samples, "training sample")
    rows.append(Row("batch size", str(size), f"{per_epoch} steps an epoch of {count}"))
    return size


def _growth(
    epochs: float, candidate: Candidate, choices: BudgetChoices, rows: list[Row]
) -> tuple[tuple[float, float], ...]:
    """The sizes of training images over the time."""
    if not choices.grows:
        return ((0.0, 1.0),)
    is_small = min(candidate.size) < _LEAST_GROWING
    if is_small or epochs < len(_GROWTH):
        few = "smaller ones would show too little" if is_small else "too few epochs for several"
        rows.append(Row("training images", "one size", few))
        return ((0.0, 1.0),)
    sizes = ", then ".join(f"{scale:g}" for _, scale in _GROWTH) + " of the size"
    rows.append(Row("training images", sizes, "smaller images are faster at the start"))
    return _GROWTH


def _speed_up(growth: Growth) -> float:
    """How many more steps smaller training images make possible, relative to those of full size."""
    ends = [*(start for start, _ in growth[1:]), 1.0]
    return sum((end - start) / scale**2 for (start, scale), end in zip(growth, ends, strict=True))


def _validations(measured: Measured, sample_seconds: float, seconds: float, rows: list[Row]) -> int:
    """How often to validate."""
    each_sample = max(sample_seconds / 2, measured.load_seconds)
    each = max(1e-3, measured.val_samples * each_sample)
    count = int(min(_MOST_VALIDATIONS, max(1, VALIDATION_SHARE * seconds // each)))
    reason = f"each takes about {each:.0f} s for {counted(measured.val_samples, 'sample')}"
    rows.append(Row("validations", str(count), reason))
    return count
