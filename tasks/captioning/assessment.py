"""The evaluated images of a captioner."""

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from visus.tasks.assessment import Assessment, Floats, Indices, ReadImage
from visus.tasks.captioning.metrics import CaptioningMetrics, CaptioningResult
from visus.vision.images import Pixels, visible

_BEST_CIDER = 10.0
"""Upper bound of CIDEr-D."""


class CaptioningAssessment(Assessment):
    """Images with their predicted and reference captions.

    Args:
        metrics: With all images.
    """

    main = "cider_d"
    quality_name = "CIDEr-D divided by 10"

    def __init__(self, metrics: CaptioningMetrics) -> None:
        self._result: CaptioningResult = metrics.compute()
        self.sources = [record.source for record in self._result.records]

    def compute(self, chosen: Indices | None = None) -> dict[str, float]:
        """See `Assessment.compute`.

        Those of chosen images are means over images: CIDEr-D with the word statistics of all
        images, which do not vary with the choice, and `true` where the data judge captions.
        """
        if chosen is None:
            return self._result.metrics
        metrics = {"cider_d": float(self._result.scores[chosen].mean())}
        if self._judged is not None:
            metrics["true"] = float(self._judged[chosen].mean())
        return metrics

    @cached_property
    def quality(self) -> Floats:
        """CIDEr-D of each caption, as a fraction of its upper bound."""
        return np.asarray(self._result.scores / _BEST_CIDER, np.float64).clip(0, 1)

    def describe(self, index: int) -> tuple[str, str]:
        """The first reference caption, and the predicted one."""
        record = self._result.records[index]
        return record.references[0] if record.references else "none", record.caption

    def draw(self, index: int, read_image: ReadImage) -> list[tuple[str, Pixels]]:
        """See `Assessment.draw`."""
        true, predicted = self.describe(index)
        name = Path(self.sources[index]).name
        image = visible(read_image(self.sources[index]))
        return [(f"{name}: predicted {predicted!r}, reference {true!r}", image)]

    def properties(self) -> dict[str, NDArray[np.str_] | Floats]:
        """The mean number of words of the references."""
        lengths = [
            float(np.mean([len(text.split()) for text in record.references]))
            for record in self._result.records
        ]
        return {"words of the references": np.array(lengths, np.float64)}

    @cached_property
    def _judged(self) -> Floats | None:
        truths = [record.true for record in self._result.records]
        return None if None in truths else np.array(truths, np.float64)
