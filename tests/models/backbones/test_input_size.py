import copy

import pytest
import torch

from visus.models.backbones import create_backbone
from visus.models.backbones.classifier import create_classifier
from visus.vision.errors import VisusError

RESIZABLE = ["vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "test_vit3"]
WINDOWS = ["swin_tiny_patch4_window7_224", "swinv2_cr_tiny_224"]


@pytest.mark.parametrize("name", RESIZABLE + WINDOWS)
def test_fixed_size_networks_take_other_sizes_and_compute_the_same_at_their_own(name):
    torch.manual_seed(0)
    network, _ = create_classifier(name, 3, image_size=(64, 96))
    backbone = create_backbone(name, image_size=(64, 96)).eval()
    network.eval()
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        logits, maps = network(images), backbone(images)
        assert network(torch.randn(2, 3, 32, 64)).shape == (2, 3)
        smaller = backbone(torch.randn(1, 3, 32, 64))
        for map_, stride in zip(smaller, backbone.strides, strict=True):
            assert map_.shape[2:] == (32 // stride, 64 // stride)
        assert torch.equal(network(images), logits)
        assert all(torch.equal(a, b) for a, b in zip(backbone(images), maps, strict=True))


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_the_network_is_timms_own_at_its_size_and_equal_to_one_of_dynamic_size_at_others(name):
    import timm

    torch.manual_seed(0)
    network, _ = create_classifier(name, 3, image_size=(64, 64))
    body = network.get_submodule("body").eval()
    option = {"strict_img_size": False} if name.startswith("swin") else {"dynamic_img_size": True}
    strict = timm.create_model(name, num_classes=0, img_size=(64, 64)).eval()
    dynamic = timm.create_model(name, num_classes=0, img_size=(64, 64), **option).eval()
    strict.load_state_dict(body.state_dict())
    dynamic.load_state_dict(body.state_dict())
    with torch.inference_mode():
        for size in ((64, 64), (32, 96)):
            images = torch.randn(2, 3, *size)
            if size == (64, 64):
                assert torch.equal(body(images), strict(images))
            torch.testing.assert_close(body(images), dynamic(images))


def test_pixels_beyond_the_last_whole_patch_are_cut_off():
    network, _ = create_classifier("vit_tiny_patch16_224", 3, image_size=(64, 64))
    images = torch.randn(1, 3, 50, 40)
    with torch.inference_mode():
        assert torch.equal(network.eval()(images), network(images[:, :, :48, :32]))


def test_gradients_reach_all_weights_at_a_smaller_size():
    network, _ = create_classifier("vit_tiny_patch16_224", 3, image_size=(64, 64))
    network(torch.randn(2, 3, 32, 32)).sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None]
    assert not without


def test_a_copy_is_independent():
    network, _ = create_classifier("vit_tiny_patch16_224", 3, image_size=(32, 32))
    images = torch.randn(1, 3, 16, 16)
    with torch.inference_mode():
        copied = copy.deepcopy(network.eval())
        for value in network.parameters():
            value.zero_()
        assert network(images).abs().sum() == 0 and copied(images).abs().sum() > 0


def test_an_exported_network_has_no_interpolation():
    network, _ = create_classifier("vit_tiny_patch16_224", 3, image_size=(32, 32))
    network.eval()
    images = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        network(torch.randn(1, 3, 48, 16))
    program = torch.export.export(network, (images,))
    operations = {str(node.target) for node in program.graph.nodes}
    assert not {name for name in operations if "upsample" in name or "interpolate" in name}
    torch.testing.assert_close(program.module()(images), network(images))


def test_a_network_that_needs_its_size_refuses_another_in_one_line():
    network, _ = create_classifier("pit_ti_224", 3, image_size=(96, 96))
    assert network(torch.randn(2, 3, 96, 96)).shape == (2, 3)
    with pytest.raises(VisusError, match=r"'pit_ti_224' was built for images of 96 x 96 and"):
        network(torch.randn(2, 3, 64, 64))
    backbone = create_backbone("test_vit_relpos")
    with pytest.raises(VisusError, match=r"160 x 160 and cannot take 64 x 80; train at the full"):
        backbone(torch.randn(2, 3, 64, 80))


def test_a_network_of_fixed_size_that_takes_any_is_left_alone():
    network, _ = create_classifier("xcit_nano_12_p16_224", 3, image_size=(64, 64))
    assert network(torch.randn(2, 3, 32, 48)).shape == (2, 3)


@pytest.mark.parametrize(("name", "smaller"), [("lenet5", 24), ("convnet", 20), ("alexnet", 96)])
def test_networks_that_flatten_take_smaller_training_images(name, smaller):
    network, _ = create_classifier(name, 3, image_size=(128, 128))
    assert network(torch.randn(2, 3, smaller, smaller)).shape == (2, 3)
