"""Draw predictions and figures on pictures."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from visus.vision.drawing.text import font, shorten, tag_of, white_text, wrap
from visus.vision.colours import Colour, class_colour
from visus.vision.errors import VisusError
from visus.vision.images import Pixels, visible
from visus.tasks.captioning.prediction import CaptionPrediction
from visus.tasks.classification.prediction import ClassificationPrediction
from visus.apps.inference.combined_prediction import CombinedPrediction
from visus.tasks.detection.prediction import DetectionPrediction
from visus.tasks.face3d.prediction import Face3DPrediction
from visus.tasks.face_recognition.prediction import FacePrediction
from visus.vision.prediction import Prediction
from visus.tasks.segmentation.prediction import SegmentationPrediction
from visus.tasks.segmentation.metrics import IGNORE

_INK = (255, 255, 255)
_PAPER = (24, 26, 32)
BAR = (64, 132, 244)
"""The colour of shares."""


def draw_prediction(image: Pixels, prediction: Prediction) -> Pixels:
    """A copy of the picture with its prediction drawn on it.

    Args:
        image: uint8 of shape (height, width, channels).
        prediction: Made from this picture.
    """
    image = visible(image)
    if isinstance(prediction, CombinedPrediction):
        for part in prediction.parts:
            image = draw_prediction(image, part)
        return image
    if isinstance(prediction, CaptionPrediction):
        return _draw_caption(image, prediction)
    if isinstance(prediction, ClassificationPrediction):
        return _draw_classes(image, prediction.labels()[:5])
    if isinstance(prediction, DetectionPrediction):
        return _draw_detections(image, prediction.shown())
    if isinstance(prediction, Face3DPrediction):
        # Late: drawing meshes compiles code, which other tasks need not wait for.
        from visus.tasks.face3d.draw import draw_face_meshes

        return draw_face_meshes(image, prediction)
    if isinstance(prediction, FacePrediction):
        return _draw_faces(image, prediction)
    if isinstance(prediction, SegmentationPrediction):
        return _draw_segmentation(image, prediction)
    raise TypeError(f"no drawing for {type(prediction).__name__}")


def _draw_classes(image: Pixels, labels: Sequence[tuple[str, float]]) -> Pixels:
    """A panel in the corner: a bar and a line for each label; none where there is no room."""
    canvas = image.copy()
    height, width = image.shape[:2]
    if min(height, width) < 32:
        return canvas
    size = max(10, min(28, round(min(height, width) / 18)))
    line = round(size * 1.5)
    rows = labels[: max(1, (height - size) // line)] or [("none", 0.0)]
    panel = canvas[: line * len(rows) + size // 2, : size * 17]
    _tint(panel, _PAPER, 0.75)
    room = panel.shape[1] - size
    for i, (label, score) in enumerate(rows):
        row = panel[size // 4 + i * line :][:line]
        _tint(row[2:-1, size // 2 :][:, : round(room * score)], BAR, 0.8)
        number = white_text(f"{score:.2f}  ", size, line, room)
        _write(row, size, number)
        left = size + number.shape[1]
        _write(row, left, white_text(label, size, line, room - left))
    return canvas


def _tint(area: Pixels, colour: Colour, strength: float) -> None:
    """Mix that much of a colour, 0 to 1, into pixels, in their place."""
    if area.size:
        area[:] = cv2.transform(area, _mixture(colour, strength))


@cache
def _mixture(colour: Colour, strength: float) -> NDArray[np.float64]:
    """The matrix that mixes that much of a colour into a pixel, (3, 4) as `cv2.transform` takes."""
    return np.column_stack([(1 - strength) * np.eye(3), strength * np.array(colour)])


def _write(row: Pixels, left: int, cover: Pixels) -> None:
    """Write a line of white text on dark pixels, in their place, from a column on."""
    part = row[:, left : left + cover.shape[1]]
    np.maximum(part, cover[: part.shape[0]], out=part)


def _draw_caption(image: Pixels, prediction: CaptionPrediction) -> Pixels:
    """The sentence on a strip at the bottom."""
    canvas = Image.fromarray(image)
    strip = caption_strip(prediction.caption, image.shape, 190)
    canvas.paste(strip, (0, image.shape[0] - strip.height), strip)
    return np.asarray(canvas)


def caption_strip(text: str, shape: tuple[int, ...], opacity: int) -> Image.Image:
    """A sentence as wide as a picture of that shape, in as many lines as it needs."""
    height, width = shape[:2]
    size = max(10, min(28, round(min(height, width) / 18)))
    lines = wrap(text, width - size, size)
    strip = Image.new("RGBA", (width, round(size * 1.4) * len(lines)), (*_PAPER, opacity))
    draw = ImageDraw.Draw(strip)
    for i, line in enumerate(lines):
        draw.text((size // 2, round((i + 0.5) * size * 1.4)), line, _INK, font(size), anchor="lm")
    return strip


def draw_note(image: Pixels, note: str) -> Pixels:
    """A darkened copy of a picture with a line on it."""
    canvas = Image.fromarray((image * 0.4).astype(np.uint8))
    height, width = image.shape[:2]
    size = max(10, min(28, round(min(height, width) / 18)))
    middle = (width / 2, height / 2)
    ImageDraw.Draw(canvas).text(middle, shorten(note, width, size), _INK, font(size), anchor="mm")
    return np.asarray(canvas)


def draw_lines(image: Pixels, lines: Sequence[str]) -> Pixels:
    """A copy of a picture with lines of text in its upper right corner, broken where too long."""
    canvas = np.ascontiguousarray(image).copy()
    height, width = image.shape[:2]
    size = max(10, min(20, round(min(height, width) / 30)))
    top = 0
    for text in (part for line in lines for part in wrap(line, width - 8, size)):
        tag = tag_of(text, size, _PAPER)[: max(0, height - top), :width]
        canvas[top : top + tag.shape[0], width - tag.shape[1] :] = tag
        top += tag.shape[0]
    return canvas


def _draw_detections(image: Pixels, shown: DetectionPrediction) -> Pixels:
    """Boxes with names and scores; with tracking, each track in its own colour."""
    labels = [f"{shown.label(i)} {shown.scores[i]:.2f}" for i in range(len(shown))]
    numbers = shown.class_ids
    if shown.tracks is not None:
        numbers = shown.tracks
        pairs = zip(numbers, labels, strict=True)
        labels = [f"#{number} {label}" for number, label in pairs]
    if shown.mask_grids is not None:
        image = image.copy()
        for i in range(len(shown)):
            mask = shown.mask(i)
            tint = np.array(class_colour(int(numbers[i])), np.float32)
            image[mask] = (image[mask] * 0.5 + tint * 0.5).astype(np.uint8)
    return draw_boxes(image, shown.boxes, labels, numbers)


def _draw_faces(image: Pixels, found: FacePrediction) -> Pixels:
    """Boxes and landmarks; each name in its own colour, who is unknown in grey."""
    canvas = image.copy()
    radius = max(1, min(image.shape[:2]) // 240)
    for x, y in found.landmarks.reshape(-1, 2):
        cv2.circle(canvas, (round(float(x)), round(float(y))), radius, (64, 255, 128), -1)
    names = found.names or (None,) * len(found)
    # The same name has the same colour in every picture.
    numbers = [crc32(name.encode()) % 997 if name else 0 for name in names]
    labels = [found.label(i) for i in range(len(found))]
    return draw_boxes(canvas, found.boxes, labels, np.array(numbers, int))


def _draw_segmentation(image: Pixels, prediction: SegmentationPrediction) -> Pixels:
    """Every pixel tinted by its class, and the largest classes named in a corner."""
    canvas = draw_areas(image, prediction.mask, prediction.colours)
    height, width = canvas.shape[:2]
    size = max(11, min(24, round(min(height, width) / 32)))
    top = 0
    for name, share in list(prediction.areas().items())[:8]:
        number = prediction.class_names.index(name)
        tag = tag_of(f"{name} {share:.0%}", size, prediction.colours[number])
        rows, columns = min(tag.shape[0], height - top), min(tag.shape[1], width)
        canvas[top : top + rows, :columns] = tag[:rows, :columns]
        top += rows
    return canvas


def draw_areas(
    image: Pixels, mask: NDArray[np.uint8], colours: Sequence[Colour], strength: float = 0.55
) -> Pixels:
    """A copy of the picture tinted by class; unlabelled pixels stay as they are.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        mask: Class ids of shape (height, width), `IGNORE` where there is none.
        colours: One for each class.
        strength: Of the tint, 0 to 1.
    """
    tints = np.zeros((256, 3), np.uint8)
    tints[: len(colours)] = colours
    tinted = cv2.addWeighted(image, 1 - strength, tints[mask], strength, 0)
    unlabelled = mask == IGNORE
    tinted[unlabelled] = image[unlabelled]
    return np.asarray(tinted, np.uint8)


def draw_boxes(
    image: Pixels,
    boxes: NDArray[np.floating],
    labels: Sequence[str],
    numbers: NDArray[np.integer],
) -> Pixels:
    """A copy of the picture with labelled boxes.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        boxes: Shape (N, 4), (x1, y1, x2, y2) in pixels.
        labels: A line for each; empty for none.
        numbers: Of the colour of each, see `vision.colours.class_colour`.
    """
    canvas = np.ascontiguousarray(image).copy()
    height, width = canvas.shape[:2]
    size = max(11, min(24, round(min(height, width) / 32)))
    thick = max(1, round(min(height, width) / 240))
    # The surest last, on top of the others.
    for i in reversed(range(len(boxes))):
        x1, y1, x2, y2 = (round(float(value)) for value in boxes[i])
        colour = class_colour(int(numbers[i]))
        cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), colour, thick)
        if not labels[i]:
            continue
        tag = tag_of(labels[i], size, colour)
        rows, columns = min(tag.shape[0], height), min(tag.shape[1], width)
        top = y1 - rows if y1 >= rows else min(y1, height - rows)
        left = max(0, min(x1, width - columns))
        canvas[top : top + rows, left : left + columns] = tag[:rows, :columns]
    return canvas


def grid(
    images: Sequence[Pixels],
    captions: Sequence[str],
    columns: int,
    cell: int,
    height: int | None = None,
) -> Pixels:
    """Pictures in a table, each letterboxed into a cell with a line of text below.

    Args:
        images: uint8 RGB, of any sizes.
        captions: One for each; one that begins with `!` is drawn red, without the mark.
        columns: Pictures a row.
        cell: Width of a cell in pixels.
        height: Of a cell; a square by default.
    """
    text_height = min(32, max(16, cell // 7))
    height = height or cell
    rows = -(-len(images) // columns)
    canvas = Image.new("RGB", (columns * cell, rows * (height + text_height)), "white")
    draw = ImageDraw.Draw(canvas)
    for i, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = i % columns * cell, i // columns * (height + text_height)
        scale = min((height - 4) / image.shape[0], (cell - 4) / image.shape[1])
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        way = Image.Resampling.NEAREST if scale > 3 else Image.Resampling.LANCZOS
        picture = Image.fromarray(image).resize(size, way)
        canvas.paste(picture, (x + (cell - size[0]) // 2, y + (height - size[1]) // 2))
        ink = "#c22" if caption.startswith("!") else "black"
        text = shorten(caption.removeprefix("!"), cell - 4, round(text_height * 0.7))
        middle = (x + cell / 2, y + height + text_height / 2 - 2)
        draw.text(middle, text, ink, font(round(text_height * 0.7)), anchor="mm")
    return np.asarray(canvas)


def write_image(path: Path, image: Pixels) -> None:
    """Write a picture; the file's ending names the format.

    Args:
        path: Where to; its folder is made.
        image: uint8 RGB of shape (height, width, 3).

    Raises:
        VisusError: If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path, quality=92)
    except (OSError, ValueError) as error:
        raise VisusError(f"{path}: cannot be written ({error})") from None


def to_bgr(image: Pixels) -> Pixels:
    """From RGB to OpenCV's order of channels."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
