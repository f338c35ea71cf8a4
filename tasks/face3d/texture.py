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

_FACING = (0.25, 0.45)
"""z component of a surface's normal from which on its colour counts, and counts fully."""

_MARGIN = 0.04
"""Distance from an outline in the image where colours begin to count, in widths of the face: nearer
ones are of the background, of hair, or of what is behind."""

_DEPTH_TOLERANCE = 0.03
"""How far a point may lie behind the visible surface and still show, in widths of the face."""

_STEP = 0.12
"""A change of depth between pixels that is an outline, in widths of the face."""


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
    # The position in the image of each pixel of the texture.
    position = interpolate(raster, triangles, vertices[None])[0]
    columns, rows = (position[..., k].astype(np.float32) - np.float32(0.5) for k in range(2))
    colours = cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    facing = surface_normals(raster, triangles, vertices[None])[0, ..., 2]
    weights = np.clip((facing - _FACING[0]) / (_FACING[1] - _FACING[0]), 0, 1)
    width = max(1.0, float(np.ptp(prediction.landmarks68(i)[:, 0])))
    surface = rasterise(vertices[None], triangles, (image.shape[0], image.shape[1])).depth[0]
    inner = np.clip(_distance_from_outlines(surface, width) / (_MARGIN * width) - 1, 0, 1)
    weights *= cv2.remap(inner, columns, rows, cv2.INTER_LINEAR, borderValue=0)
    nearest = cv2.remap(surface, columns, rows, cv2.INTER_NEAREST, borderValue=np.inf)
    weights *= position[..., 2] >= nearest - _DEPTH_TOLERANCE * width
    weights = np.where(raster.covered[0], weights, 0)
    # What faces away takes the colours of the other half, and what is visible in neither those
    # around it; soft weights leave no seams.
    mirrored = weights[:, ::-1] * (1 - weights)
    seen = weights[..., None] * colours + mirrored[..., None] * colours[:, ::-1]
    total = weights + mirrored
    if total.max() < 0.5:
        return FaceTexture(np.full_like(colours, 128, np.uint8), coordinates, triangles)
    texture = seen + (1 - total)[..., None] * _spread(seen, total)
    return FaceTexture(np.rint(texture).astype(np.uint8), coordinates, triangles)


def _distance_from_outlines(depth: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """The distance of each pixel from the outlines of the face and of its parts, in pixels.

    Args:
        depth: z of the visible surface of each pixel, -inf in the background.
        width: Width of the face in pixels.
    """
    level = np.maximum(depth, np.float32(-1e6))
    edges = cv2.morphologyEx(level, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    # Steep parts such as the sides of the nose rise by ten pixels from one to the next but one.
    plain = (edges < max(10.0, _STEP * width)).astype(np.uint8)
    plain[[0, -1]] = plain[:, [0, -1]] = 0
    return np.asarray(cv2.distanceTransform(plain, cv2.DIST_L2, cv2.DIST_MASK_5), np.float32)


def _spread(seen: NDArray[np.floating], weights: NDArray[np.floating]) -> NDArray[np.floating]:
    """Smooth colours for all pixels from those with a weight, nearer ones count most.

    Args:
        seen: Colours times weights, of shape (side, side, 3).
        weights: Of shape (side, side), 0 to 1.
    """
    if min(weights.shape) == 1:
        return seen / max(float(weights.max()), 1e-6)
    halves = (weights.shape[1] // 2, weights.shape[0] // 2)
    coarse = np.asarray(cv2.resize(weights, halves, interpolation=cv2.INTER_AREA), np.float64)
    colours = cv2.resize(seen, halves, interpolation=cv2.INTER_AREA)
    # A few pixels with a weight are enough for the colour of a coarse one.
    gain = np.minimum(1, 4 * coarse) / np.maximum(coarse, 1e-6)
    around = _spread(colours * gain[..., None], coarse * gain)
    filled = cv2.resize(around, weights.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(seen + (1 - weights)[..., None] * filled)


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
