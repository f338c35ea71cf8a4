import pytest
import torch
from torch.nn import functional as F
from torchvision.models import get_model_weights
from torchvision.models import segmentation as torchvision_segmentation

from tests.conftest import publish
from visus.tasks.segmentation.networks import LOSSES, create_segmenter, segmentation_losses
from visus.tasks.segmentation.networks.heads import UNetHead
from visus.tasks.segmentation.networks.losses import balanced_class_weights
from visus.vision.class_names import VOC_CLASS_NAMES
from visus.vision.errors import VisusError
from visus.vision.masks import IGNORE

NAME = "deeplabv3_mobilenet_v3_large"


@pytest.mark.parametrize(
    ("architecture", "stride"), [("fcn", 8), ("unet", 1), ("deeplabv3plus", 4)]
)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_logits_cover_the_image_at_the_heads_stride(architecture, stride, channels):
    network, (mean, std) = create_segmenter(
        architecture, 4, "test_resnet", channels, image_size=(64, 96), channels=16
    )
    assert len(mean) == len(std) == channels
    logits = network.eval()(torch.zeros(2, channels, 64, 96))
    assert logits.shape == (2, 4, 64 // stride, 96 // stride)


@pytest.mark.parametrize("backbone", ["resnet9", "convnext_atto"])
def test_a_unet_takes_any_backbone(backbone):
    network, _ = create_segmenter("unet", 3, backbone, image_size=(64, 64), channels=32)
    assert network.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 3, 64, 64)
    # Also for sizes that are no multiple of the strides.
    assert network(torch.zeros(1, 3, 70, 58)).shape == (1, 3, 70, 58)


def test_large_values_of_finer_maps_do_not_dominate_a_unet():
    head = UNetHead([4, 4, 4], num_classes=2, width=16)
    sizes = (64, 32, 16, 8)
    images, fine, middle, coarse = (torch.randn(2, 4, side, side) for side in sizes)
    logits = head([images, fine, middle, coarse])
    stronger = head([images, fine * 100, middle * 100, coarse])
    torch.testing.assert_close(stronger, logits, atol=1e-3, rtol=0)


def test_a_dilated_backbone_has_the_same_weights_and_a_finer_stride():
    plain, _ = create_segmenter("fcn", 2, "test_resnet")
    dilated, _ = create_segmenter("deeplabv3plus", 2, "test_resnet", image_size=(64, 64))
    assert plain.body.strides[-1] == 32 and dilated.body.strides[-1] == 16
    shapes = [{k: v.shape for k, v in n.body.state_dict().items()} for n in (plain, dilated)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("architecture", "backbone", "size", "words"),
    [
        ("fnc", "test_resnet", (64, 64), "model.architecture 'fnc' is unknown"),
        ("deeplabv3plus", "test_resnet", (360, 480), r"use \[368, 480\]"),
        ("deeplabv3plus", "resnet9", (64, 64), "'resnet9' cannot be dilated"),
        ("deeplabv3plus", "test_vit", (160, 160), "'test_vit' cannot be dilated"),
        ("deeplabv3plus", "vgg11", (64, 64), "'vgg11' cannot be dilated"),
        ("fcn", "lenet5", (32, 32), "has no feature map of stride"),
    ],
)
def test_wrong_combinations_are_refused(architecture, backbone, size, words):
    with pytest.raises(VisusError, match=words):
        create_segmenter(architecture, 2, backbone, image_size=size)


def example():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 6, 5, requires_grad=True)
    truth = torch.randint(0, 3, (2, 6, 5), dtype=torch.uint8)
    truth[0, :2] = IGNORE
    return logits, truth


@pytest.mark.parametrize("weights", [None, torch.tensor([1.0, 2.0, 4.0])])
def test_cross_entropy_is_the_weighted_mean_of_labelled_pixels(weights):
    logits, truth = example()
    (loss,) = segmentation_losses(logits, truth, {"cross_entropy": 0.5}, weights).values()
    expected = F.cross_entropy(logits, truth.long(), weights, ignore_index=IGNORE)
    torch.testing.assert_close(loss, 0.5 * expected)


def test_focal_loss_of_a_pixel_computed_by_hand():
    logits = torch.log(torch.tensor([0.8, 0.2])).view(1, 2, 1, 1)
    (loss,) = segmentation_losses(
        logits, torch.zeros(1, 1, 1, dtype=torch.uint8), {"focal": 1.0}, None
    ).values()
    assert float(loss) == pytest.approx(-(0.2**2) * float(torch.log(torch.tensor(0.8))), rel=1e-5)


