"""What the applications know of the task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from visus.tasks.export_spec import ExportSpec
from visus.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from mean_colour.task import MeanColourTask
    from visus.tasks.spec import Arrays, Report
    from visus.vision.images import Pixels
    from visus.vision.model import Postprocess


class MeanColourSpec(TaskSpec):
    """The mean colour of an image."""

    name = "mean_colour"
    title = "mean colour"
    export = ExportSpec(output_names=("colour",))

    def lightning_class(self) -> type[MeanColourTask]:
        """See `TaskSpec.lightning_class`."""
        from mean_colour.task import MeanColourTask

        return MeanColourTask

    def postprocess(self) -> Postprocess:
        """See `TaskSpec.postprocess`."""
        from mean_colour.prediction import postprocess

        return postprocess

    def draw(self) -> Callable[[Pixels, Any, bool], Pixels]:
        """See `TaskSpec.draw`."""
        from mean_colour.prediction import draw_mean_colour

        return draw_mean_colour

    def report(self) -> Report:
        """See `TaskSpec.report`; the metrics alone are enough."""
        return lambda task, context: []

    def compare_outputs(self, exported: Arrays, expected: Arrays) -> tuple[float, float]:
        """The largest difference of a channel, and whether it is less than one level of 255."""
        difference = float(abs(exported[0] - expected[0]).max())
        return difference, float(difference < 1 / 255)
