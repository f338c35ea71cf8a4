"""Draw 3D faces on their image: the shaded mesh, landmarks, and the axes of the head."""

import cv2
import numpy as np

from visus.models.face3d.renderer import rasterise, surface_normals
from visus.tasks.face3d.prediction import Face3DPrediction
from visus.vision.colours import CASING
from visus.vision.drawing.sizes import line_width
from visus.vision.images import Pixels

_MESH_COLOUR = np.array([150, 190, 255], np.float32)
_LANDMARK_COLOUR = (64, 255, 128)
_AXIS_COLOURS = ((230, 60, 60), (60, 200, 80), (70, 120, 255))
_NOSE_TIP = 30


def draw_face3d(image: Pixels, prediction: Face3DPrediction, still: bool) -> Pixels:
    """A copy of the image with the mesh of each face laid over it.

    Args:
        image: uint8 RGB of shape (height, width, 3).
        prediction: Made from this image.
        still: Makes no difference.
    """
    canvas = image.copy()
    size = image.shape[:2]
    for i in range(len(prediction)):
        vertices = prediction.in_image(i)
        raster = rasterise(vertices[None], prediction.triangles, size)
        normals = surface_normals(raster, prediction.triangles, vertices[None])[0]
        covered = raster.covered[0]
        shading = np.clip(0.35 + 0.65 * normals[..., 2:], 0, 1)
        shaded = shading[covered] * _MESH_COLOUR
        canvas[covered] = (0.45 * canvas[covered] + 0.55 * shaded).astype(np.uint8)
        landmarks = prediction.landmarks68(i)
        # Points and lines as large as on large faces would hide small ones.
        largest = max(1, round(float(np.ptp(landmarks[:, 0])) / 80))
        radius = min(largest, line_width(size))
        for x, y in landmarks:
            centre = (round(float(x)), round(float(y)))
            cv2.circle(canvas, centre, radius, _LANDMARK_COLOUR, -1, cv2.LINE_AA)
        _draw_axes(canvas, prediction, i, min(largest, line_width(size)) + 1)
    return canvas


def _draw_axes(canvas: Pixels, prediction: Face3DPrediction, i: int, width: int) -> None:
    """Right, up and forward from the tip of the nose, in red, green and blue."""
    landmarks = prediction.landmarks68(i)
    start = landmarks[_NOSE_TIP]
    length = float(np.ptp(landmarks, axis=0).max()) * 0.5
    for axis, colour in enumerate(_AXIS_COLOURS):
        direction = prediction.rotations[i][:2, axis] * np.array([1, -1])
        end = start + direction * length
        tail, tip = ((round(float(x)), round(float(y))) for x, y in (start, end))
        for line, ink in ((width + 2, CASING), (width, colour)):
            cv2.arrowedLine(canvas, tail, tip, ink, line, cv2.LINE_AA, tipLength=0.15)
