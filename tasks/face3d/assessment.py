"""The evaluated faces of a network for 3D faces."""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from visus.tasks.assessment import Assessment, Explainable, Floats, Indices, ReadImage
from visus.tasks.face3d.metrics import Face3DMetrics, FaceErrors
from visus.tasks.face3d.targets import PARTS
from visus.vision.images import Pixels, visible

Landmarks = Callable[[list[Pixels]], NDArray[np.float32]]

_MAIN = "vertex_error_mm"


class Face3DAssessment(Assessment):
    """Faces whose true shape is known.

    Args:
        records: The errors of each.
        landmarks: From crops, uint8 of shape (height, width, 3), to the landmarks of their faces,
            of shape (faces, 68, 2) in pixels.
    """

    main = _MAIN
    higher_is_better = False
    unit = "faces"
    quality_name = "1 - vertex error / twice that of the mean face"

    def __init__(self, records: Sequence[FaceErrors], landmarks: Landmarks) -> None:
        self.landmarks = landmarks
        self.records = [record for record in records if _MAIN in record.errors]
        self.sources = [record.source for record in self.records]

    def compute(self, chosen: Indices | None = None) -> dict[str, float]:
        """See `Assessment.compute`; without the correlations of the coefficients."""
        metrics = Face3DMetrics(())
        indices = range(len(self.records)) if chosen is None else chosen
        metrics.records = [self.records[i] for i in indices]
        return metrics.compute().metrics

    @cached_property
    def quality(self) -> Floats:
        """One half where the vertex error is that of the mean face."""
        errors = np.array([record.errors[_MAIN] for record in self.records])
        baseline = np.array([record.errors[f"mean_face_{_MAIN}"] for record in self.records])
        return np.asarray((1 - errors / np.maximum(2 * baseline, 1e-9)).clip(0, 1), np.float64)

    def describe(self, index: int) -> tuple[str, str]:
        """That there is a true shape, and the errors of the prediction."""
        errors = self.records[index].errors
        baseline = errors[f"mean_face_{_MAIN}"]
        pose = errors["pose_error_deg"]
        said = f"{errors[_MAIN]:.1f} mm off (mean face {baseline:.1f}), pose {pose:.1f}° off"
        return "a render's shape", said

    def draw(self, index: int, read_image: ReadImage) -> list[tuple[str, Pixels]]:
        """See `Assessment.draw`."""
        caption = f"{self.sources[index]}: {self.describe(index)[1]}"
        return [(caption, visible(read_image(self.sources[index])))]

    def explainable(self, index: int, read_image: ReadImage) -> Explainable:
        """Which pixels move the landmarks of nose, eyes and mouth when they are covered."""
        crop = read_image(self.sources[index])
        before = self.landmarks([crop])[0]

        def scores(images: list[Pixels]) -> Floats:
            moved = np.linalg.norm(self.landmarks(images) - before, axis=-1)
            parts = [-moved[:, part].mean(1) for part in PARTS.values()]
            return np.stack(parts, 1).astype(np.float64)

        return Explainable(crop, list(PARTS), scores)
