"""What the script of every peer needs: its arguments, its clock, and the report of its training."""

import argparse
import json
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

_CLOSING = 2.0
"""Seconds for storing the model."""

_MARGIN = 0.01
"""Fraction of the time that is left for what takes longer than expected."""


@dataclass(frozen=True)
class Trial:
    """One training of a peer, and the prediction that follows.

    Attributes:
        train: The training data, in the form that README.md states for the task.
        val: The validation data in the same form; no peer may choose anything by them.
        minutes: The time for training, from the start of the process to the stored model.
        seed: Seed of the peer's random numbers.
        weights: The file with ImageNet weights of EfficientNet-Lite0.
        output: Where to write the predictions for the validation data.
        started: `time.time()` at the start of the process.
    """

    train: Path
    val: Path
    minutes: float
    seed: int
    weights: Path
    output: Path
    started: float

    @property
    def elapsed(self) -> float:
        """Seconds since the start of the process."""
        return time.time() - self.started

    def left(self, reserve: float) -> float:
        """Seconds left for training, without `reserve` seconds for what follows it."""
        return 60 * self.minutes - reserve - self.elapsed

    def trained(self, packages: tuple[str, ...]) -> None:
        """Report that the model is stored, and by which versions of packages it was trained."""
        report = {
            "seconds": self.elapsed,
            "versions": {name: version(name) for name in packages},
        }
        (self.output.parent / "trained.json").write_text(json.dumps(report), encoding="utf-8")


class Progress:
    """The fraction of the training time that is spent, which schedules follow.

    Args:
        trial: The training, whose preparations are done.
    """

    def __init__(self, trial: Trial) -> None:
        self._start = time.time()
        self._seconds = max(1.0, trial.left(_CLOSING + _MARGIN * 60 * trial.minutes))
        self._last_step = self._start
        self._longest = 0.0

    @property
    def seconds(self) -> float:
        """The training time."""
        return self._seconds

    @property
    def fraction(self) -> float:
        """0 at the start to 1 at the end."""
        return min(1.0, (time.time() - self._start) / self._seconds)

    def over(self) -> bool:
        """Whether another step would end too late; to be called once a step."""
        now = time.time()
        self._longest = max(0.9 * self._longest, now - self._last_step)
        self._last_step = now
        return now + self._longest > self._start + self._seconds


def parse_trial(
    description: str | None, *options: tuple[str, tuple[str, ...]]
) -> argparse.Namespace:
    """Read the arguments of a peer's script; the training is `trial` of the result.

    Args:
        description: What the script does.
        options: Names and choices of further options, with their defaults first.
    """
    started = time.time()
    parser = argparse.ArgumentParser(description=description)
    for name in ("--train", "--val", "--weights", "--output"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--started", type=float, default=started, help="time.time() at the start")
    for name, choices in options:
        parser.add_argument(name, choices=choices, default=choices[0])
    given = parser.parse_args()
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.trial = Trial(
        given.train.resolve(),
        given.val.resolve(),
        given.minutes,
        given.seed,
        given.weights.resolve(),
        given.output.resolve(),
        given.started,
    )
    return given
