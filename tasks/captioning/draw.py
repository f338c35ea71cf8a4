"""Draw captions: a strip of text on the image, or an attention map for each word."""

import numpy as np
from PIL import Image

from visus.tasks.captioning.prediction import CaptionPrediction
from visus.vision.drawing.grid import grid
from visus.vision.drawing.panels import caption_strip
from visus.vision.images import Pixels

_LINEAR = Image.Resampling.BILINEAR


def draw_caption(image: Pixels, prediction: CaptionPrediction, still: bool) -> Pixels:
    """Draw the best caption of an image.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        prediction: Made from this image.
        still: Draw the caption below the image, and beside both a copy of the image for each word
            with its attention map as brightness; otherwise the caption covers the bottom.

    Returns:
        uint8 RGB; larger than the image if `still`.
    """
    if still:
        return _draw_attention(image, prediction)
    canvas = Image.fromarray(image)
    strip = caption_strip(prediction.caption, image.shape, 190)
    # A strip higher than a tiny image starts at its top.
    canvas.paste(strip, (0, max(0, image.shape[0] - strip.height)), strip)
    return np.asarray(canvas)


def _draw_attention(image: Pixels, prediction: CaptionPrediction) -> Pixels:
    """The image above its caption, and the attention map of each word where there are any."""
    strip = caption_strip(prediction.caption, image.shape, 255).convert("RGB")
    captioned = np.concatenate([image, np.asarray(strip)])
    if prediction.attention_maps is None or not prediction.words:
        return captioned
    cells, words = [], list(prediction.words)
    columns = -(-len(words) // 3)
    cell = max(64, max(image.shape[:2]) // 3)
    scale = min(1.0, cell / max(image.shape[:2]))
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    small = np.asarray(Image.fromarray(image).resize(size))
    for i in range(len(words)):
        heat = Image.fromarray(prediction.attention_map(i).astype(np.float32)).resize(size, _LINEAR)
        cells.append((small * (0.25 + 0.75 * np.asarray(heat)[..., None])).astype(np.uint8))
    maps = grid(cells, words, columns, cell)
    scale = maps.shape[0] / captioned.shape[0]
    width = max(1, round(captioned.shape[1] * scale))
    left = np.asarray(Image.fromarray(captioned).resize((width, maps.shape[0])))
    return np.concatenate([left, maps], axis=1)
