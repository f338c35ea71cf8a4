"""Exact nearest-neighbour search among many embeddings by one matrix product."""

import numpy as np
from numpy.typing import NDArray

_SCALE = 32767
_FEW = 20_000
"""Below this number of embeddings single precision is as fast, and needs no compilation."""


class SimilarityIndex:
    """Embeddings of unit length, stored as 16-bit fixed-point values.

    Their steps of 1/32767 are finer than half precision's for most values, and a dot product fits
    32 bits, so that processors compute it faster than with floats.

    Args:
        embeddings: float of shape (N, embedding), of unit length.
    """

    def __init__(self, embeddings: NDArray[np.floating]) -> None:
        self._rows = np.empty(embeddings.shape, np.int16)
        for first in range(0, len(embeddings), _FEW):
            part = np.rint(embeddings[first : first + _FEW] * _SCALE)
            self._rows[first : first + _FEW] = part

    def __len__(self) -> int:
        """Number of embeddings."""
        return len(self._rows)

    def similarities(self, query: NDArray[np.floating]) -> NDArray[np.float32]:
        """The cosine similarity to each embedding, shape (N,), with an error below 1e-4.

        Args:
            query: float of shape (embedding,), of unit length.
        """
        return self._products(query).astype(np.float32) * np.float32(1 / _SCALE**2)

    def nearest(self, query: NDArray[np.floating]) -> tuple[int, float]:
        """Index and cosine similarity of the nearest embedding.

        Args:
            query: float of shape (embedding,), of unit length.

        Raises:
            ValueError: If there are no embeddings.
        """
        if not len(self):
            raise ValueError("there are no embeddings to search")
        products = self._products(query)
        best = int(products.argmax())
        return best, float(products[best]) / _SCALE**2

    def _products(self, query: NDArray[np.floating]) -> NDArray[np.int32] | NDArray[np.float32]:
        """The similarities times the square of the scale."""
        fixed = np.rint(query * _SCALE).astype(np.int16)
        if len(self) < _FEW:
            products: NDArray[np.float32] = self._rows.astype(np.float32) @ fixed.astype(np.float32)
            return products
        from visus.tasks.face_recognition.fixed_point import dot_products

        return dot_products(self._rows, fixed)
