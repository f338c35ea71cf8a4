"""Draw detections: boxes with labels and scores, masks, tracks."""

import numpy as np

from visus.tasks.detection.prediction import DetectionPrediction
from visus.vision.colours import class_colour
from visus.vision.drawing.boxes import draw_boxes
from visus.vision.images import Pixels


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
