"""The contributions of the features sum to the logit."""

import pytest
import torch

from tests.models.inspection.subjects import backbone_subject, subject_of
from visus.models.inspection.classifier import classifier_parts


@pytest.mark.parametrize(("name", "channels"), [("lenet5", 1), ("convnet", 1), ("resnet18", 3)])
def test_contributions_and_bias_sum_to_the_logits(name, channels):
    subject = backbone_subject(name, channels, (32, 32))
    parts = classifier_parts(subject)
    with torch.no_grad():
        logits = subject.forward(subject.image)[0][0]
    assert parts.best == tuple(logits.argsort(descending=True)[:5].tolist())
    sums = (parts.features * parts.weights).sum(1) + parts.bias
    assert sums == pytest.approx(logits[list(parts.best)].numpy(), abs=1e-5)
    assert parts.logits == pytest.approx(logits.numpy(), abs=1e-6)
    assert parts.softmax


def test_the_last_feature_map_is_the_flattened_one():
    assert classifier_parts(backbone_subject("lenet5", 1, (32, 32))).maps == (16, 5, 5)


def test_networks_without_a_linear_classifier_have_no_parts():
    assert classifier_parts(subject_of(torch.nn.Conv2d(3, 4, 3))) is None
