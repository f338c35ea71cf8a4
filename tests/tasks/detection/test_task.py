import json
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import timm
import torch

from tests.tasks.overfit import overfit, show_training_set, trainer
from visus.apps.inference.loading import load_model
from visus.datamodules.detection.scenes import ScenesDetectionData
from visus.tasks.checkpoints import load_task
from visus.tasks.data_info import info_from_data
from visus.tasks.detection.data_info import DetectionInfo
from visus.tasks.detection.prediction import DetectionPrediction
from visus.tasks.detection.task import DetectionTask
from visus.vision.errors import VisusError
from visus.vision.resize import resize_to_input
from visus.vision.scenes import make_scene

FORMAT_1 = Path(__file__).parents[2] / "fixtures" / "format1"


def scenes(count=8, **arguments):
    return ScenesDetectionData(count, (96, 96), batch_size=4, num_workers=0, **arguments)


def detector(data, **arguments):
    given = {
        "backbone": "test_resnet",
        "channels": 32,
        "proposals": 50,
        "learning_rate": 4e-4,
        "freeze_batch_norm": True,
        **arguments,
    }
    return DetectionTask(data_info=info_from_data(DetectionInfo, data), **given)


@pytest.mark.parametrize(
    ("architecture", "masks", "rate", "epochs", "side"),
    [("faster_rcnn", True, 2e-3, 120, 64), ("one_stage", False, 5e-3, 250, 96)],
)
def test_overfits_a_small_set(architecture, masks, rate, epochs, side):
    pl.seed_everything(0)
    data = ScenesDetectionData(4, (side, side), masks, seed=40, batch_size=4, num_workers=0)
    task = detector(
        data,
        architecture=architecture,
        learning_rate=rate,
        weight_decay=0.0,
        freeze_batch_norm=False,
    )
    show_training_set(data)
    metric = "mask_map_50" if masks else "map_50"
    metrics = overfit(task, data, metric, 0.85, epochs, gradient_clip_val=10.0)
    assert metrics["test/map_50"] >= 0.8
    if masks:
        assert metrics["test/mask_map_50"] >= 0.8


@pytest.mark.parametrize("architecture", ["faster_rcnn", "one_stage"])
def test_a_loss_that_is_not_finite_stops_and_names_the_images(architecture):
    data = scenes()
    task = detector(data, architecture=architecture)
    with torch.no_grad():
        next(task.backbone.parameters()).fill_(float("nan"))
    with pytest.raises(VisusError, match=r"the loss is nan in epoch 1, step 1, on \d, \d, \d, \d;"):
        trainer(max_epochs=1, limit_val_batches=0).fit(task, data)


def test_batch_norm_of_a_pretrained_backbone_is_frozen_and_the_rest_is_trained(tmp_path):
    torch.manual_seed(0)
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "weights.pth")
    data = scenes()
    task = detector(data, pretrained=str(tmp_path / "weights.pth"))
    before = {key: value.clone() for key, value in task.backbone.state_dict().items()}
    trainer(max_epochs=1, limit_val_batches=1).fit(task, data)
    for key, value in task.backbone.state_dict().items():
        same = torch.equal(before[key], value)
        if "running" in key or "num_batches" in key:
            assert same, key
    assert any(not torch.equal(before[k], v) for k, v in task.backbone.state_dict().items())


def test_images_are_normalised_once_with_the_backbones_constants():
    data = scenes()
    task = detector(data, backbone="tf_efficientnet_lite0").eval()
    assert task.metadata.mean == pytest.approx((127.5,) * 3)
    inputs_of_backbone = []
    task.backbone.register_forward_pre_hook(lambda _, inputs: inputs_of_backbone.append(inputs[0]))
    task(torch.full((1, 3, 96, 96), 255, dtype=torch.uint8))
    assert inputs_of_backbone[0].min() == inputs_of_backbone[0].max() == 1.0


def test_validation_sets_the_threshold_which_is_stored_in_the_checkpoint(tmp_path):
    data = scenes()
    task = detector(data)
    # Hardly trained, no detection is right: the lowest threshold is as good as any other.
    fitted = trainer(max_epochs=1)
    fitted.fit(task, data)
    assert float(task.threshold) == pytest.approx(0.05)
    task.threshold.fill_(0.37)
    fitted.save_checkpoint(tmp_path / "a.ckpt")
    loaded = load_task(tmp_path / "a.ckpt")
    assert loaded.metadata.options["threshold"] == pytest.approx(0.37)
    image = torch.randint(0, 256, (1, 3, 96, 96), dtype=torch.uint8)
    for a, b in zip(loaded(image), task.eval()(image), strict=True):
        torch.testing.assert_close(a, b)


