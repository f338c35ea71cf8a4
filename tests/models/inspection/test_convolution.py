"""The written-out arithmetic of a convolution is what the network computes."""

import numpy as np
import pytest
from timm.layers import StdConv2d
from torch import nn

from tests.models.inspection.subjects import backbone_subject, subject_of
from visus.models.inspection.convolution import step_through
from visus.models.inspection.recording import record


def step_of(subject, name):
    module = subject.network.get_submodule(name)
    return step_through(module, record(subject, [name], subject.image)[name])


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        (lambda: backbone_subject("lenet5", 1, (32, 32)), "body.0.0"),
        (lambda: backbone_subject("convnet", 1, (28, 28)), "body.1.0"),
        (lambda: backbone_subject("alexnet", 3, (96, 96)), "body.1.0"),
        (lambda: backbone_subject("tf_efficientnet_lite0"), "body.conv_stem"),
        (lambda: backbone_subject("tf_efficientnet_lite0"), "body.blocks.1.0.conv_dw"),
        (lambda: backbone_subject("tf_efficientnet_lite0"), "body.blocks.2.0.conv_pw"),
        (lambda: subject_of(nn.Conv2d(3, 4, (3, 5), (2, 1), (2, 4), dilation=2)), ""),
        (lambda: subject_of(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")), ""),
        (lambda: subject_of(nn.Conv2d(3, 4, 4, padding="same")), ""),
    ],
)
def test_products_and_bias_sum_to_the_networks_output(subject, name):
    subject = subject()
    step = step_of(subject, name)
    whole = record(subject, [name], subject.image)[name].output[0].numpy()
    rows, columns = step.outputs.shape[1:]
    assert rows * columns > 1 and len(step.channels) == min(8, whole.shape[0])
    scale = float(np.abs(whole).max())
    for i, channel in enumerate(step.channels):
        for row in range(rows):
            for column in range(columns):
                total = step.arithmetic(i, row, column).sum() + step.bias[i]
                computed = whole[channel, step.top + row, step.left + column]
                assert total == pytest.approx(computed, abs=1e-4 * scale)


def test_a_convolution_that_transforms_its_weights_is_left_out():
    subject = subject_of(StdConv2d(3, 4, 3))
    assert step_of(subject, "") is None
