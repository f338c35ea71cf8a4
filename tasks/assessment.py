"""Evaluated samples of a task, as the report needs them: resampled, compared, and one by one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from visus.vision.images import Pixels
from visus.vision.occlusion import Scores
from visus.vision.sampling import evenly_spaced

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

ReadImage = Callable[[str], Pixels]
"""The original image of a sample by its name, uint8 of shape (height, width, channels)."""


@dataclass(frozen=True, eq=False)
class Curves:
    """Curves over one axis from 0 to 1.

    Attributes:
        title: Heading of the plot.
        x_label: What the horizontal axis shows.
        y_label: What the vertical axis shows.
        lines: By name the x and y values, each of shape (points,).
        diagonal: Whether the diagonal is drawn, as a reference.
    """

    title: str
    x_label: str
    y_label: str
    lines: Mapping[str, tuple[Floats, Floats]]
    diagonal: bool = False


@dataclass(frozen=True, eq=False)
class Confusion:
    """A confusion matrix.

    Attributes:
        counts: int64 of shape (classes, classes): true by predicted class.
        class_names: One name for each class id.
        unit: What is counted, such as `images`.
    """

    counts: NDArray[np.int64]
    class_names: Sequence[str]
    unit: str


@dataclass(frozen=True)
class MetricTable:
    """Metrics of each class, person or fold.

    Attributes:
        columns: Headings; the first is that of the names.
        rows: The name, and a value for each further column; NaN where undefined.
        counts: Whether the last column is a number of samples or objects.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float, ...]], ...]
    counts: bool = True


@dataclass(frozen=True, eq=False)
class LabelScores:
    """Scores of classes with the labels that they are compared with.

    Attributes:
        scores: float32 of shape (samples, classes), 0 to 1.
        labels: Class ids of shape (samples,), or rows of zeros and ones (samples, classes).
        class_names: One name for each class id.
    """

    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    class_names: Sequence[str]

    @property
    def multi_label(self) -> bool:
        """Whether a sample may have several labels."""
        return self.labels.ndim == 2

    def confidences(self) -> tuple[Floats, NDArray[np.bool_]]:
        """The confidence of each predicted class, and whether it is right.

        With several labels a sample these are the scores of all classes, and whether each label is
        present, of shape (samples * classes,).
        """
        if self.multi_label:
            return self.scores.ravel().astype(np.float64), self.labels.ravel() > 0
        right = self.scores.argmax(1) == self.labels
        return self.scores.max(1).astype(np.float64), np.asarray(right, np.bool_)


@dataclass(frozen=True, eq=False)
class Explainable:
    """An image and score functions to explain, for samples that are not single images.

    Attributes:
        image: The image whose parts are covered.
        names: What is explained, in words.
        scores: See `visus.vision.occlusion.Scores`.
    """

    image: Pixels
    names: Sequence[str]
    scores: Scores


class Assessment(ABC):
    """The evaluated samples of a split.

    Attributes:
        main: Name of the main metric, one of those of `compute`.
        higher_is_better: Whether a larger value of it is better.
        unit: Plural noun of the samples, such as `images`.
        quality_name: What `quality` is.
        sources: Name of each sample.
    """

    main: str
    higher_is_better: bool = True
    unit: str = "images"
    quality_name: str
    sources: Sequence[str]

    @abstractmethod
    def compute(self, chosen: Indices | None = None) -> dict[str, float]:
        """The metrics of some samples, of which each may be chosen several times; of all for None.

        Undefined metrics are NaN.
        """

    @property
    @abstractmethod
    def quality(self) -> Floats:
        """How good the prediction of each sample is, 0 (worst) to 1; NaN where undefined."""

    @property
    def confident_errors(self) -> Floats:
        """How confident the errors in each sample are, 0 (no error) to 1."""
        return np.zeros(len(self.sources))

    @abstractmethod
    def describe(self, index: int) -> tuple[str, str]:
        """The truth and the prediction of a sample in words."""

    @abstractmethod
    def draw(self, index: int, read_image: ReadImage) -> list[tuple[str, Pixels]]:
        """Images of a sample, each with a caption, such as its truth beside its prediction."""

    def class_table(self) -> MetricTable | None:
        """Metrics of each class; None where there are no classes."""
        return None

    def plots(self) -> list[Curves | Confusion]:
        """Plots of the whole split."""
        return []

    def properties(self) -> dict[str, NDArray[np.str_] | Floats]:
        """Properties of each sample by name, whose slices are compared.

        Strings are categories; numbers are divided at their quartiles.
        """
        return {}

    def explainable(self, index: int, read_image: ReadImage) -> Explainable | None:
        """What is explained of a sample; None to explain the prediction of its image."""
        return None

    def label_scores(self) -> LabelScores | None:
        """Scores of classes with the labels; None where a sample has no such labels."""
        return None

    def subset(self, count: int) -> list[str]:
        """Names of the images of at most `count` evenly spaced samples."""
        return evenly_spaced(self.sources, count)
