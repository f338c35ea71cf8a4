"""Plan a training for a time budget, from measurements of its speed."""

import math
from collections.abc import Mapping

from visus.apps.training.budget.plan import Candidate, Growth, Measured, Plan, Row
from visus.tasks.budget import BudgetChoices, epoch_share
from visus.vision.wording import counted

VALIDATION_SHARE = 0.05
"""Fraction of the time that validations may take."""

_MOST_VALIDATIONS = 10
_LEAST_VALIDATED = 200
"""Samples of a validation, even if they take longer."""

_HEAD_SHARE = 0.15
"""Fraction of the time that computing features for the head may take."""

_FEW_EPOCHS = 3
"""Epochs of all layers below which a head on features of the frozen backbone is better; fewer of
large data sets, see `epoch_share`."""

_FEATURES_SHARE = 0.6
"""Fraction of the time that computing features may take where only the head is trained."""

_HARDLY_SLOWER = 1.25
"""How many times as long a larger input may take where no input has enough epochs."""

_MOST_VIEWS = 8
_FORWARD = 3
"""Number of forward passes that take as long as a training step."""

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
    needed = choices.epochs_needed(measured.train_samples, measured.classes)
    candidate = _choose(epochs, needed, rows)
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
    whole = sample_seconds / candidate.crop_share
    validations, validated = _validations(measured, whole, choices, seconds, rows)
    averaged = choices.averaged if steps >= 2 * _FEW_STEPS else 0.0
    if averaged:
        value = f"averaged over about the last {averaged:.0%}"
        rows.append(Row("weights", value, f"of about {steps} steps"))
    # The last validation is at the end, whatever the number of steps is by then.
    interval = math.ceil(steps / (validations - 0.5))
    return Plan(
        tuple(rows),
        candidate,
        batch_size,
        validations,
        validated,
        interval,
        averaged,
        head_samples,
        growth,
    )


def _head_alone(
    measured: Measured, epochs: Mapping[Candidate, float], choices: BudgetChoices, seconds: float
) -> Plan | None:
    """A plan that trains the head alone, at the full input size; None where more is possible."""
    first, *_ = epochs
    largest = [each for each in epochs if each.backbone == first.backbone][-1]
    each = _forward_seconds(measured, largest) + measured.load_seconds
    views = min(_MOST_VIEWS, int(_FEATURES_SHARE * seconds / (each * measured.train_samples)))
    few = _FEW_EPOCHS * epoch_share(measured.train_samples, measured.classes)
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
    sample_seconds = measured.sample_seconds[largest]
    _, validated = _validations(measured, sample_seconds, choices, seconds, rows, most=1)
    return Plan(
        tuple(rows), largest, batch_size, 1, validated, _NEVER, 0.0, 0, ((0.0, 1.0),), views
    )


def _forward_seconds(measured: Measured, candidate: Candidate) -> float:
    """Seconds of a forward pass for one sample, which computes features in float32."""
    return measured.sample_seconds[candidate] * measured.mixed_speed_up / _FORWARD


def _choose(epochs: Mapping[Candidate, float], needed: float, rows: list[Row]) -> Candidate:
    """The most accurate candidate with enough epochs, else about the fastest."""
    first, *_ = epochs
    enough = [each for each, count in epochs.items() if count >= needed]
    # Where most of the time goes into loading, larger inputs take hardly more.
    as_fast = [each for each in epochs if _HARDLY_SLOWER * epochs[each] >= epochs[first]]
    chosen = (enough or as_fast)[-1]
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


def _validations(
    measured: Measured,
    sample_seconds: float,
    choices: BudgetChoices,
    seconds: float,
    rows: list[Row],
    most: int = _MOST_VALIDATIONS,
) -> tuple[int, int]:
    """How often to validate, and on how many samples."""
    each_sample = max(1e-6, sample_seconds / 2, measured.load_seconds)
    samples = measured.val_samples
    affordable = int(VALIDATION_SHARE * seconds / each_sample)
    if choices.validates_part:
        samples = min(samples, max(_LEAST_VALIDATED, affordable))
    count = min(most, max(1, affordable // max(1, samples)))
    reason = f"each takes about {samples * each_sample:.0f} s for {counted(samples, 'sample')}"
    if samples < measured.val_samples:
        reason += f", evenly spread over {measured.val_samples:,}; visus validate measures all"
    rows.append(Row("validations", str(count), reason))
    return count, samples
