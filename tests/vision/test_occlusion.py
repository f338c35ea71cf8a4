"""Occlusion maps find the part of an image that a score depends on."""

import numpy as np

from visus.vision.occlusion import occlusion_maps


def test_the_map_is_highest_where_the_score_comes_from():
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3)).astype(np.uint8)
    image[10:20, 60:70] = 255
    calls = []

    def scores(images):
        calls.append(len(images))
        return np.array([[each[10:20, 60:70].mean(), each[:5, :5].std()] for each in images])

    bright, corner = occlusion_maps(image, scores, batch_size=8)
    row, column = np.unravel_index(bright.argmax(), bright.shape)
    assert 5 <= row <= 25 and 55 <= column <= 75
    assert bright.max() == 1 and bright.min() >= 0 and bright[40:, :40].max() < 0.05
    assert np.unravel_index(corner.argmax(), corner.shape)[0] < 12
    assert max(calls) == 8


def test_a_constant_score_has_an_empty_map():
    image = np.zeros((30, 20, 1), np.uint8)
    (heat,) = occlusion_maps(image, lambda images: np.ones((len(images), 1)))
    assert heat.shape == (30, 20) and not heat.any()
