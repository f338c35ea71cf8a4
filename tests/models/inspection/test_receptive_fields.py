"""Theoretical receptive fields contain every pixel that changes a value, and no more."""

import numpy as np
import pytest
from torch import nn

from tests.models.inspection.subjects import backbone_subject, subject_of
from visus.models.inspection.receptive_fields import effective_fields


def test_fields_of_lenet5_are_those_of_the_paper():
    layers = {each.name: each for each in backbone_subject("lenet5", 1, (32, 32)).layers}
    fields = [layers[name].field for name in ("body.0.0", "body.0.2", "body.1.0", "body.1.2")]
    assert [field.size for field in fields] == [(5, 5), (6, 6), (14, 14), (16, 16)]
    assert [field.jump for field in fields] == [(1, 1), (2, 2), (2, 2), (4, 4)]
    assert all(field.start == (0, 0) for field in fields)


@pytest.mark.parametrize("name", ["convnet", "resnet18", "tf_efficientnet_lite0"])
def test_gradients_are_zero_outside_of_the_field(name):
    subject = backbone_subject(name, 1 if name == "convnet" else 3)
    layers = subject.convolutions[:6]
    for fields in effective_fields(subject, layers, 3).values():
        assert [each.share for each in fields] == [pytest.approx(1)] * 9
        assert all(each.magnitude.max() == 1 for each in fields)


def test_the_field_reaches_exactly_as_far_as_the_gradient():
    # Without activations no gradient vanishes.
    network = nn.Sequential(nn.Conv2d(3, 4, (3, 5), 2, (1, 2)), nn.Conv2d(4, 4, 3, dilation=2))
    subject = subject_of(network)
    layer = subject.layers[-1]
    (effective,) = effective_fields(subject, [layer], 1)["1"]
    rows, columns = np.nonzero(effective.magnitude)
    top, left = (
        layer.field.start[axis] + place * layer.field.jump[axis]
        for axis, place in enumerate((effective.row, effective.column))
    )
    assert (rows.min(), columns.min()) == (top, left)
    assert rows.max() == top + layer.field.size[0] - 1
    assert columns.max() == left + layer.field.size[1] - 1
