"""The prediction of a segmenter: a class for every pixel."""

import base64
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from visus.vision.colours import Colour, class_colour
from visus.vision.masks import mask_to_png
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Item, Outputs, Regions
from visus.vision.resize import Geometry

_ROUNDING = 1e-3
"""More than interpolated logits differ by rounding."""


@dataclass(frozen=True, eq=False)
class SegmentationPrediction:
    """A class for every pixel of an image.

    Attributes:
        mask: Class ids, uint8 of shape (height, width) of the image.
        class_names: One name for each id.
        colours: Colour of each class in drawings.
        uncertainty: 0 to 1: one minus the mean score of the class of each pixel.
    """

    task: ClassVar[str] = "segmentation"

    mask: NDArray[np.uint8]
    class_names: tuple[str, ...]
    colours: tuple[Colour, ...]
    uncertainty: float = 0.0

    def __post_init__(self) -> None:
        """Validate the mask.

        Raises:
            ValueError: If the mask is not two-dimensional uint8, or an id has no name or colour.
        """
        if self.mask.ndim != 2 or self.mask.dtype != np.uint8:
            raise ValueError(
                f"a mask is uint8 of two dimensions, not {self.mask.dtype} of {self.mask.shape}"
            )
        if len(self.colours) != len(self.class_names):
            raise ValueError(f"{len(self.colours)} colours for {len(self.class_names)} classes")
        if self.mask.size and self.mask.max() >= len(self.class_names):
            raise ValueError(f"class id {self.mask.max()} of {len(self.class_names)} classes")

    def areas(self) -> dict[str, float]:
        """The fraction of the image, 0 to 1, that each class in it covers, in descending order."""
        counts = np.bincount(self.mask.ravel(), minlength=len(self.class_names))
        order = np.argsort(-counts, kind="stable")
        return {self.class_names[i]: counts[i] / self.mask.size for i in order if counts[i]}

    def items(self) -> list[Item]:
        """The classes in the image, each with the `area` that it covers; see `areas`."""
        return [
            Item(name, float("nan"), None, {"area": float(area)})
            for name, area in self.areas().items()
        ]

    def regions(self, labels: Collection[str]) -> Regions:
        """See `visus.vision.prediction.Concealable`; a mask without boxes."""
        chosen = np.isin(np.array(self.class_names, str), list(labels))
        boxes, none = np.zeros((0, 4), np.float32), np.zeros(0)
        return Regions(boxes, none.astype(np.float32), none.astype(np.int64), chosen[self.mask])

    def png(self) -> bytes:
        """The class ids as a PNG with the classes' colours as its palette."""
        return mask_to_png(self.mask, self.colours)

    def to_json(self) -> dict[str, Any]:
        """`{"task": "segmentation", "mask": PNG in base64, "areas": {label: fraction}}`.

        Classes that do not occur in the image have no area.
        """
        return {
            "task": self.task,
            "mask": base64.b64encode(self.png()).decode("ascii"),
            "areas": {name: round(area, 6) for name, area in self.areas().items()},
        }

    def summary(self) -> str:
        """The five largest classes with their percentages of the image."""
        largest = list(self.areas().items())[:5]
        return ", ".join(f"{name} {area:.1%}" for name, area in largest)


def postprocess(
    outputs: Outputs, geometry: Geometry, metadata: ModelMetadata
) -> SegmentationPrediction:
    """Turn the logits of one image into a mask of the original image's size.

    Args:
        outputs: Logits of shape (classes, rows, columns), which cover the network's input.
        geometry: Maps the network's input to the original image.
        metadata: The model's.
    """
    logits = np.asarray(outputs[0], np.float32)
    # One class at a time: all of them at the size of a large image would fill the memory.
    best = np.full(geometry.source_size, -np.inf, np.float32)
    mask = np.zeros(geometry.source_size, np.uint8)
    for class_id, cells in possible_parts(logits):
        part = geometry.window(cells, logits.shape[1:])
        plane = geometry.plane_to_source(logits[class_id], part)
        better = plane > best[part]
        # Ids ascend: a class that is better is the largest so far.
        np.maximum(mask[part], better * np.uint8(class_id), out=mask[part])
        np.maximum(best[part], plane, out=best[part])
    uncertainty = mean_uncertainty(logits, geometry)
    return SegmentationPrediction(mask, metadata.class_names, class_colours(metadata), uncertainty)


