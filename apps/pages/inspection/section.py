"""A section of the page, and what all sections are made from."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from visus.models.backbones.summary import Layer
from visus.models.inspection.subject import Subject
from visus.vision.images import Pixels, visible


@dataclass(frozen=True)
class Section:
    """One section: the template `inspection/NAME.html` with its values, or why there is none.

    Attributes:
        name: Identifier of the section, its template and its script.
        title: Heading.
        values: Values of the template.
        data: What the section's script reads, as plain values; None if it has none.
        missing: Why the section does not apply to this network; empty if it does.
    """

    name: str
    title: str
    values: dict[str, Any] = field(default_factory=dict)
    data: Any = None
    missing: str = ""


@dataclass(frozen=True, eq=False)
class Inspected:
    """What the sections are made from.

    Attributes:
        subject: The network and its image.
        layer: The convolution that is shown step by step.
    """

    subject: Subject
    layer: Layer

    @property
    def pixels(self) -> Pixels:
        """The network's input as uint8 RGB."""
        array = self.subject.image[0].permute(1, 2, 0).cpu().numpy()
        return visible(np.ascontiguousarray(array, np.uint8))


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape in words, such as `64 x 112 x 112`."""
    return " x ".join(map(str, shape))
