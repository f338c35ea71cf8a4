"""Search for the smallest model whose main figure drops no more than allowed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from visus.apps.compress.measuring import Figure, Measured, Stopwatch, assess, weights_megabytes
from visus.apps.compress.training import Student
from visus.apps.parsing import CommandError
from visus.apps.training.budget.clock import Budget
from visus.datamodules.core.base import VisionDataModule
from visus.vision.errors import VisusError

_SHRINK = 0.85
"""Each step leaves this fraction of the multiply-adds of the one before.

Training mends small damage quickly: 27 % fewer multiply-adds in three steps of a minute cost a
flower classifier less than in one step of three minutes.
"""

_STEPS = 10
"""The most steps, which leave a fifth of the multiply-adds."""

_FOR_THE_END = 0.15
"""Fraction of the budget for int8 and the test data."""

_BATCH = 32


@dataclass(frozen=True)
class Limits:
    """What ends a search.

    Attributes:
        max_drop: By how much the main figure may drop.
        speedup: The speed at which the model is fast enough, relative to the original; None to
            search for the smallest one.
        budget: The time budget of the whole command.
    """

    max_drop: float
    speedup: float | None
    budget: Budget


class Search:
    """Prunes step by step, and keeps the smallest model within the limits.

    Each step removes channels of the model before, trains what is left, and measures it on the
    validation data. A model that misses the limit by less than its standard error may do so by
    chance: the search goes on. One that misses it by more is trained on until the time is over.

    Args:
        student: A copy of the original, which becomes smaller.
        data: Its data.
        limits: What ends the search.
        stopwatch: Of the original.

    Attributes:
        original: The unpruned model.
        overhead: Seconds that measuring a model takes.
    """

    def __init__(
        self,
        student: Student,
        data: VisionDataModule[Any],
        limits: Limits,
        stopwatch: Stopwatch,
    ) -> None:
        self._student = student
        self._data = data
        self._limits = limits
        self._stopwatch = stopwatch
        began = limits.budget.elapsed
        self.original = self._measure("original")
        self.overhead = limits.budget.elapsed - began

    def run(self, measured: Callable[[Measured, bool], None]) -> None:
        """Search until a limit is reached.

        Args:
            measured: Called with each model, and whether it is within the limits; the student is
                that model then.

        Raises:
            CommandError: If the budget is too short for one step.
            VisusError: If the model cannot be pruned.
        """
        plan = self._plan()
        print(
            f"at most {len(plan)} steps, trained for {plan[0]:.0f} to {plan[-1]:.0f} s each",
            flush=True,
        )
        limits = self._limits
        for step, seconds in enumerate(plan, 1):
            try:
                self._student.prune(int(_SHRINK * self._student.multiply_adds))
            except VisusError:
                if step == 1:
                    raise
                return
            model = self._train(f"pruned {step}", seconds)
            fast = limits.speedup is not None and model.speedup >= limits.speedup
            last = fast or step == len(plan)
            longer = seconds
            while not self._is_enough(model.figure, last) and self._time_for(longer):
                measured(model, self.is_within(model.figure))
                # Each schedule starts at the full rate: only a longer one gets further.
                longer = min(2 * longer, self._time_left)
                model = self._train(f"pruned {step}, trained on", longer)
            measured(model, self.is_within(model.figure))
            if last or not self._time_for(seconds):
                return

    def drop(self, figure: Figure) -> float:
        """By how much a validation figure is worse than the original's."""
        return figure.drop_from(self.original.figure)

    def is_within(self, figure: Figure) -> bool:
        """Whether a validation figure is as good as required."""
        return self.drop(figure) <= self._limits.max_drop

    def _is_enough(self, figure: Figure, last: bool) -> bool:
        """Whether a step need not be trained on."""
        tolerance = 0.0 if last else figure.standard_error
        return self.drop(figure) <= self._limits.max_drop + tolerance

    def _plan(self) -> list[float]:
        """The seconds that each step may train: the smaller the network, the longer."""
        budget = self._limits.budget
        available = budget.left - _FOR_THE_END * budget.seconds
        # A step that is trained for too short a time is a step too many: most of it is training.
        steps = min(_STEPS, int(available / (4 * self.overhead)))
        if steps < 1:
            needed = (budget.elapsed + 5 * self.overhead) / (1 - _FOR_THE_END)
            raise CommandError(
                f"the budget of {budget.seconds:.0f} s is too short: measuring the model takes "
                f"{self.overhead:.0f} s; give --budget {needed / 60 + 1:.0f}m or more"
            )
        training = available - steps * self.overhead
        # From half of the mean to one and a half.
        return [training / steps * (0.5 + (i + 0.5) / steps) for i in range(steps)]

    @property
    def _time_left(self) -> float:
        """Seconds that a training may take, so that its model can be measured."""
        budget = self._limits.budget
        return budget.left - self.overhead - _FOR_THE_END * budget.seconds

    def _time_for(self, seconds: float) -> bool:
        return self._time_left > seconds

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