def test_predictions_are_in_pixels_of_the_original_image():
    data = scenes()
    task = detector(data).eval()
    boxes = torch.tensor([[[0.0, 0, 48, 48]]])
    task.forward = lambda images: (boxes, torch.tensor([[0.9]]), torch.tensor([[2]]))
    _, geometry = resize_to_input(np.zeros((200, 400, 3), np.uint8), (96, 96), "stretch")
    images = torch.zeros(1, 3, 96, 96, dtype=torch.uint8)
    (prediction,) = task.postprocess(task(images), [geometry])
    assert isinstance(prediction, DetectionPrediction)
    np.testing.assert_allclose(prediction.boxes, [[0, 0, 200, 100]])


def test_metrics_of_single_classes_are_logged_in_a_test():
    data = scenes()
    task = detector(data)
    (metrics,) = trainer().test(task, data, verbose=False)
    for name in data.class_names:
        assert {f"test/map/{name}", f"test/map_50/{name}"} <= metrics.keys()


def test_a_checkpoint_of_format_1_predicts_as_before():
    model = load_model(str(FORMAT_1 / "detection.ckpt"))
    model.set_option("threshold", 0.01)
    prediction = model.predict(make_scene(3, (96, 128), (2, 3)).image).to_json()
    expected = json.loads((FORMAT_1 / "expected.json").read_text())["detection"]
    assert len(prediction["detections"]) == len(expected["detections"]) > 0
    for entry, before in zip(prediction["detections"], expected["detections"], strict=True):
        assert entry["label"] == before["label"]
        assert entry["box"] == pytest.approx(before["box"], abs=0.02)
        assert entry["score"] == pytest.approx(before["score"], abs=1e-5)


@pytest.mark.parametrize(("masks", "channels"), [(False, 64), (True, 128)])
def test_masks_have_more_channels_by_default(masks, channels):
    info = DetectionInfo(
        image_size=(64, 64),
        class_names=("cell",),
        in_channels=3,
        resize_mode="letterbox",
        masks=masks,
    )
    task = DetectionTask(data_info=info, backbone="test_resnet").eval()
    assert task.hparams["channels"] == channels
    assert task(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))[0].shape[2] == 4


def test_levels_share_the_convolutions_of_their_towers():
    arguments = {"architecture": "one_stage", "backbone": "test_resnet", "channels": 16}
    info = info_from_data(DetectionInfo, scenes())
    shared, own = (
        DetectionTask(data_info=info, shared_towers=value, **arguments) for value in (True, False)
    )
    first, *others = shared.network.score_towers
    assert all(tower.conv1 is first.conv1 and tower.norm1 is not first.norm1 for tower in others)
    count = {task: sum(p.numel() for p in task.parameters()) for task in (shared, own)}
    assert count[shared] < count[own]
    images = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8)
    expected = shared.eval()(images)
    copy = DetectionTask(data_info=info, shared_towers=True, **arguments).eval()
    copy.load_state_dict(shared.state_dict())
    assert torch.equal(copy(images)[0], expected[0])


def test_a_heat_map_belongs_to_its_box(monkeypatch):
    """The best box lies in the padding of the image, and is not reported."""
    from visus.tasks.detection import explain as module

    task = DetectionTask(
        DetectionInfo(
            image_size=(64, 64), class_names=("a",), in_channels=3, resize_mode="letterbox"
        ),
        backbone="test_resnet",
        pretrained=False,
    ).eval()
    boxes = torch.tensor([[[0.0, 0, 64, 8], [20, 20, 40, 40], [5, 30, 25, 45]]])
    outputs = (boxes, torch.tensor([[0.9, 0.8, 0.7]]), torch.zeros(1, 3, dtype=torch.int64))
    monkeypatch.setattr(DetectionTask, "forward", lambda self, images: outputs)
    explained = []

    def heat_of(task, images, score):
        explained.append(float(score(outputs)))
        return torch.zeros(8, 8).numpy()

    monkeypatch.setattr(module, "hires_cam", heat_of)
    shown = module.explain(task, make_scene(1, (32, 64)).image)
    assert explained == pytest.approx([0.8, 0.7])
    assert [each.caption for each in shown] == ["HiResCAM: a 0.80", "HiResCAM: a 0.70"]
