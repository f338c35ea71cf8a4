"""Invariance and equivariance are measured as they are defined."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.models.inspection.subjects import backbone_subject, subject_of
from visus.models.inspection.patches import patch_layer, strongest_patches
from visus.models.inspection.robustness import (
    cropped,
    measure_equivariance,
    measure_invariance,
    rotated,
    shifted,
)


def test_images_are_shifted_rotated_and_cropped():
    image = np.zeros((9, 9, 1), np.uint8)
    image[4, 2] = 200
    assert np.argwhere(shifted(image, 1)[..., 0]).tolist() == [[4, 3]]
    assert np.argwhere(rotated(image, 90)[..., 0] > 100).tolist() == [[6, 4]]
    assert np.array_equal(cropped(image, 1.0), image)
    assert cropped(image, 0.5)[4, 0, 0] == 200


def test_a_convolution_is_equivariant_and_strides_break_it():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1, stride=4))
    subject = subject_of(network)
    still, strided = measure_equivariance(subject, subject.convolutions)
    assert min(still.similarities) > 0.97 and still.jump == 1
    by_shift = dict(zip(strided.shifts, strided.similarities, strict=True))
    assert strided.jump == 4 and by_shift[4] > 0.97 and by_shift[8] > 0.97
    assert by_shift[2] < by_shift[4] - 0.02


def test_the_unchanged_image_has_its_own_score():
    subject = backbone_subject("lenet5", 1, (32, 32))
    with torch.no_grad():
        scores = subject.class_scores(subject.image)[0]
    best = int(scores.argmax())
    measured = {each.change: each for each in measure_invariance(subject, best)}
    for name, unchanged in (("shift", 0), ("rotation", 0), ("crop", 1), ("noise", 0)):
        place = measured[name].amounts.index(unchanged)
        assert measured[name].scores[place] == pytest.approx(float(scores[best]), abs=1e-5)
        assert 0 < measured[name].kept <= 1


def test_a_maximum_is_invariant_to_shifts_and_not_to_noise():
    network = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    with torch.no_grad():
        network[2].weight.copy_(torch.tensor([[-0.5, -0.5, -0.5], [0, 0, 0]]))
    changes = {each.change: each for each in measure_invariance(subject_of(network, classes=2), 0)}
    assert np.ptp(changes["shift"].scores) < np.ptp(changes["noise"].scores)


def test_the_strongest_patch_is_around_the_brightest_pixel():
    network = nn.Sequential(nn.Conv2d(1, 1, 5, stride=2, bias=False), nn.ReLU())
    nn.init.ones_(network[0].weight)
    subject = subject_of(network, channels=1)
    dark, bright = np.zeros((2, 1, 1, 64, 64), np.uint8)
    bright[0, 0, 40:45, 50:55] = 255
    layer = patch_layer(subject.convolutions, 64)
    (patches,) = strongest_patches(subject, layer, [("a", dark), ("b", bright)], 1).values()
    (patch,) = patches
    assert patch.source == "b" and patch.value == pytest.approx(25)
    assert patch.pixels.shape == (24, 24, 1) and (patch.pixels == 255).sum() == 25
