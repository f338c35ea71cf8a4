"""Draw faces: boxes, landmarks, names."""

from zlib import crc32

import cv2
import numpy as np

from visus.tasks.face_recognition.prediction import FacePrediction
from visus.vision.drawing.boxes import draw_boxes
from visus.vision.images import Pixels


def _draw_faces(image: Pixels, found: FacePrediction) -> Pixels:
    """Boxes and landmarks; each name in its own colour, who is unknown in grey."""
    canvas = image.copy()
    radius = max(1, min(image.shape[:2]) // 240)
    for x, y in found.landmarks.reshape(-1, 2):
        cv2.circle(canvas, (round(float(x)), round(float(y))), radius, (64, 255, 128), -1)
    names = found.names or (None,) * len(found)
    # The same name has the same colour in every image.
    numbers = [crc32(name.encode()) % 997 if name else 0 for name in names]
    labels = [found.label(i) for i in range(len(found))]
    return draw_boxes(canvas, found.boxes, labels, np.array(numbers, int))
