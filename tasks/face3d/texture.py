"""The texture of a face: the colours of an image on the unwrapped mesh."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from visus.models.face3d.renderer import interpolate, rasterise, surface_normals
from visus.tasks.face3d.mesh_holes import close_holes
from visus.tasks.face3d.prediction import Face3DPrediction
from visus.vision.images import Pixels

_SIDE = 512
"""Side of the texture in pixels."""

_MIN_FACING = 0.25
"""Smallest z component of the normal of a surface whose colour is taken from the image."""

_DEPTH_TOLERANCE = 1.5
"""How many pixels a point may lie behind the visible surface and still count as visible."""


@dataclass(frozen=True, eq=False)
class FaceTexture:
    """The texture of a face.

    Attributes:
        texture: uint8 RGB of shape (side, side, 3).
        coordinates: float32 (vertices, 2): texture coordinates of each vertex, (column, row) from
            0 to 1.
        triangles: int32 (triangles, 3): those of the face, and others that close its eyes and
            mouth.
    """

    texture: Pixels
    coordinates: NDArray[np.float32]
    triangles: NDArray[np.int32]


def face_texture(image: Pixels, prediction: Face3DPrediction, i: int) -> FaceTexture:
    """The texture of one face; occluded parts are mirrored from the other half.

    Args:
        image: The image of the prediction, uint8 RGB.
        prediction: The faces of the image.
        i: Index of the shape.
    """
    unwrapped, coordinates = _unwrap(prediction.vertices[i])
    triangles = close_holes(prediction.vertices[i], prediction.triangles)
    raster = rasterise(unwrapped[None], triangles, (_SIDE, _SIDE))
    vertices = prediction.in_image(i)
    height, width = image.shape[:2]
    # The position in the image of each pixel of the texture, and whether it is visible there.
    position = interpolate(raster, triangles, vertices[None])[0]
    surface = rasterise(vertices[None], triangles, (height, width))
    columns = np.clip(position[..., 0].astype(int), 0, width - 1)
    rows = np.clip(position[..., 1].astype(int), 0, height - 1)
    inside = (position[..., 0] >= 0) & (position[..., 0] < width)
    inside &= (position[..., 1] >= 0) & (position[..., 1] < height)
    facing = surface_normals(raster, triangles, vertices[None])[0, ..., 2] > _MIN_FACING
    shown = raster.covered[0] & inside & facing
    shown &= position[..., 2] >= surface.depth[0][rows, columns] - _DEPTH_TOLERANCE
    colours = np.asarray(
        cv2.remap(
            image,
            (position[..., 0] - 0.5).astype(np.float32),
            (position[..., 1] - 0.5).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ),
        np.uint8,
    )
    mirrored = shown[:, ::-1] & ~shown
    colours = np.where(mirrored[..., None], colours[:, ::-1], colours)
    missing = ~(shown | mirrored)
    if missing.all():
        return FaceTexture(np.full_like(colours, 128), coordinates, triangles)
    # Pixels that are visible on neither side take the colours around them.
    filled = cv2.inpaint(
        np.ascontiguousarray(colours), missing.astype(np.uint8), 3, cv2.INPAINT_TELEA
    )
    return FaceTexture(np.asarray(filled, np.uint8), coordinates, triangles)


def _unwrap(vertices: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cylindrical unwrapping: the angle around the head to the right, the height upwards.

    Returns:
        Vertices in pixels of the texture, with their distance from the axis as depth, and their
        texture coordinates (column, row) from 0 to 1.
    """
    x, y, z = vertices.astype(np.float64).T
    axis = z.min()
    angle = np.arctan2(x, z - axis) / np.pi + 0.5
    height = (y.max() - y) / np.ptp(y)
    coordinates = np.stack([np.clip(angle, 0, 1), height], axis=1).astype(np.float32)
    radius = np.hypot(x, z - axis)
    unwrapped = np.concatenate([coordinates * _SIDE, radius[:, None]], axis=1)
    return unwrapped.astype(np.float32), coordinates
