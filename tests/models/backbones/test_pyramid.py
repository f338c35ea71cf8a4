import pytest
import torch

from visus.models.backbones import FeaturePyramid, create_backbone
from visus.vision.errors import VisusError


def test_maps_by_stride_have_equal_channels():
    backbone = create_backbone("test_resnet", image_size=(64, 96))
    pyramid = FeaturePyramid(backbone, (8, 16, 32), 24)
    maps = pyramid(torch.randn(2, 3, 64, 96))
    assert {key: tuple(value.shape) for key, value in maps.items()} == {
        "8": (2, 24, 8, 12),
        "16": (2, 24, 4, 6),
        "32": (2, 24, 2, 3),
    }


def test_a_missing_stride_is_named_with_the_available_ones():
    with pytest.raises(VisusError, match=r"'lenet5' has no feature map of stride 8 or 16"):
        FeaturePyramid(create_backbone("lenet5", 3, False, (32, 32)), (4, 8, 16), 24)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "mobilenetv3_small_100", "resnet18"])
def test_a_cut_backbone_gives_the_same_maps_without_later_layers(name):
    torch.manual_seed(0)
    whole = create_backbone(name).eval()
    cut = create_backbone(name, coarsest_stride=8).eval()
    weights = whole.state_dict()
    weights |= {
        key.replace("network.", "network.model.", 1): weights[key] for key in whole.state_dict()
    }
    cut.load_state_dict({key: weights[key] for key in cut.state_dict()})
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        maps, expected = cut(images), whole(images)
    assert cut.strides == (2, 4, 8)
    for map_, stride in zip(maps, cut.strides, strict=True):
        torch.testing.assert_close(map_, expected[whole.strides.index(stride)])
    assert sum(p.numel() for p in cut.parameters()) < sum(p.numel() for p in whole.parameters()) / 2
