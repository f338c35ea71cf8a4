"""Draw faces: boxes, landmarks, names."""

from zlib import crc32

import cv2
import numpy as np

from visus.tasks.face_recognition.prediction import FacePrediction
from visus.vision.colours import CASING
from visus.vision.drawing.boxes import draw_boxes
from visus.vision.drawing.sizes import line_width
from visus.vision.images import Pixels

_LANDMARK = (64, 255, 128)


def draw_faces(image: Pixels, prediction: FacePrediction, still: bool) -> Pixels:
    """A copy of the image with boxes and landmarks; each name has a colour, unknown faces another.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        prediction: Made from this image.
        still: See `visus.vision.drawing.places.place_labels`.
    """
    canvas = image.copy()
    widths = (prediction.boxes[:, 2] - prediction.boxes[:, 0]).tolist()
    points = np.rint(prediction.landmarks).astype(int).tolist()
    for width, landmarks in zip(widths, points, strict=True):
        # Points as large as on large faces would hide small ones.
        radius = max(1, min(line_width(image.shape), round(width / 40)))
        for point in landmarks:
            cv2.circle(canvas, point, radius + 1, CASING, -1)
            cv2.circle(canvas, point, radius, _LANDMARK, -1)
    names = prediction.names or (None,) * len(prediction)
    # The same name has the same colour in every image.
    colours = [crc32(name.encode()) % 997 if name else 0 for name in names]
    labels = [prediction.label(i) for i in range(len(prediction))]
    return draw_boxes(canvas, prediction.boxes, labels, np.array(colours, int), still=still)
