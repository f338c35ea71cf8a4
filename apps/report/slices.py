"""Slices of the samples whose metrics differ from those of the rest beyond chance."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, mannwhitneyu

from visus.tasks.assessment import Floats
from visus.vision.images import Pixels

_LEAST = 8
"""Fewest samples of a slice, and outside of it, that are compared."""

_RATE = 0.05
"""Expected fraction of reported slices that differ by chance."""


@dataclass(frozen=True)
class Slice:
    """A part of the samples.

    Attributes:
        name: What the slice is chosen by, such as `brightness`.
        value: The category, or the range of values.
        samples: Number of samples.
        quality: Their mean quality, 0 to 1.
        rest: The mean quality of the other samples.
        p_value: Probability of such a difference by chance, corrected for the number of slices.
    """

    name: str
    value: str
    samples: int
    quality: float
    rest: float
    p_value: float

    @property
    def differs(self) -> bool:
        """Whether the difference is beyond chance."""
        return self.p_value < _RATE


def compare_slices(
    quality: Floats, properties: Mapping[str, NDArray[np.str_] | Floats]
) -> list[Slice]:
    """Compare the samples of each slice with all others, the most certain difference first.

    The test is that of Mann and Whitney (1947), with the correction for many comparisons of
    Benjamini and Hochberg (1995).

    Args:
        quality: Of each sample, 0 to 1; NaN where undefined.
        properties: See `visus.tasks.assessment.Assessment.properties`.
    """
    found: list[tuple[str, str, NDArray[np.bool_], float]] = []
    defined = np.isfinite(quality)
    for name, values in properties.items():
        for value, inside in _divide(values):
            own, others = quality[inside & defined], quality[~inside & defined]
            if min(len(own), len(others)) < _LEAST:
                continue
            p_value = float(mannwhitneyu(own, others).pvalue)
            found.append((name, value, inside, p_value))
    if not found:
        return []
    corrected = false_discovery_control([each[3] for each in found])
    slices = [
        Slice(
            name,
            value,
            int((inside & defined).sum()),
            float(quality[inside & defined].mean()),
            float(quality[~inside & defined].mean()),
            float(p_value),
        )
        for (name, value, inside, _), p_value in zip(found, corrected, strict=True)
    ]
    return sorted(slices, key=lambda each: each.p_value)


def _divide(values: NDArray[np.str_] | Floats) -> list[tuple[str, NDArray[np.bool_]]]:
    """The slices of a property: its categories, or its lowest and highest quarter."""
    if values.dtype.kind == "U":
        return [(str(name), values == name) for name in np.unique(values)]
    numbers = np.asarray(values, np.float64)
    if not np.isfinite(numbers).any():
        return []
    low, high = np.nanpercentile(numbers, [25, 75])
    return [
        (f"up to {low:.3g}", numbers <= low),
        (f"from {high:.3g}", numbers >= high),
    ]


def image_properties(image: Pixels) -> dict[str, float]:
    """Brightness, contrast, sharpness and aspect ratio of an image.

    Args:
        image: uint8 of shape (height, width, channels).

    Returns:
        `brightness` and `contrast`: mean and standard deviation, 0 to 1; `sharpness`: standard
        deviation of the Laplacian; `aspect ratio`: width divided by height.
    """
    grey = image.mean(2, dtype=np.float32) / 255
    return {
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "sharpness": float(cv2.Laplacian(grey, cv2.CV_32F).std()),
        "aspect ratio": image.shape[1] / image.shape[0],
    }
