"""Holes of triangle meshes, such as eyes and mouths, found and closed."""

import numpy as np
from numpy.typing import NDArray

_LONGEST = 0.5
"""Perimeter of the holes that are closed, as a share of the mesh's longest border's."""


def close_holes(vertices: NDArray[np.floating], triangles: NDArray[np.int32]) -> NDArray[np.int32]:
    """The triangles, and others that close all holes but the outer border.

    A hole is crossed from its left end to its right end, between its upper and its lower edge,
    which suits eyes and mouths, open or nearly closed. No vertex is added.

    Args:
        vertices: Shape (vertices, 3), x to the right.
        triangles: int32 of shape (triangles, 3), counter-clockwise as seen from outside.

    Returns:
        int32 of shape (more triangles, 3), the given ones first.
    """
    loops = [(loop, _perimeter(vertices[loop])) for loop in border_loops(triangles)]
    longest = max((length for _, length in loops), default=0.0)
    added = [_cross(vertices, loop) for loop, length in loops if length < _LONGEST * longest]
    return np.concatenate([triangles, *added]).astype(np.int32)


def border_loops(triangles: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    """The closed lines along which a mesh ends, the missing surface to their left.

    Args:
        triangles: int32 of shape (triangles, 3).

    Returns:
        For each line its vertices, int32.
    """
    edges = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64)
    count = int(edges.max(initial=0)) + 1
    alone = ~np.isin(edges @ [count, 1], edges @ [1, count])
    following: dict[int, list[int]] = {}
    for start, end in edges[alone].tolist():
        following.setdefault(end, []).append(start)
    loops = []
    while following:
        loop = [next(iter(following))]
        while loop[-1] in following:
            ways = following[loop[-1]]
            loop.append(ways.pop())
            if not ways:
                del following[loop[-2]]
        # The last vertex is the first again.
        loops.append(np.array(loop[:-1], np.int32))
    return loops


def _perimeter(points: NDArray[np.floating]) -> float:
    return float(np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1).sum())


def _cross(vertices: NDArray[np.floating], loop: NDArray[np.int32]) -> NDArray[np.int32]:
    """Triangles across a hole, from its left end on."""
    x = vertices[loop, 0]
    first = int(x.argmin())
    loop, x = np.roll(loop, -first), np.roll(x, -first)
    forward, back = 0, len(loop) - 1
    triangles = []
    while back - forward > 1:
        if x[forward + 1] <= x[back - 1]:
            triangles.append((back, forward, forward + 1))
            forward += 1
        else:
            triangles.append((back, forward, back - 1))
            back -= 1
    crossing: NDArray[np.int32] = loop[np.array(triangles, int).reshape(-1, 3)]
    return crossing
