"""Exact search for the most similar of many embeddings: one matrix product."""

import numpy as np
from numpy.typing import NDArray

_SCALE = 32767
# Below this many the product in single precision is as fast, and needs no compiling.
_FEW = 20_000


class SimilarityIndex:
    """Embeddings of length one, kept as 16-bit fixed-point numbers.

    Their steps of 1/32767 are finer than half precision's for most numbers, and a product of two
    rows fits 32 bits, so that processors multiply and add them faster than floats.

    Args:
        embeddings: float of shape (N, numbers), of length one.
    """

    def __init__(self, embeddings: NDArray[np.floating]) -> None:
        self._rows = np.empty(embeddings.shape, np.int16)
        for first in range(0, len(embeddings), _FEW):
            part = np.rint(embeddings[first : first + _FEW] * _SCALE)
            self._rows[first : first + _FEW] = part

    def __len__(self) -> int:
        """How many embeddings."""
        return len(self._rows)

    def similarities(self, query: NDArray[np.floating]) -> NDArray[np.float32]:
        """The cosine to each embedding, shape (N,), right to 1e-4.

        Args:
            query: float of shape (numbers,), of length one.
        """
        return self._products(query).astype(np.float32) * np.float32(1 / _SCALE**2)

    def nearest(self, query: NDArray[np.floating]) -> tuple[int, float]:
        """Index and cosine of the most similar embedding.

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
            found: NDArray[np.float32] = self._rows.astype(np.float32) @ fixed.astype(np.float32)
            return found
        from visus.tasks.face_recognition.fixed_point import dot_products

        return dot_products(self._rows, fixed)
