"""What all sections of the page are made from."""

from dataclasses import dataclass

import numpy as np

from visus.models.backbones.summary import Layer
from visus.models.inspection.subject import Subject
from visus.vision.images import Pixels, visible


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
