"""Draw faces: boxes, landmarks, names."""

from zlib import crc32

import cv2
import numpy as np

from visus.tasks.face_recognition.prediction import FacePrediction
from visus.vision.drawing.boxes import draw_boxes
from visus.vision.images import Pixels


def draw_faces(image: Pixels, prediction: FacePrediction, still: bool) -> Pixels:
    """A copy of the image with boxes and landmarks; each name has a colour, unknown faces another.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        prediction: Made from this image.
        still: Makes no difference.
    """
    canvas = image.copy()
    radius = max(1, min(image.shape[:2]) // 240)
    for x, y in prediction.landmarks.reshape(-1, 2):
        cv2.circle(canvas, (round(float(x)), round(float(y))), radius, (64, 255, 128), -1)
    names = prediction.names or (None,) * len(prediction)
    # The same name has the same colour in every image.
    colours = [crc32(name.encode()) % 997 if name else 0 for name in names]
    labels = [prediction.label(i) for i in range(len(prediction))]
    return draw_boxes(canvas, prediction.boxes, labels, np.array(colours, int))