def possible_parts(logits: NDArray[np.float32]) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """For each class the part of the logits where it may be the best once they are interpolated.

    Between four neighbouring positions the logits of all classes are means of those at the four,
    with the same weights. A class that is below the mean of the four best classes at each of the
    four is below it in between, too, and so below one of them.

    Args:
        logits: Shape (classes, rows, columns).

    Yields:
        The ids in ascending order with rows and columns; none of a class that is nowhere the best.
        Together the parts cover all positions.
    """
    rows, columns = logits.shape[1:]
    if min(rows, columns) < 2:
        yield from ((i, (slice(0, rows), slice(0, columns))) for i in range(len(logits)))
        return
    winners = logits.argmax(0)
    quarters = [
        (slice(down, rows - 1 + down), slice(right, columns - 1 + right))
        for down in (0, 1)
        for right in (0, 1)
    ]
    possible = np.zeros((len(logits), rows - 1, columns - 1), bool)
    for quarter in quarters:
        here = logits[(slice(None), *quarter)]
        best = [np.take_along_axis(here, winners[each][None], 0) for each in quarters]
        # Interpolation rounds.
        possible |= here > np.mean(best, axis=0) - _ROUNDING
    in_rows: NDArray[np.bool_] = np.any(possible, axis=2)
    in_columns: NDArray[np.bool_] = np.any(possible, axis=1)
    for class_id in np.flatnonzero(in_rows.any(1)):
        ends = [np.flatnonzero(each[class_id])[[0, -1]] for each in (in_rows, in_columns)]
        (top, bottom), (left, right) = ends
        yield int(class_id), (slice(int(top), int(bottom) + 2), slice(int(left), int(right) + 2))


def mean_uncertainty(logits: NDArray[np.float32], geometry: Geometry) -> float:
    """One minus the mean score of each pixel's class, estimated on a grid of some 64 x 64 at most.

    Args:
        logits: Shape (classes, rows, columns), which cover the network's input.
        geometry: Maps the network's input to the original image, outside of which nothing counts.
    """
    rows, columns = logits_inside(logits.shape[1:], geometry)
    sample = logits[:, rows, columns][:, :: max(1, logits.shape[1] // 64)]
    sample = sample[..., :: max(1, logits.shape[2] // 64)]
    return float(1 - (1 / np.exp(sample - sample.max(0)).sum(0)).mean())


def logits_inside(size: Sequence[int], geometry: Geometry) -> tuple[slice, slice]:
    """Rows and columns of the logits that show the original image, at least one each.

    Args:
        size: (rows, columns) of the logits, which cover the network's input.
        geometry: Maps the network's input to the original image.
    """
    inside = []
    for axis, side in enumerate(size):
        zoom = side / geometry.size[axis]
        start = geometry.offset[1 - axis] * zoom
        end = start + geometry.source_size[axis] * geometry.scale[1 - axis] * zoom
        first = min(max(0, round(start)), side - 1)
        inside.append(slice(first, max(first + 1, round(end))))
    return inside[0], inside[1]


def class_colours(metadata: ModelMetadata) -> tuple[Colour, ...]:
    """The colours of the classes in the training data, otherwise a generated one for each."""
    colours = metadata.options.get("colours")
    if colours:
        return tuple((int(red), int(green), int(blue)) for red, green, blue in colours)
    return tuple(class_colour(class_id) for class_id in range(len(metadata.class_names)))
