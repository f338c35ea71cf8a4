import numpy as np
import pytest

from visus.tasks.face_recognition.similarity_search import SimilarityIndex


def unit(count, numbers, seed):
    values = np.random.default_rng(seed).normal(size=(count, numbers))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.mark.parametrize(("count", "numbers"), [(1, 2), (500, 128), (25_000, 128), (21_000, 33)])
def test_it_finds_what_a_product_in_double_precision_finds(count, numbers):
    embeddings = unit(count, numbers, 0)
    index = SimilarityIndex(embeddings.astype(np.float32))
    for query in [embeddings[count // 2], *unit(3, numbers, 1)]:
        expected = embeddings @ query
        np.testing.assert_allclose(index.similarities(query), expected, atol=1e-4)
        best, similarity = index.nearest(query)
        assert expected[best] > expected.max() - 1e-4
        assert similarity == pytest.approx(expected.max(), abs=1e-4)


def test_extreme_vectors_do_not_overflow():
    embeddings = np.zeros((20_001, 64), np.float32)
    embeddings[:, 0] = 1
    embeddings[7] = -embeddings[7]
    found = SimilarityIndex(embeddings).similarities(embeddings[0])
    assert found[7] == -1 and found[8] == 1


def test_nothing_has_no_nearest():
    with pytest.raises(ValueError, match="no embeddings"):
        SimilarityIndex(np.zeros((0, 4), np.float32)).nearest(np.ones(4, np.float32) / 2)
