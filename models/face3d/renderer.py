"""Rasterise triangle meshes on the CPU: a z-buffer, and interpolation of vertex attributes.

Compiled by numba and free of torch, so that data loaders, applications and exported models can
use it. Meant for scaled orthography (`visus.models.face3d.camera`), under which barycentric
coordinates in the image are those on the triangle itself.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

BACKGROUND = -1
"""The triangle index of pixels without a triangle."""


@dataclass(frozen=True, eq=False)
class Raster:
    """The visible surface of a mesh in each pixel.

    Attributes:
        triangles: int32 of shape (batch, height, width): index of the nearest triangle, or
            `BACKGROUND`.
        barycentric: float32 of shape (batch, height, width, 2): weights of that triangle's first
            and second vertex, 0 to 1; that of the third is the rest.
        depth: float32 of shape (batch, height, width): z of the surface, -inf in the background.
    """

    triangles: NDArray[np.int32]
    barycentric: NDArray[np.float32]
    depth: NDArray[np.float32]

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Whether a pixel shows a triangle, shape (batch, height, width)."""
        return np.asarray(self.triangles != BACKGROUND)


def rasterise(
    vertices: NDArray[np.float32], triangles: NDArray[np.int32], size: tuple[int, int]
) -> Raster:
    """Find the nearest triangle of each pixel.

    A pixel is covered if its centre lies in a triangle or on its edge; of equally near triangles
    the first is drawn. Back faces and triangles without area are culled.

    Args:
        vertices: float32 of shape (batch, vertices, 3): x to the right and y downwards in pixels,
            where pixel (row, column) spans column to column + 1; z increases towards the viewer.
        triangles: int32 of shape (triangles, 3): vertex indices, counter-clockwise as seen from
            the front.
        size: (height, width) in pixels.

    Raises:
        ValueError: If a vertex index is out of range.
    """
    vertices = np.ascontiguousarray(vertices, np.float32)
    triangles = np.ascontiguousarray(triangles, np.int32)
    _check_indices(triangles, vertices.shape[1])
    shape = (len(vertices), *size)
    raster = Raster(
        np.full(shape, BACKGROUND, np.int32),
        np.zeros((*shape, 2), np.float32),
        np.full(shape, -np.inf, np.float32),
    )
    _rasterise(vertices, triangles, raster.triangles, raster.barycentric, raster.depth)
    return raster


def interpolate(
    raster: Raster, triangles: NDArray[np.int32], values: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Interpolate vertex attributes over the visible surface.

    Args:
        raster: The visible surface.
        triangles: As passed to `rasterise`.
        values: float32 of shape (batch, vertices, channels), such as colours or positions.

    Returns:
        float32 of shape (batch, height, width, channels), 0 in the background.
    """
    values = np.ascontiguousarray(values, np.float32)
    triangles = np.ascontiguousarray(triangles, np.int32)
    out = np.zeros((*raster.triangles.shape, values.shape[2]), np.float32)
    _interpolate(raster.triangles, raster.barycentric, triangles, values, out)
    return out


def surface_normals(
    raster: Raster, triangles: NDArray[np.int32], vertices: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The unit normal of the visible triangle of each pixel.

    Args:
        raster: The visible surface.
        triangles: As passed to `rasterise`.
        vertices: As passed to `rasterise`.

    Returns:
        float32 of shape (batch, height, width, 3), with y upwards and z towards the viewer; 0 in
        the background.
    """
    normals = np.zeros((*raster.triangles.shape, 3), np.float32)
    _surface_normals(
        raster.triangles,
        np.ascontiguousarray(triangles, np.int32),
        np.ascontiguousarray(vertices, np.float32),
        normals,
    )
    return normals


def _check_indices(triangles: NDArray[np.int32], count: int) -> None:
    # Compiled code would read beyond the array.
    if triangles.size and not 0 <= triangles.min() <= triangles.max() < count:
        raise ValueError(
            f"triangles have vertices {triangles.min()} to {triangles.max()}, there are {count}"
        )


@njit(cache=True, nogil=True)
def _rasterise(vertices, triangles, visible, barycentric, depth):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    height, width = depth.shape[1:]
    half = np.float32(0.5)
    for b in range(vertices.shape[0]):
        for t in range(triangles.shape[0]):
            i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            x0, y0 = vertices[b, i, 0], vertices[b, i, 1]
            x1, y1 = vertices[b, j, 0], vertices[b, j, 1]
            x2, y2 = vertices[b, k, 0], vertices[b, k, 1]
            area = (x2 - x0) * (y1 - y0) - (x1 - x0) * (y2 - y0)
            if not area > 0:
                continue
            left = max(0, int(np.ceil(min(x0, x1, x2) - half)))
            right = min(width - 1, int(np.floor(max(x0, x1, x2) - half)))
            top = max(0, int(np.ceil(min(y0, y1, y2) - half)))
            bottom = min(height - 1, int(np.floor(max(y0, y1, y2) - half)))
            if left > right or top > bottom:
                continue
            z0, z1, z2 = vertices[b, i, 2], vertices[b, j, 2], vertices[b, k, 2]
            for row in range(top, bottom + 1):
                y = np.float32(row) + half
                for column in range(left, right + 1):
                    x = np.float32(column) + half
                    first = (x2 - x) * (y1 - y) - (x1 - x) * (y2 - y)
                    second = (x0 - x) * (y2 - y) - (x2 - x) * (y0 - y)
                    third = (x1 - x) * (y0 - y) - (x0 - x) * (y1 - y)
                    if first < 0 or second < 0 or third < 0:
                        continue
                    a = first / area
                    c = second / area
                    z = z2 + a * (z0 - z2) + c * (z1 - z2)
                    if z > depth[b, row, column]:
                        depth[b, row, column] = z
                        visible[b, row, column] = t
                        barycentric[b, row, column, 0] = a
                        barycentric[b, row, column, 1] = c


@njit(cache=True, nogil=True)
def _interpolate(visible, barycentric, triangles, values, out):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    batch, height, width, channels = out.shape
    for b in range(batch):
        for row in range(height):
            for column in range(width):
                t = visible[b, row, column]
                if t < 0:
                    continue
                i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                a = barycentric[b, row, column, 0]
                c = barycentric[b, row, column, 1]
                rest = np.float32(1) - a - c
                for n in range(channels):
                    out[b, row, column, n] = (
                        a * values[b, i, n] + c * values[b, j, n] + rest * values[b, k, n]
                    )


@njit(cache=True, nogil=True)
def _surface_normals(visible, triangles, vertices, out):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    batch, height, width = visible.shape
    for b in range(batch):
        for row in range(height):
            for column in range(width):
                t = visible[b, row, column]
                if t < 0:
                    continue
                i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
                ux = vertices[b, j, 0] - vertices[b, i, 0]
                uy = vertices[b, i, 1] - vertices[b, j, 1]
                uz = vertices[b, j, 2] - vertices[b, i, 2]
                vx = vertices[b, k, 0] - vertices[b, i, 0]
                vy = vertices[b, i, 1] - vertices[b, k, 1]
                vz = vertices[b, k, 2] - vertices[b, i, 2]
                x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
                length = np.sqrt(x * x + y * y + z * z)
                out[b, row, column, 0] = x / length
                out[b, row, column, 1] = y / length
                out[b, row, column, 2] = z / length
