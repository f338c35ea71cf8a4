import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from tests.tasks.learning import overfit, show_training_set, trainer
from visus.datamodules.detection.scenes import ScenesDetectionData
from visus.tasks.checkpoints import load_task
from visus.tasks.detection.prediction import DetectionPrediction
from visus.tasks.detection.task import DetectionTask
from visus.vision.errors import VisusError
from visus.vision.resize import resize_to_input


def scenes(count=8, **arguments):
    return ScenesDetectionData(count, (96, 96), batch_size=4, num_workers=0, **arguments)


def detector(data, **arguments):
    given = {"backbone": "test_resnet", "channels": 32, "proposals": 50, **arguments}
    return DetectionTask(
        class_names=list(data.class_names),
        image_size=data.image_size,
        resize_mode=data.resize_mode,
        masks=data.masks,
        **given,
    )


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
    figure = "mask_map_50" if masks else "map_50"
    figures = overfit(task, data, figure, 0.85, epochs, gradient_clip_val=10.0)
    assert figures["test/map_50"] >= 0.8
    if masks:
        assert figures["test/mask_map_50"] >= 0.8


@pytest.mark.parametrize("architecture", ["faster_rcnn", "one_stage"])
def test_a_loss_that_is_not_finite_stops_and_names_the_images(architecture):
    data = scenes()
    task = detector(data, architecture=architecture)
    with torch.no_grad():
        next(task.network.body.parameters()).fill_(float("nan"))
    with pytest.raises(VisusError, match=r"the loss is nan in epoch 1, step 1, on \d, \d, \d, \d;"):
        trainer(max_epochs=1, limit_val_batches=0).fit(task, data)


def test_frozen_batch_norm_stands_still_and_the_rest_learns():
    data = scenes()
    task = detector(data)
    before = {key: value.clone() for key, value in task.body.state_dict().items()}
    trainer(max_epochs=1, limit_val_batches=1).fit(task, data)
    for key, value in task.body.state_dict().items():
        same = torch.equal(before[key], value)
        if "running" in key or "num_batches" in key:
            assert same, key
    assert any(not torch.equal(before[k], v) for k, v in task.body.state_dict().items())


def test_images_are_normalised_once_with_the_backbones_constants():
    data = scenes()
    task = detector(data, backbone="tf_efficientnet_lite0").eval()
    assert task.metadata.mean == pytest.approx((127.5,) * 3)
    seen = []
    task.network.body.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    task(torch.full((1, 3, 96, 96), 255, dtype=torch.uint8))
    assert seen[0].min() == seen[0].max() == 1.0


def test_the_threshold_is_learnt_and_travels_with_the_checkpoint(tmp_path):
    data = scenes()
    task = detector(data)
    fitted = trainer(max_epochs=1)
    fitted.fit(task, data)
    task.threshold.fill_(0.37)
    fitted.save_checkpoint(tmp_path / "a.ckpt")
    loaded = load_task(tmp_path / "a.ckpt")
    assert loaded.metadata.options["threshold"] == pytest.approx(0.37)
    image = torch.randint(0, 256, (1, 3, 96, 96), dtype=torch.uint8)
    for a, b in zip(loaded(image), task.eval()(image), strict=True):
        torch.testing.assert_close(a, b)


def test_predictions_are_in_the_pixels_of_the_original():
    data = scenes()
    task = detector(data).eval()
    boxes = torch.tensor([[[0.0, 0, 48, 48]]])
    task.forward = lambda images: (boxes, torch.tensor([[0.9]]), torch.tensor([[2]]))
    _, mapping = resize_to_input(np.zeros((200, 400, 3), np.uint8), (96, 96), "stretch")
    batch = {"image": torch.zeros(1, 3, 96, 96, dtype=torch.uint8), "geometry": [mapping]}
    (found,) = task.predict_step(batch, 0)
    assert isinstance(found, DetectionPrediction)
    np.testing.assert_allclose(found.boxes, [[0, 0, 200, 100]])
