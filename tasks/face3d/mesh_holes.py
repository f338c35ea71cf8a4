"""Close holes of triangle meshes, such as eyes and mouths."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_MAX_PERIMETER = 0.5
"""Largest perimeter of a hole that is closed, relative to the longest border of the mesh."""


def close_holes(vertices: NDArray[np.floating], triangles: NDArray[np.int32]) -> NDArray[np.int32]:
    """Triangulate all holes except the outer border.

    A hole is triangulated from its left end to its right end, between its upper and its lower edge,
    which suits eyes and mouths, open or nearly closed. No vertex is added.

    Args:
        vertices: Shape (vertices, 3), x to the right.
        triangles: int32 of shape (triangles, 3), counter-clockwise as seen from outside.

    Returns:
        int32 of shape (more triangles, 3): the given triangles, followed by new ones.
    """
    packed = np.ascontiguousarray(triangles, np.int32).tobytes()
    loops = [(loop, _perimeter(vertices[loop])) for loop in _known_loops(packed)]
    longest = max((length for _, length in loops), default=0.0)
    limit = _MAX_PERIMETER * longest
    added = [_triangulate(vertices, loop) for loop, length in loops if length < limit]
    return np.concatenate([triangles, *added]).astype(np.int32)


def border_loops(triangles: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    """The borders of a mesh as closed loops, with the missing surface to their left.

    Args:
        triangles: int32 of shape (triangles, 3).

    Returns:
        The vertex indices of each loop, int32.
    """
    edges = triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64)
    count = int(edges.max(initial=0)) + 1
    unpaired = ~np.isin(edges @ [count, 1], edges @ [1, count])
    following: dict[int, list[int]] = {}
    for start, end in edges[unpaired].tolist():
        following.setdefault(end, []).append(start)
    loops = []
    while following:
        loop = [next(iter(following))]
        while loop[-1] in following:
            candidates = following[loop[-1]]
            loop.append(candidates.pop())
            if not candidates:
                del following[loop[-2]]
        # The last vertex is the first again.
        loops.append(np.array(loop[:-1], np.int32))
    return loops


@lru_cache(maxsize=4)
def _known_loops(packed: bytes) -> list[NDArray[np.int32]]:
    """`border_loops` of int32 triangles: all faces of a face model share them."""
    return border_loops(np.frombuffer(packed, np.int32).reshape(-1, 3))


def _perimeter(points: NDArray[np.floating]) -> float:
    return float(np.linalg.norm(points - np.roll(points, 1, axis=0), axis=1).sum())


def _triangulate(vertices: NDArray[np.floating], loop: NDArray[np.int32]) -> NDArray[np.int32]:
    """Triangles that close a hole, from its left end to its right end."""
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
    filling: NDArray[np.int32] = loop[np.array(triangles, int).reshape(-1, 3)]
    return filling