def test_dice_falls_from_one_to_zero_as_masks_agree():
    truth = torch.zeros(1, 20, 20, dtype=torch.uint8)
    truth[:, :, 10:] = 1
    right = F.one_hot(truth.long(), 3).movedim(-1, 1).float() * 40
    wrong = right.roll(1, dims=1)
    good, bad = (
        float(segmentation_losses(each, truth, {"dice": 1.0}, None)["dice"])
        for each in (right, wrong)
    )
    assert good < 0.01 and bad > 0.97


@pytest.mark.parametrize("name", list(LOSSES))
def test_unlabelled_pixels_have_no_gradient(name):
    logits, truth = example()
    loss = segmentation_losses(logits, truth, {name: 1.0}, None)[name]
    loss.backward()
    assert float(loss.detach()) > 0
    assert (logits.grad[0, :, :2] == 0).all() and (logits.grad[1] != 0).any()
    nothing = torch.full_like(truth, IGNORE)
    logits.grad = None
    loss = segmentation_losses(logits, nothing, {name: 1.0}, None)[name]
    loss.backward()
    assert float(loss.detach()) == 0 and (logits.grad == 0).all()


def test_rare_classes_have_larger_weights_with_a_mean_of_one():
    weights = balanced_class_weights([900, 90, 10, 0])
    assert (weights.diff() > 0).all() and weights[3] / weights[0] < 60
    shares = torch.tensor([0.9, 0.09, 0.01, 0])
    assert float((weights * shares).sum()) == pytest.approx(1)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """The weights file of the mobile segmenter, with random values."""
    torch.manual_seed(0)
    build = getattr(torchvision_segmentation, NAME)
    network = build(weights=None, weights_backbone=None, num_classes=21, aux_loss=True)
    state = network.state_dict()
    return network.eval(), *publish(monkeypatch, tmp_path, "voc-deeplabv3-mobilenet", state)


def test_a_segmenter_is_downloaded_checked_and_used(published, visus, photos):
    from visus.apps.inference.loading import load_model
    from visus.vision.images import read_image

    network, entry, _ = published
    assert entry.find() is None
    model = load_model("voc")
    assert entry.find() is not None
    assert "person" in model.metadata.class_names
    batch, _ = model.preprocess(read_image(next(photos.rglob("*.png"))))
    (logits,) = model.run(batch)
    # As torchvision computes it, with its constants and its upsampling.
    normalised = torch.from_numpy(batch).float() / 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        expected = network((normalised - mean.view(3, 1, 1)) / std.view(3, 1, 1))["out"]
    upsampled = F.interpolate(torch.from_numpy(logits), expected.shape[-2:], mode="bilinear")
    torch.testing.assert_close(upsampled, expected, atol=1e-4, rtol=1e-4)
    code, out, err = visus("predict", "voc", photos / "circle" / "1.png")
    assert code == 0 and "%" in out, err


def test_a_failed_download_names_the_remedy(published, visus, photos):
    published[2].unlink()
    code, _, err = visus("predict", "voc-deeplabv3-mobilenet", photos)
    assert code == 2 and len(err.strip().splitlines()) == 1
    assert "could not be downloaded" in err and "--from FILE" in err


def test_fine_tuning_changes_the_last_layer_only(published):
    network, _, path = published
    changed, _ = create_segmenter(NAME, 3, pretrained=str(path))
    rest = changed.head.state_dict()
    for key, value in network.classifier.state_dict().items():
        if not key.startswith("4."):
            assert torch.equal(rest[key], value), key
    assert rest["4.weight"].shape[0] == 3
    with pytest.raises(VisusError, match="takes RGB images only"):
        create_segmenter(NAME, 3, in_channels=1)


def test_fcn_uses_finer_maps_on_request():
    for finest, side in ((2, 32), (4, 16), (8, 8)):
        network, _ = create_segmenter("fcn", 3, "tf_efficientnet_lite0", finest_stride=finest)
        assert network.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 3, side, side)
    with pytest.raises(VisusError, match=r"model.finest_stride 3 must be 2, 4, 8, 16 or 32"):
        create_segmenter("fcn", 3, finest_stride=3)


def test_names_of_the_pretrained_classes_are_torchvisions():
    weights = get_model_weights("fcn_resnet50").COCO_WITH_VOC_LABELS_V1
    assert VOC_CLASS_NAMES == ("background", *weights.meta["categories"][1:])
