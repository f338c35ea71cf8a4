"""Activations, norms, pooling, saliency: the values are those of the network."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.models.inspection.subjects import backbone_subject, subject_of
from visus.models.inspection.activations import count_dead, curve
from visus.models.inspection.normalisation import normalised_channels
from visus.models.inspection.pooling import pooling_crop
from visus.models.inspection.recording import record
from visus.models.inspection.saliency import score_saliency


def test_dead_channels_are_counted():
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True), nn.Conv2d(6, 4, 3))
    with torch.no_grad():
        network[0].bias[:2] = -100
        network[0].bias[2:] = 100
    (counted,) = count_dead(subject_of(network))
    assert (counted.layer, counted.dead, counted.channels) == ("1", 2, 6)


def test_layers_in_place_do_not_change_what_was_recorded():
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(inplace=True))
    recorded = record(subject := subject_of(network), ["0", "1"], subject.image)
    assert recorded["0"].output.min() < 0 and recorded["1"].input.min() < 0
    assert recorded["1"].output.min() == 0


def test_derivatives_of_activations():
    points = np.linspace(-3, 3, 31)
    values, slopes = curve(nn.Tanh(), points)
    assert values == pytest.approx(np.tanh(points), abs=1e-6)
    assert slopes == pytest.approx(1 - np.tanh(points) ** 2, abs=1e-6)
    assert set(curve(nn.ReLU6(inplace=True), points)[1]) == {0, 1}


@pytest.mark.parametrize(
    ("backbone", "channels", "norm"),
    [("convnet", 1, "body.0.1"), ("tf_efficientnet_lite0", 3, "body.bn1")],
)
def test_norms_are_computed_as_in_the_network(backbone, channels, norm):
    subject = backbone_subject(backbone, channels)
    values = record(subject, [norm], subject.image)[norm]
    module = subject.network.get_submodule(norm)
    for each in normalised_channels(module, values):
        made = (each.before - each.mean) / np.sqrt(each.var + module.eps) * each.gamma + each.beta
        assert each.after == pytest.approx(made, abs=1e-4)
        # timm's norms contain the activation.
        expected = values.output[0, each.channel].flatten().numpy()
        clipped = made if channels == 1 else np.clip(made, 0, 6)
        assert clipped == pytest.approx(expected, abs=1e-4)


def test_pooling_is_that_of_the_network_where_it_has_one():
    crop = pooling_crop(backbone_subject("alexnet", 3, (96, 96)))
    assert (crop.layer, crop.kind, crop.kernel, crop.stride) == ("body.0.3", "MaxPool2d", 3, 2)
    crop = pooling_crop(backbone_subject("tf_efficientnet_lite0"))
    assert crop.layer is None and crop.values.shape == (12, 12) and np.ptp(crop.values) > 0


def test_saliency_is_that_of_the_score():
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    heat = score_saliency(subject_of(network, classes=2), 0)
    # Every pixel has the same weight in a mean.
    assert heat.shape == (64, 64) and heat.min() == heat.max() == 1
