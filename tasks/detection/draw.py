"""Draw detections: bounding boxes with labels and scores, masks, track numbers."""

import numpy as np

from visus.tasks.detection.prediction import DetectionPrediction
from visus.vision.colours import class_colour
from visus.vision.drawing.boxes import draw_boxes
from visus.vision.images import Pixels


def draw_detection(image: Pixels, prediction: DetectionPrediction, still: bool) -> Pixels:
    """A copy of the image with the detections at or above the threshold.

    Colours stand for classes, or for tracks where objects are tracked.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        prediction: Made from this image.
        still: Makes no difference.
    """
    detections = prediction.above_threshold()
    labels = [f"{detections.label(i)} {detections.scores[i]:.2f}" for i in range(len(detections))]
    colours = detections.class_ids
    if detections.tracks is not None:
        colours = detections.tracks
        labels = [f"#{number} {label}" for number, label in zip(colours, labels, strict=True)]
    if detections.mask_grids is not None:
        image = image.copy()
        for i in range(len(detections)):
            mask = detections.mask(i)
            tint = np.array(class_colour(int(colours[i])), np.float32)
            image[mask] = (image[mask] * 0.5 + tint * 0.5).astype(np.uint8)
    return draw_boxes(image, detections.boxes, labels, colours)
