"""Evaluation of all tasks: every sample counts once, on any number of processes."""

from abc import abstractmethod
from typing import Any

import pytorch_lightning as pl

from visus.tasks.gathering import gather_objects
from visus.tasks.metrics import Metrics

Batch = dict[str, Any]


class EvaluatedModule(pl.LightningModule):
    """A module that is measured on the validation and the test split.

    Attributes:
        monitor: The metric that decides which weights are best, and `max` or `min`.
        metrics: Of the split that is measured, or None.
        tested: The result of the last test.
    """

    monitor: tuple[str, str]
    metrics: Metrics | None = None
    tested: Any = None

    @property
    @abstractmethod
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics that training logs, such as `val/map`; callbacks monitor them."""

    @abstractmethod
    def new_metrics(self, split: str) -> Metrics:
        """Empty metrics for `val` or `test`."""

    @abstractmethod
    def update_metrics(self, metrics: Any, batch: Batch) -> None:
        """Predict a batch and update the metrics."""

    def compute_metrics(self, metrics: Any, split: str) -> Any:
        """The result of the metrics of all processes; see `Metrics.compute`."""
        return metrics.compute()

    def class_metrics(self, result: Any) -> dict[str, float]:
        """Metrics of single classes after a test, such as `map/cat`."""
        return {}

    def after_validation(self, result: Any) -> None:
        """Called with the result of each validation during training."""

    def on_validation_epoch_start(self) -> None:
        """Reset the metrics."""
        self.metrics = self.new_metrics("val")

    def on_test_epoch_start(self) -> None:
        """Reset the metrics."""
        self.metrics = self.new_metrics("test")

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure one batch."""
        self.update_metrics(self.metrics, batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure one batch."""
        self.update_metrics(self.metrics, batch)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics over all processes."""
        if self.trainer.sanity_checking:
            return
        result = self._log_result("val")
        if self.trainer.state.fn == "fit":
            self.after_validation(result)
        # The predictions of a whole split would stay in memory while training continues.
        self.metrics = None

    def on_test_epoch_end(self) -> None:
        """Log the metrics over all processes and those of each class, and store the result."""
        self.tested = self._log_result("test")
        for name, value in self.class_metrics(self.tested).items():
            self.log(f"test/{name}", value)

    def _log_result(self, split: str) -> Any:
        assert self.metrics is not None
        self.metrics.records = gather_objects(self.metrics.records)
        result = self.compute_metrics(self.metrics, split)
        for name, value in result.metrics.items():
            self.log(f"{split}/{name}", value, prog_bar=f"{split}/{name}" == self.monitor[0])
        return result
