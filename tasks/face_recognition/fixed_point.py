"""Dot products of 16-bit fixed-point vectors, compiled on first use."""

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray


@njit(parallel=True, fastmath=True, nogil=True)
def _dot_products(rows: Any, query: Any, out: Any) -> None:
    for i in prange(rows.shape[0]):
        total = np.int32(0)
        for j in range(rows.shape[1]):
            total += np.int32(rows[i, j]) * np.int32(query[j])
        out[i] = total


def dot_products(rows: NDArray[np.int16], query: NDArray[np.int16]) -> NDArray[np.int32]:
    """The dot product of each row with the query, shape (N,).

    Args:
        rows: Shape (N, embedding), each of a length of at most 32767, so that no sum overflows.
        query: Shape (embedding,), of a length of at most 32767.
    """
    out = np.empty(len(rows), np.int32)
    _dot_products(rows, query, out)
    return out
