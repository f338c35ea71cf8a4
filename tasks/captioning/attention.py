"""Draw where a captioner looked for each word."""

import numpy as np
from PIL import Image

from visus.tasks.captioning.prediction import CaptionPrediction
from visus.vision.drawing.grid import grid
from visus.vision.drawing.panels import caption_strip
from visus.vision.images import Pixels


def draw_attention(image: Pixels, prediction: CaptionPrediction) -> Pixels:
    """An image above its caption, and beside it once for each word with where it looked bright.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        prediction: Made from this image; without attention the image stands alone.
    """
    strip = caption_strip(prediction.caption, image.shape, 255).convert("RGB")
    captioned = np.concatenate([image, np.asarray(strip)])
    if prediction.attention_maps is None or not prediction.words:
        return captioned
    cells, words = [], list(prediction.words)
    for i in range(len(words)):
        light = 0.25 + 0.75 * prediction.look(i)[..., None]
        cells.append((image * light).astype(np.uint8))
    columns = -(-len(words) // 3)
    cell = max(64, max(image.shape[:2]) // 3)
    told = grid(cells, words, columns, cell)
    scale = told.shape[0] / captioned.shape[0]
    width = max(1, round(captioned.shape[1] * scale))
    left = np.asarray(Image.fromarray(captioned).resize((width, told.shape[0])))
    return np.concatenate([left, told], axis=1)
