import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image

from tests.conftest import save_masked
from tests.tasks.overfit import overfit, show_training_set, trainer
from visus.apps.inference.loading import load_model
from visus.datamodules.segmentation.data import ImageSegmentationData
from visus.datamodules.segmentation.scenes import ScenesSegmentationData
from visus.tasks.checkpoints import load_task
from visus.tasks.data_info import info_from_data
from visus.tasks.segmentation.data_info import SegmentationInfo
from visus.tasks.segmentation.task import SegmentationTask
from visus.vision.errors import VisusError
from visus.vision.masks import IGNORE
from visus.vision.resize import resize_to_input
from visus.vision.scenes import make_scene

FORMAT_1 = Path(__file__).parents[2] / "fixtures" / "format1"


def segmenter(data, **arguments):
    given = {"backbone": "test_resnet", "channels": 32, "weight_decay": 0.01, **arguments}
    return SegmentationTask(data_info=info_from_data(SegmentationInfo, data), **given)


def info(**values):
    given = {"image_size": (64, 64), "in_channels": 3, "resize_mode": "letterbox", **values}
    return SegmentationInfo(class_names=("a", "b"), **given)


@pytest.mark.parametrize(
    ("architecture", "losses", "rate"),
    [
        ("fcn", {"cross_entropy": 1.0}, 1e-2),
        ("unet", {"cross_entropy": 1.0, "dice": 1.0}, 5e-3),
        ("deeplabv3plus", {"focal": 1.0, "dice": 1.0}, 1e-2),
    ],
)
def test_overfits_a_small_set(architecture, losses, rate):
    pl.seed_everything(0)
    data = ScenesSegmentationData(4, (64, 64), batch_size=4, num_workers=0)
    task = segmenter(
        data, architecture=architecture, losses=losses, learning_rate=rate, weight_decay=0.0
    )
    show_training_set(data)
    # The logits of FCN have a stride of 8, too coarse to follow every outline.
    goal = 0.6 if architecture == "fcn" else 0.85
    metrics = overfit(task, data, "miou", goal, 240)
    assert metrics["test/miou"] >= goal
    assert metrics["test/pixel_accuracy"] >= 0.93
    assert 0 <= metrics["test/boundary_f1"] <= 1


def test_a_loss_that_is_not_finite_stops_and_names_the_images():
    data = ScenesSegmentationData(4, (64, 64), batch_size=4, num_workers=0)
    task = segmenter(data)
    with torch.no_grad():
        next(task.network.body.parameters()).fill_(float("nan"))
    with pytest.raises(VisusError, match=r"the loss is nan in epoch 1, step 1, on \d, \d, \d, \d;"):
        trainer(max_epochs=1, limit_val_batches=0).fit(task, data)


def test_the_loss_of_a_batch_without_labelled_pixels_is_zero():
    data = ScenesSegmentationData(4, (64, 64), batch_size=2, num_workers=0)
    task = segmenter(data, losses={"cross_entropy": 1.0, "focal": 1.0, "dice": 1.0})
    batch = next(iter(data.train_dataloader()))
    batch["mask"].fill_(IGNORE)
    task.log = lambda *arguments, **more: None
    assert task.training_step(batch, 0).item() == 0


def test_predictions_are_in_the_pixels_of_the_original():
    data = ScenesSegmentationData(4, (64, 64), batch_size=2, num_workers=0)
    task = segmenter(data).eval()
    logits = torch.zeros(1, len(data.class_names), 16, 16)
    logits[:, 3, :, :8] = 1
    task.forward = lambda images: (logits,)
    _, geometry = resize_to_input(np.zeros((100, 300, 3), np.uint8), (64, 64), "stretch")
    batch = {"image": torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "geometry": [geometry]}
    (prediction,) = task.predict_step(batch, 0)
    assert prediction.mask.shape == (100, 300)
    assert (prediction.mask[:, :140] == 3).all() and (prediction.mask[:, 160:] == 0).all()


def test_flips_are_averaged_at_test():
    data = ScenesSegmentationData(4, (64, 64), num_workers=0)
    task = segmenter(data, flip_at_test=True).eval()
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(task(images)[0], task(images.flip(3))[0].flip(3))
    task.flip_at_test = False
    assert not torch.allclose(task(images)[0], task(images.flip(3))[0].flip(3))


