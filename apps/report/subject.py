"""What all sections of the report are made from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch.utils.data import Dataset, Subset

from visus.apps.training.evaluation import Evaluation
from visus.apps.training.reporting import is_validation_split, tests_on_validation_data
from visus.datamodules.core.loading import make_loader
from visus.tasks.assessment import Assessment
from visus.tasks.base import Batch, VisionTask
from visus.vision.images import Pixels

_BATCH = 32


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained task, its data, and its predictions of the test samples.

    Attributes:
        evaluation: The task and its data.
        split: The split that is reported on.
        assessment: Its evaluated samples.
    """

    evaluation: Evaluation
    split: str
    assessment: Assessment

    @property
    def task(self) -> VisionTask:
        """The task, in evaluation mode."""
        return self.evaluation.task

    @cached_property
    def dataset(self) -> Any:
        """The data set of the split, without augmentation."""
        return self.evaluation.data.plain_dataset(self.split)

    @cached_property
    def shares_validation(self) -> bool:
        """Whether the split is the validation split, for want of one in the data."""
        return tests_on_validation_data(self.evaluation.data)

    @cached_property
    def is_validation_split(self) -> bool:
        """Whether the split has the samples of the validation split, for whatever reason."""
        return is_validation_split(self.evaluation.data)

    @property
    def split_name(self) -> str:
        """The split in words."""
        return "validation" if self.shares_validation else self.split

    def read_image(self, source: str) -> Pixels:
        """The original image of a sample, uint8 of shape (height, width, channels)."""
        return np.asarray(self.dataset.image(self.dataset.index(source)), np.uint8)

    def batches(self, sources: Sequence[str] | None = None) -> Iterator[Batch]:
        """Unaugmented batches of the split, or of some samples of it."""
        chosen = None if sources is None else [self.dataset.index(name) for name in sources]
        return batches_of(self.evaluation, self.dataset, chosen)

    def main_metric(self, batches: Iterator[Batch]) -> float:
        """The main metric of batches of the split."""
        task = self.task
        return task.spec.main_metric(task, batches, self.evaluation.data, self.split)


def batches_of(
    evaluation: Evaluation, dataset: Dataset[Batch], chosen: Sequence[int] | None = None
) -> Iterator[Batch]:
    """Batches of a data set, or of the samples of some indices.

    Args:
        evaluation: Its data module says how many processes load samples.
        dataset: Without augmentation.
        chosen: Indices; None for all.
    """
    part = dataset if chosen is None else Subset(dataset, chosen)
    size = min(_BATCH, evaluation.data.batch_size)
    return iter(make_loader(part, size, evaluation.data.num_workers))


def evaluate(evaluation: Evaluation, split: str = "test") -> Subject:
    """Predict all samples of a split.

    Raises:
        VisusError: If the task does not assess single samples.
    """
    data, task = evaluation.data, evaluation.task
    batches = batches_of(evaluation, data.plain_dataset(split))
    return Subject(evaluation, split, task.spec.assess(task, batches, data, split))
