import pytest
import torch

from visus.models.backbones import create_backbone, list_backbones, register_backbone
from visus.models.backbones.classifier import create_classifier
from visus.models.backbones.summary import summarise
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
    "vit_tiny_patch16_224": 64,
    "swin_tiny_patch4_window7_224": 64,
}


@pytest.mark.parametrize(("name", "side"), FAMILIES.items())
def test_timm_families_give_maps_of_rising_stride(name, side):
    backbone = create_backbone(name, 3, image_size=(side, side)).eval()
    with torch.inference_mode():
        maps = backbone(torch.zeros(1, 3, side, side))
    assert tuple(m.shape[1] for m in maps) == backbone.channels
    assert list(backbone.strides) == sorted(set(backbone.strides))
    for found, stride in zip(maps, backbone.strides, strict=True):
        # Inception pads nothing, so that its strides are nominal.
        assert found.shape[2] == pytest.approx(side / stride, abs=5)


@pytest.mark.parametrize(
    ("name", "side", "strides"),
    [
        ("lenet5", 32, (2, 4)),
        ("convnet", 28, (2, 4)),
        ("alexnet", 224, (8, 16, 32)),
        ("resnet9", 32, (1, 2, 4, 8)),
    ],
)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_own_networks(name, side, strides, channels):
    network, backbone = create_classifier(name, 7, channels, image_size=(side, side))
    images = torch.zeros(2, channels, side, side)
    assert network.eval()(images).shape == (2, 7)
    assert backbone.strides == strides
    assert tuple(m.shape[1] for m in backbone(images)) == backbone.channels
    assert len(backbone.mean) == len(backbone.std) == channels


@pytest.mark.parametrize("channels", [1, 4])
def test_timm_takes_other_channels(channels):
    network, backbone = create_classifier("resnet18", 3, channels, image_size=(32, 32))
    assert network.eval()(torch.zeros(1, channels, 32, 32)).shape == (1, 3)
    assert len(backbone.mean) == channels


def test_convnet_flattens_1568_numbers():
    network, _ = create_classifier("convnet", 10, 1, image_size=(28, 28))
    assert network.get_submodule("head")[-1].in_features == 1568


def test_options_of_the_small_networks():
    he, _ = create_classifier("lenet5", 10, 1, activation="relu", init="he")
    kinds = {type(module).__name__ for module in he.modules()}
    assert "ReLU" in kinds and "Tanh" not in kinds
    with pytest.raises(VisusError, match="activation"):
        create_backbone("resnet18", activation="relu")


def test_a_taken_name_is_refused():
    with pytest.raises(ValueError, match="lenet5"):

        @register_backbone
        def lenet5(in_channels, image_size):
            raise AssertionError


def test_unknown_names_are_answered_with_near_ones():
    with pytest.raises(VisusError, match="resnet50"):
        create_backbone("resnet_50")
    assert list_backbones("*lite0") == ["efficientnet_lite0", "tf_efficientnet_lite0"]


def test_a_image_too_small_is_named():
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


def test_own_networks_have_no_pretrained_weights():
    with pytest.raises(VisusError, match="no pretrained"):
        create_backbone("lenet5", pretrained=True)


def test_weights_from_a_file(tmp_path):
    import timm

    path = tmp_path / "resnet.pth"
    state = timm.create_model("resnet18").state_dict()
    torch.save(state, path)
    network, _ = create_classifier("resnet18", 4, 3, pretrained=str(path))
    found = network.get_submodule("body").conv1.weight
    assert torch.equal(found, state["conv1.weight"])
    with pytest.raises(VisusError, match=r"absent\.pth"):
        create_classifier("resnet18", 4, 3, pretrained=str(tmp_path / "absent.pth"))


class _Bomb:
    def __reduce__(self):
        import pathlib

        return pathlib.Path.touch, (pathlib.Path("exploded"),)


def test_a_weights_file_with_code_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.weight": _Bomb()}, "bad.pth")
    with pytest.raises(VisusError, match="could not be loaded"):
        create_classifier("resnet18", 4, 3, pretrained="bad.pth")
    assert not (tmp_path / "exploded").exists()


def test_summary_of_lenet5_is_that_of_the_paper():
    network, _ = create_classifier("lenet5", 10, 1)
    layers = {layer.name: layer for layer in summarise(network, (1, 32, 32))}
    first, second = layers["body.0.0"], layers["body.1.0"]
    assert first.output == (6, 28, 28) and first.formula == "(32 + 2*0 - 5)/1 + 1 = 28"
    assert first.parameters == 156 and first.multiply_adds == 6 * 28 * 28 * 25
    assert second.receptive_field == 14 and layers["body.1.2"].receptive_field == 16
    assert layers["head.1"].receptive_field is None
    assert sum(layer.parameters for layer in layers.values()) == 61706


def test_receptive_field_follows_the_main_path_of_residual_blocks():
    network, _ = create_classifier("resnet18", 10, 3, image_size=(64, 64))
    layers = {layer.name: layer for layer in summarise(network, (3, 64, 64))}
    # Araujo et al. (2019) give 435 pixels for the last convolution of ResNet-18.
    assert layers["body.layer4.1.conv2"].receptive_field == 435


def test_formulas_are_true_where_padding_adapts():
    network, _ = create_classifier("tf_efficientnet_lite0", 10, 3, image_size=(224, 224))
    layers = summarise(network, (3, 224, 224))
    assert layers[0].formula == "padded to fit: ceil(224/2) = 112"
    for layer in layers:
        if layer.formula.startswith("("):
            left, right = layer.formula.split(" = ")
            assert int(eval(left)) == int(right)
