import doctest
import time

import pytest
from huggingface_hub import constants

from visus.models.backbone_table import read_table
from visus.models.backbones import (
    StagedBackbone,
    accepted_options,
    create_backbone,
    is_own_backbone,
    list_backbones,
    register_backbone,
    registry,
)
from visus.models.backbones.classifier import create_classifier
from visus.models.backbones.measure import measure_backbone
from visus.vision.errors import VisusError


@pytest.fixture
def own_registry(monkeypatch):
    """Backbones registered by a test are forgotten after it."""
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))


def test_the_documented_example_works(own_registry):
    finder = doctest.DocTestFinder(recurse=False)
    (example,) = finder.find(register_backbone, globs={})
    outcome = doctest.DocTestRunner().run(example, clear_globs=False)
    assert outcome.attempted > 3 and outcome.failed == 0
    assert list_backbones("examplenet*") == ["examplenet"]
    assert accepted_options("examplenet") == {"width"}
    network, backbone = create_classifier("examplenet", 5, 3, image_size=(16, 24), width=4)
    assert isinstance(backbone, StagedBackbone)
    assert network[-1][-1].out_features == 5


def test_the_table_of_backbones_is_what_the_registry_builds():
    rows = {row.name: row for row in read_table()}
    assert {name for name in list_backbones() if is_own_backbone(name)} <= set(rows)
    # A newer timm may have further ones.
    assert len(rows) > 1000 and len(set(rows) & set(list_backbones())) > 1000
    for name in ("resnet9", "lenet5", "tf_efficientnet_lite0", "resnet18", "vit_tiny_patch16_224",
                 "swin_tiny_patch4_window7_224", "mobilenetv3_small_050"):  # fmt: skip
        assert measure_backbone(name) == rows[name]
    assert measure_backbone("eva_giant_patch14_clip_224.unknown") is None
    assert [row.name for row in read_table("*lite0")] == list_backbones("*lite0")


def test_pretrained_weights_without_a_hub_are_refused_in_seconds(monkeypatch):
    tried = []

    def unreachable(address, timeout):
        tried.append(address)
        raise OSError("there is no network here")

    monkeypatch.setattr("socket.create_connection", unreachable)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    started = time.process_time(), time.monotonic()
    with pytest.raises(VisusError, match="pretrained weights of 'resnet10t' could not be loaded"):
        create_backbone("resnet10t", pretrained=True)
    assert len(tried) == 1 and tried[0][1] > 0
    # Unlike the hub's own client, which sleeps half a minute between its attempts.
    waited = time.monotonic() - started[1] - (time.process_time() - started[0])
    assert waited < 15
    assert constants.HF_HUB_OFFLINE is False
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(VisusError, match="resnet10t"):
        create_backbone("resnet10t", pretrained=True)
    assert len(tried) == 1


def test_a_taken_name_is_refused():
    with pytest.raises(ValueError, match="lenet5"):

        @register_backbone
        def lenet5(in_channels, image_size):
            raise AssertionError


def test_unknown_names_are_answered_with_similar_ones():
    with pytest.raises(VisusError, match="resnet50"):
        create_backbone("resnet_50")
    assert list_backbones("*lite0") == ["efficientnet_lite0", "tf_efficientnet_lite0"]


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        ("lenet5", "activaton", r"'lenet5' takes no option 'activaton'; it takes activation, init"),
        (
            "resnet9",
            "colour",
            r"'resnet9' takes no option 'colour'; it takes .*kernel_size, width$",
        ),
        ("resnet18", "activation", r"'resnet18' takes no option 'activation'; it takes none"),
        ("lenet5", "image_size", None),
    ],
)
def test_an_unknown_option_is_one_line_with_the_accepted_ones(name, option, message):
    if message is None:
        assert option not in accepted_options(name)
        return
    with pytest.raises(VisusError, match=message) as caught:
        create_backbone(name, **{option: "relu"})
    assert "\n" not in str(caught.value)


def test_options_of_the_small_networks():
    network, _ = create_classifier("lenet5", 10, 1, activation="relu", init="he")
    kinds = {type(module).__name__ for module in network.modules()}
    assert "ReLU" in kinds and "Tanh" not in kinds
    for option in ("activation", "init"):
        with pytest.raises(VisusError, match=f"{option} 'x' is unknown; choose from"):
            create_backbone("lenet5", **{option: "x"})


@pytest.mark.parametrize("name", ["lenet5", "googlenet"])
@pytest.mark.parametrize("pretrained", [True, "weights.pth"])
def test_registered_networks_have_no_pretrained_weights(name, pretrained):
    with pytest.raises(VisusError, match=f"{name}.* no pretrained weights; set pretrained to fal"):
        create_backbone(name, pretrained=pretrained)
