import numpy as np
import pytest

from visus.tasks.face_recognition.similarity_search import SimilarityIndex


def unit(count, size, seed):
    values = np.random.default_rng(seed).normal(size=(count, size))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.mark.parametrize(("count", "size"), [(1, 2), (500, 128), (25_000, 128), (21_000, 33)])
def test_the_search_agrees_with_double_precision(count, size):
    embeddings = unit(count, size, 0)
    index = SimilarityIndex(embeddings.astype(np.float32))
    for query in [embeddings[count // 2], *unit(3, size, 1)]:
        expected = embeddings @ query
        np.testing.assert_allclose(index.similarities(query), expected, atol=1e-4)
        best, similarity = index.nearest(query)
        assert expected[best] > expected.max() - 1e-4
        assert similarity == pytest.approx(expected.max(), abs=1e-4)


def test_extreme_vectors_do_not_overflow():
    embeddings = np.zeros((20_001, 64), np.float32)
    embeddings[:, 0] = 1
    embeddings[7] = -embeddings[7]
    similarities = SimilarityIndex(embeddings).similarities(embeddings[0])
    assert similarities[7] == -1 and similarities[8] == 1


def test_an_empty_index_has_no_nearest_embedding():
    with pytest.raises(ValueError, match="no embeddings"):
        SimilarityIndex(np.zeros((0, 4), np.float32)).nearest(np.ones(4, np.float32) / 2)
