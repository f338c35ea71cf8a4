import pytest
import torch

from visus.models.backbones import create_backbone
from visus.models.backbones.classifier import create_classifier
from visus.vision.errors import VisusError

FAMILIES = {
    "vgg16": 64,
    "vgg19": 64,
    "resnet18": 64,
    "inception_v3": 96,
    "densenet121": 64,
    "mobilenetv3_small_050": 64,
    "convnext_atto": 64,
    "efficientnet_b0": 64,
    "tf_efficientnet_lite0": 64,
    "tinynet_a": 64,
    "vit_tiny_patch16_224": 64,
    "swin_tiny_patch4_window7_224": 64,
    "googlenet": 64,
}


@pytest.mark.parametrize(("name", "side"), FAMILIES.items())
def test_families_give_maps_of_increasing_stride(name, side):
    backbone = create_backbone(name, 3, image_size=(side, side)).eval()
    with torch.inference_mode():
        maps = backbone(torch.zeros(1, 3, side, side))
    assert tuple(m.shape[1] for m in maps) == backbone.channels
    assert list(backbone.strides) == sorted(set(backbone.strides))
    for map_, stride in zip(maps, backbone.strides, strict=True):
        # Inception pads nothing, so that its strides are nominal.
        assert map_.shape[2] == pytest.approx(side / stride, abs=5)


@pytest.mark.parametrize(
    ("name", "side", "strides"),
    [
        ("lenet5", 32, (2, 4)),
        ("convnet", 28, (2, 4)),
        ("alexnet", 224, (8, 16, 32)),
        ("resnet9", 32, (1, 2, 4, 8)),
        ("googlenet", 64, (2, 4, 8, 16, 32)),
    ],
)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_own_networks(name, side, strides, channels):
    network, backbone = create_classifier(name, 7, channels, image_size=(side, side))
    images = torch.zeros(2, channels, side, side)
    assert network.eval()(images).shape == (2, 7)
    assert backbone.strides == strides
    maps = backbone(images)
    assert tuple(m.shape[1] for m in maps) == backbone.channels
    for map_, stride in zip(maps, strides, strict=True):
        assert map_.shape[2] == pytest.approx(side / stride, abs=3)
    assert len(backbone.mean) == len(backbone.std) == channels


def test_googlenet_computes_as_torchvisions():
    from torchvision.models import GoogLeNet

    torch.manual_seed(0)
    network, _ = create_classifier("googlenet", 6)
    published = GoogLeNet(6, aux_logits=False, init_weights=False)
    # Both list the layers in the order of the computation.
    state = list(network.state_dict().values())
    expected = published.state_dict()
    assert [value.shape for value in state] == [value.shape for value in expected.values()]
    published.load_state_dict(dict(zip(expected, state, strict=True)))
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        torch.testing.assert_close(network.eval()(images), published.eval()(images))


@pytest.mark.parametrize("channels", [1, 4])
def test_timm_takes_other_channels(channels):
    network, backbone = create_classifier("resnet18", 3, channels, image_size=(32, 32))
    assert network.eval()(torch.zeros(1, channels, 32, 32)).shape == (1, 3)
    assert len(backbone.mean) == channels


def test_convnet_flattens_1568_features():
    network, _ = create_classifier("convnet", 10, 1, image_size=(28, 28))
    assert network.get_submodule("head")[-1].in_features == 1568


def test_an_image_too_small_is_named():
    with pytest.raises(VisusError, match="too small"):
        create_classifier("alexnet", 10, 3, image_size=(32, 32))


def test_carried_weights_reach_features_and_classifier():
    features = create_backbone("tf_efficientnet_lite0", 3, pretrained=True)
    network, _ = create_classifier("tf_efficientnet_lite0", 1000, 3, pretrained=True)
    stem = network.get_submodule("body").conv_stem.weight
    assert torch.equal(features.network.conv_stem.weight, stem)
    grey, _ = create_classifier("tf_efficientnet_lite0", 5, 1, pretrained=True)
    summed = grey.get_submodule("body").conv_stem.weight
    torch.testing.assert_close(summed, stem.sum(1, keepdim=True))


def test_weights_from_a_file(tmp_path):
    import timm

    path = tmp_path / "resnet.pth"
    state = timm.create_model("resnet18").state_dict()
    torch.save(state, path)
    network, _ = create_classifier("resnet18", 4, 3, pretrained=str(path))
    loaded = network.get_submodule("body").conv1.weight
    assert torch.equal(loaded, state["conv1.weight"])
    with pytest.raises(VisusError, match=r"absent\.pth"):
        create_classifier("resnet18", 4, 3, pretrained=str(tmp_path / "absent.pth"))


class _Bomb:
    def __reduce__(self):
        import pathlib

        return pathlib.Path.touch, (pathlib.Path("exploded"),)


def test_a_weights_file_with_code_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": _Bomb()}, "bad.pth")
    with pytest.raises(VisusError, match=r"bad\.pth: refused, it carries code"):
        create_classifier("resnet18", 4, 3, pretrained="bad.pth")
    assert not (tmp_path / "exploded").exists()
