"""Draw detections: bounding boxes with labels and scores, masks, track numbers."""

import cv2
import numpy as np

from visus.tasks.detection.counts import LineCount, ZoneCount
from visus.tasks.detection.prediction import DetectionPrediction
from visus.vision.colours import class_colour
from visus.vision.drawing.areas import draw_directed_line, draw_label, draw_polygon
from visus.vision.drawing.boxes import draw_boxes
from visus.vision.drawing.sizes import line_width
from visus.vision.images import Pixels

_AREA_COLOURS = 3
"""Index of the first colour of lines and zones."""


def draw_detection(image: Pixels, prediction: DetectionPrediction, still: bool) -> Pixels:
    """A copy of the image with the detections at or above the threshold, lines and zones.

    Colours stand for classes, or for tracks where objects are tracked.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        prediction: Made from this image.
        still: See `visus.vision.drawing.places.place_labels`.
    """
    detections = prediction.above_threshold()
    labels = [detections.label(i) for i in range(len(detections))]
    colours = detections.class_ids
    if detections.tracks is not None:
        colours = detections.tracks
        labels = [f"#{number} {label}" for number, label in zip(colours, labels, strict=True)]
    if detections.mask_grids is not None:
        image = image.copy()
        for i in range(len(detections)):
            _draw_mask(image, detections, i, class_colour(int(colours[i])))
    # Lines and zones are drawn below the boxes, and their labels above them.
    areas: list[ZoneCount | LineCount] = [*detections.zones, *detections.lines]
    inks = [class_colour(_AREA_COLOURS + i) for i in range(len(areas))]
    for area, ink in zip(areas, inks, strict=True):
        draw_area = draw_polygon if isinstance(area, ZoneCount) else draw_directed_line
        image = draw_area(image, area.points, ink)
    image = draw_boxes(image, detections.boxes, labels, colours, detections.scores, still)
    for area, ink in zip(areas, inks, strict=True):
        image = draw_label(image, area.points[0], area.summary(), ink)
    return image


def _draw_mask(
    image: Pixels, detections: DetectionPrediction, i: int, colour: tuple[int, int, int]
) -> None:
    """Tint the pixels of an object in place, and draw its outline."""
    mask = detections.mask(i)
    left, top = np.floor(detections.boxes[i, :2]).astype(int).tolist()
    right, bottom = np.ceil(detections.boxes[i, 2:]).astype(int).tolist()
    # The whole of a large image would take long for each object.
    area = np.s_[max(0, top) : bottom, max(0, left) : right]
    part, inside = image[area], mask[area].astype(np.uint8)
    if not inside.any():
        return
    tint = np.full_like(part, colour)
    part[:] = cv2.copyTo(cv2.addWeighted(part, 0.5, tint, 0.5, 0), inside, part.copy())
    outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    drawn = np.ascontiguousarray(part)
    cv2.drawContours(drawn, outlines, -1, colour, line_width(image.shape))
    part[:] = drawn
