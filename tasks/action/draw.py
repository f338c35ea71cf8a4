"""Draw an action: a panel with bars in a corner, and a strip of the last seconds."""

import numpy as np

from visus.tasks.action.prediction import ActionPrediction
from visus.vision.colours import class_colour
from visus.vision.drawing.panels import draw_label_panel
from visus.vision.drawing.sizes import type_size
from visus.vision.drawing.text import shorten, tag_height, text_tag
from visus.vision.images import Pixels

_SECONDS = 10.0
"""Duration that the strip shows."""

_SHADE = 0.35
"""Brightness of the image under the strip, where nothing was predicted."""


def draw_action(image: Pixels, prediction: ActionPrediction, still: bool) -> Pixels:
    """Draw the three classes of highest score, and the labels of the last ten seconds.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        prediction: The prediction for the window up to this frame.
        still: Not used, as actions are predicted for frames of a video only.

    Returns:
        A copy of the image; the right edge of its strip is now.
    """
    canvas = draw_label_panel(image, prediction.labels()[:3], False)
    height, width = canvas.shape[:2]
    size = type_size(canvas.shape)
    strip = canvas[max(0, height - tag_height(size)) :]
    if not prediction.recent or min(height, width) < 32:
        return canvas
    np.multiply(strip, _SHADE, out=strip, casting="unsafe")
    now = prediction.recent[-1].end
    for part in prediction.recent:
        left, right = (
            round(width * min(1.0, max(0.0, 1 - (now - time) / _SECONDS)))
            for time in (part.start, part.end)
        )
        if not part.label or right <= left:
            continue
        colour = class_colour(prediction.class_names.index(part.label))
        strip[:, left:right] = colour
        text = shorten(part.label, right - left - size, size)
        # A text that is cut to its first letters is no help.
        if len(text) > 2 or text == part.label:
            tag = text_tag(text, size, colour)[: len(strip), : right - left]
            strip[: tag.shape[0], left : left + tag.shape[1]] = tag
        strip[:, right - 1] = 0
    return canvas
