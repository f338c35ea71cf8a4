import pytest
import torch

from models.backbones import FeaturePyramid, create_backbone
from vision.errors import VisusError


def test_maps_by_stride_with_equal_channels():
    backbone = create_backbone("test_resnet", image_size=(64, 96))
    pyramid = FeaturePyramid(backbone, (8, 16, 32), 24)
    maps = pyramid(torch.randn(2, 3, 64, 96))
    assert {key: tuple(value.shape) for key, value in maps.items()} == {
        "8": (2, 24, 8, 12),
        "16": (2, 24, 4, 6),
        "32": (2, 24, 2, 3),
    }


def test_a_missing_stride_is_named_with_those_there_are():
    with pytest.raises(VisusError, match=r"'lenet5' has no feature map of stride 8 or 16"):
        FeaturePyramid(create_backbone("lenet5", 3, False, (32, 32)), (4, 8, 16), 24)
