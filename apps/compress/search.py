"""Search for the smallest model whose main metric drops no more than allowed."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from visus.apps.compress.measuring import MainMetric, Measured, Stopwatch, assess, weights_megabytes
from visus.apps.compress.training import Student
from visus.apps.parsing import CommandError
from visus.apps.training.budget.clock import Budget
from visus.datamodules.core.base import VisionDataModule
from visus.models.pruning import NothingToPruneError
from visus.tasks.base import VisionTask
from visus.vision.errors import VisusError

_SHRINK = 0.85
"""Each step leaves this fraction of the estimated time of the one before.

Training mends small damage quickly: 27 % fewer multiply-adds in three steps of a minute cost a
flower classifier less than in one step of three minutes.
"""

_FOR_STEPS = 0.7
"""Fraction of the time for the planned steps; the rest is for a model that nearly keeps the limit,
or for more of them."""

_STEPS = 10
"""The most steps, which leave a fifth of the time."""

_BATCH = 32


@dataclass(frozen=True)
class Limits:
    """What ends a search.

    Attributes:
        max_drop: By how much the main metric may drop.
        speedup: The speed at which the model is fast enough, relative to the original; None to
            search for the smallest one.
        budget: The time budget of the whole command.
    """

    max_drop: float
    speedup: float | None
    budget: Budget


@dataclass(frozen=True, eq=False)
class _Near:
    """A model that misses the limit by less than its standard error.

    Attributes:
        step: Its number.
        seconds: How long it was trained.
        task: The model.
    """

    step: int
    seconds: float
    task: VisionTask


class Search:
    """Prunes step by step, and keeps the smallest model within the limits.

    Each step removes channels of the model before, trains what is left, and measures it on the
    validation data. A model that misses the limit by less than its standard error may do so by
    chance: the search goes on. Below one that misses it by more, no smaller model is tried: it,
    or the one that nearly kept the limit, is trained on.

    Args:
        student: A copy of the original, which becomes smaller.
        data: Its data.
        limits: What ends the search.
        stopwatch: Of the original.
        tests: Models that will be measured on the test data, in units of the validation data.

    Raises:
        VisusError: If the original has no metric.

    Attributes:
        original: The unpruned model.
        overhead: Seconds that pruning and measuring a model take.
        reserved: Seconds for what follows the search: int8, and the test data.
    """

    def __init__(
        self,
        student: Student,
        data: VisionDataModule[Any],
        limits: Limits,
        stopwatch: Stopwatch,
        tests: float,
    ) -> None:
        self._student = student
        self._data = data
        self._limits = limits
        self._stopwatch = stopwatch
        began = limits.budget.elapsed
        self.original = self._measure("original")
        self.overhead = limits.budget.elapsed - began
        if not math.isfinite(self.original.metric.value):
            raise VisusError(
                f"the validation data have no {self.original.metric.name}, by which models are "
                "chosen; give other --data"
            )
        # An int8 model is written and measured, which takes longer than one in PyTorch.
        self.reserved = self.overhead * (2 + tests)

    def run(self, measured: Callable[[Measured, bool], None]) -> None:
        """Search until a limit is reached.

        Args:
            measured: Called with each model, and whether it is within the limits; the student is
                that model then.

        Raises:
            CommandError: If the budget is too short for one step.
            VisusError: If the model cannot be pruned.
        """
        began = self._limits.budget.elapsed
        self._student.prune(_SHRINK)
        self.overhead += self._limits.budget.elapsed - began
        plan = self._plan()
        print(
            f"about {len(plan)} steps, trained for {plan[0]:.0f} to {plan[-1]:.0f} s each",
            flush=True,
        )
        near: _Near | None = None
        for number in range(1, _STEPS + 1):
            step, seconds = number, min(plan[min(number, len(plan)) - 1], self._time_left)
            over = seconds < plan[0] or (number > len(plan) and near is not None)
            if number > 1 and (over or not self._prune()):
                break
            model = self._train(f"pruned {step}", seconds)
            measured(model, self.is_within(model.metric))
            fast = self.is_fast(model)
            if self.is_within(model.metric):
                near = None
            elif self._is_near(model.metric) and not fast:
                near = _Near(step, seconds, copy.deepcopy(self._student.task))
            else:
                if near is not None and not fast:
                    self._student.task, step, seconds = near.task, near.step, near.seconds
                near = None
                if not self._train_on(step, seconds, measured):
                    return
            if fast:
                return
        if near is not None:
            self._student.task = near.task
            self._train_on(near.step, near.seconds, measured)

    def is_fast(self, model: Measured) -> bool:
        """Whether a model is as fast as required; False without a requirement."""
        return self._limits.speedup is not None and model.speedup >= self._limits.speedup

    def _prune(self) -> bool:
        """Remove channels; returns False if too few are left."""
        try:
            self._student.prune(_SHRINK)
        except NothingToPruneError:
            return False
        return True

    def _train_on(
        self, step: int, seconds: float, measured: Callable[[Measured, bool], None]
    ) -> bool:
        """Train the student until it is within the limit; returns False if the time is over."""
        while self._time_left > seconds:
            # Each schedule starts at the full rate: only a longer one gets further.
            seconds = min(2 * seconds, self._time_left)
            model = self._train(f"pruned {step}, trained on", seconds)
            measured(model, self.is_within(model.metric))
            if self.is_within(model.metric):
                return True
        return False

    def drop(self, metric: MainMetric) -> float:
        """By how much a validation metric is worse than the original's."""
        return metric.drop_from(self.original.metric)

    def is_within(self, metric: MainMetric) -> bool:
        """Whether a validation metric is as good as required."""
        return self.drop(metric) <= self._limits.max_drop

    def _is_near(self, metric: MainMetric) -> bool:
        """Whether a metric misses the limit by less than its standard error."""
        return self.drop(metric) <= self._limits.max_drop + (metric.standard_error or 0.0)

    def _plan(self) -> list[float]:
        """The seconds that each step may train: the smaller the network, the longer."""
        budget = self._limits.budget
        available = _FOR_STEPS * (budget.left - self.reserved)
        # A step that is trained for too short a time is a step too many: most of it is training.
        steps = min(_STEPS, int(available / (3 * self.overhead)))
        if steps < 1:
            needed = budget.elapsed + self.reserved + 3 * self.overhead / _FOR_STEPS
            raise CommandError(
                f"the budget of {budget.seconds:.0f} s is too short: pruning and measuring "
                f"a model takes {self.overhead:.0f} s; give --budget {needed / 60 + 1:.0f}m or more"
            )
        training = available - steps * self.overhead
        # From half of the mean to one and a half.
        return [training / steps * (0.5 + (i + 0.5) / steps) for i in range(steps)]

    @property
    def _time_left(self) -> float:
        """Seconds that a training may take, so that its model can be measured."""
        budget = self._limits.budget
        return budget.left - self.overhead - self.reserved

    def _train(self, step: str, seconds: float) -> Measured:
        self._student.learn(seconds)
        return self._measure(step)

    def _measure(self, step: str) -> Measured:
        task = self._student.task
        return Measured(
            step,
            assess(task, self._data, "val", min(_BATCH, self._data.batch_size)),
            self._student.multiply_adds,
            weights_megabytes(task),
            self._stopwatch.measure(task),
        )