def test_colours_names_and_weights_are_stored_in_the_checkpoint(tmp_path):
    root = save_masked(tmp_path / "set", "folders")
    rows = [f"c{i},{i},#0000{i:02x}" for i in range(8)]
    (root / "classes.csv").write_text("\n".join(["name,value,colour", *rows]))
    data = ImageSegmentationData(str(root), batch_size=2, num_workers=0)
    task = segmenter(data, class_weights="balanced")
    fitted = trainer(max_epochs=1)
    fitted.fit(task, data)
    fitted.save_checkpoint(tmp_path / "a.ckpt")
    loaded = load_task(tmp_path / "a.ckpt")
    assert loaded.metadata.options["colours"][5] == [0, 0, 5]
    assert loaded.metadata.class_names[2] == "c2"
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(loaded(image), task.eval()(image))
    data = ImageSegmentationData(str(root), num_workers=0, class_names=["c0", "c1"])
    with pytest.raises(VisusError, match="unknown class 'c2, c3"):
        data.dataset("val")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"losses": {"crossentropy": 1.0}}, "model.losses 'crossentropy' is unknown"),
        ({"losses": {"dice": -1.0}}, "must be at least 0"),
        ({"losses": {"dice": 0.0}}, "not all zero"),
        ({"data_info": info(resize_mode="crop")}, "data.resize_mode crop leaves pixels"),
        ({"channels": 0}, "model.channels 0"),
        ({"class_weights": "balanced"}, "do not count their pixels"),
    ],
)
def test_wrong_arguments_are_refused(arguments, words):
    with pytest.raises(VisusError, match=words):
        SegmentationTask(**{"data_info": info(), "backbone": "test_resnet", **arguments})


def test_options_of_the_backbone_reach_it():
    task = SegmentationTask(
        data_info=info(), architecture="unet", backbone="resnet9", backbone_options={"width": 8}
    )
    widths = task.backbone.channels
    wider = SegmentationTask(data_info=info(), architecture="unet", backbone="resnet9")
    assert all(a < b for a, b in zip(widths, wider.backbone.channels, strict=True))
    with pytest.raises(VisusError, match="'resnet9' takes no option 'depth'"):
        SegmentationTask(data_info=info(), backbone="resnet9", backbone_options={"depth": 3})


@pytest.mark.parametrize(
    ("architecture", "shape", "words"),
    [
        ("deeplabv3plus", (1, 3, 64, 64), "batch_size to 2"),
        ("deeplabv3plus", (2, 3, 40, 64), r"\[40, 64\]"),
        ("deeplabv3_mobilenet_v3_large", (1, 3, 64, 64), "batch_size to 2"),
    ],
)
def test_batches_that_deeplab_cannot_be_trained_on_are_refused(architecture, shape, words):
    backbone = {"backbone": "test_resnet"} if architecture == "deeplabv3plus" else {}
    task = SegmentationTask(data_info=info(), architecture=architecture, **backbone)
    batch = {"image": torch.zeros(shape, dtype=torch.uint8), "source": ["x"] * shape[0]}
    with pytest.raises(VisusError, match=words):
        task.training_step(batch, 0)


def test_a_checkpoint_of_format_1_predicts_as_before():
    expected = json.loads((FORMAT_1 / "expected.json").read_text())["segmentation"]
    model = load_model(str(FORMAT_1 / "segmentation.ckpt"))
    found = model.predict(make_scene(3, (96, 128), (2, 3)).image).to_json()
    # The palette, which only colours a viewer, is not part of the prediction.
    masks = [
        Image.open(io.BytesIO(base64.b64decode(each.pop("mask")))) for each in (found, expected)
    ]
    np.testing.assert_array_equal(*map(np.asarray, masks))
    assert found == expected


@pytest.mark.parametrize("architecture", ["fcn", "unet", "deeplabv3plus"])
def test_weights_of_format_1_have_the_names_of_the_network(architecture, tmp_path):
    data = ScenesSegmentationData(4, (64, 64), batch_size=4, num_workers=0)
    task = segmenter(data, architecture=architecture)
    fitted = trainer(max_epochs=1, limit_val_batches=0)
    fitted.fit(task, data)
    fitted.save_checkpoint(tmp_path / "new.ckpt")
    checkpoint = torch.load(tmp_path / "new.ckpt", weights_only=True)
    former = {
        "fcn": {"to_logits": "votes"},
        "unet": {"to_logits": "vote", "decoder": "climb"},
        "deeplabv3plus": {"to_logits": "vote", "decoder": "decode"},
    }[architecture]
    for name, old in former.items():
        pattern, replacement = f"network.head.{name}.", f"network.head.{old}."
        checkpoint["state_dict"] = {
            key.replace(pattern, replacement): value
            for key, value in checkpoint["state_dict"].items()
        }
    stored = checkpoint["visus"]
    stored |= {"format": 1, "fit_mode": stored.pop("resize_mode")}
    values = stored["arguments"].pop("data_info")
    stored["arguments"] |= {"fit_mode": values.pop("resize_mode"), **values}
    torch.save(checkpoint, tmp_path / "old.ckpt")
    image = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    loaded = load_task(tmp_path / "old.ckpt")
    torch.testing.assert_close(loaded(image), task.eval()(image))
    # Lightning reads the file itself when a training is resumed or a run tested.
    other = segmenter(data, architecture=architecture)
    trainer().test(other, data, verbose=False, ckpt_path=tmp_path / "old.ckpt", weights_only=True)
    torch.testing.assert_close(other.eval()(image), task(image))
