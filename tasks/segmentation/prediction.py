"""What a segmenter says: a class for every pixel."""

import base64
import io
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visus.vision.colours import Colour, class_colour
from visus.vision.metadata import ModelMetadata
from visus.vision.prediction import Outputs
from visus.vision.resize import Geometry


@dataclass(frozen=True, eq=False)
class SegmentationPrediction:
    """A class for every pixel of an image.

    Attributes:
        mask: Class ids, uint8 of shape (height, width) of the image.
        class_names: One name for each id.
        colours: One for each class, to draw it with.
    """

    task: ClassVar[str] = "segmentation"

    mask: NDArray[np.uint8]
    class_names: tuple[str, ...]
    colours: tuple[Colour, ...]

    def __post_init__(self) -> None:
        """Refuse what is no mask of these classes.

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
        """The share of the image, 0 to 1, of each class that is in it, the largest first."""
        counts = np.bincount(self.mask.ravel(), minlength=len(self.class_names))
        order = np.argsort(-counts, kind="stable")
        return {self.class_names[i]: counts[i] / self.mask.size for i in order if counts[i]}

    def png(self) -> bytes:
        """The class ids as a PNG of one byte a pixel, the classes' colours as its palette."""
        image = Image.fromarray(self.mask)
        image.putpalette([value for colour in self.colours for value in colour])
        encoded = io.BytesIO()
        image.save(encoded, "PNG")
        return encoded.getvalue()

    def to_json(self) -> dict[str, Any]:
        """`{"task": "segmentation", "mask": PNG of class ids in base64, "areas": {label: share}}`.

        Classes that are not in the image are left out of the areas.
        """
        return {
            "task": self.task,
            "mask": base64.b64encode(self.png()).decode("ascii"),
            "areas": {name: round(share, 6) for name, share in self.areas().items()},
        }

    def summary(self) -> str:
        """The five largest classes with their shares of the image."""
        largest = list(self.areas().items())[:5]
        return ", ".join(f"{name} {share:.1%}" for name, share in largest)


def postprocess(
    outputs: Outputs, geometry: Geometry, metadata: ModelMetadata
) -> SegmentationPrediction:
    """Turn logits for one fitted image into a mask of the original's size.

    Args:
        outputs: Logits of shape (classes, rows, columns), which cover the fitted image.
        geometry: Maps the network's input back to the image.
        metadata: The model's.
    """
    logits = np.asarray(outputs[0], np.float32)
    # A class at a time: all at the size of a large image would fill the memory.
    best = geometry.plane_to_source(logits[0])
    mask = np.zeros(geometry.source_size, np.uint8)
    for number in range(1, len(logits)):
        plane = geometry.plane_to_source(logits[number])
        better = plane > best
        mask[better] = number
        np.maximum(best, plane, out=best)
    return SegmentationPrediction(mask, metadata.class_names, class_colours(metadata))


def class_colours(metadata: ModelMetadata) -> tuple[Colour, ...]:
    """The colours that the data set gave the classes, or one for each by its number."""
    given = metadata.options.get("colours")
    if given:
        return tuple((int(red), int(green), int(blue)) for red, green, blue in given)
    return tuple(class_colour(number) for number in range(len(metadata.class_names)))
