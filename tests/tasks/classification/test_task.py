import json
from dataclasses import replace
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

import visus
from tests.tasks.overfit import overfit, show_training_set, trainer
from visus.datamodules.classification.arrays import DigitsData, ScenesClassificationData
from visus.tasks.checkpoints import load_task, read_checkpoint
from visus.tasks.classification.data_info import ClassificationInfo
from visus.tasks.classification.task import ClassificationTask, loss_weights
from visus.tasks.data_info import info_from_data
from visus.tasks.plain_values import plain
from visus.vision.errors import VisusError
from visus.vision.scenes import SHAPES, make_scene

FORMAT_1 = Path(__file__).parents[2] / "fixtures" / "format1"


def scenes_task(data, class_counts=None, **arguments):
    info = replace(info_from_data(ClassificationInfo, data), class_counts=class_counts)
    return ClassificationTask(
        info, **{"backbone": "resnet9", "backbone_options": {"width": 8}, **arguments}
    )


def convnet_task(classes, size, in_channels=3):
    info = ClassificationInfo(
        class_names=classes, image_size=size, in_channels=in_channels, resize_mode="stretch"
    )
    return ClassificationTask(info, backbone="convnet")


@pytest.mark.parametrize("multi_label", [False, True])
def test_overfits_a_small_set(multi_label):
    pl.seed_everything(0)
    data = ScenesClassificationData(24, (32, 32), multi_label, batch_size=8, num_workers=0)
    task = scenes_task(data, learning_rate=0.01, weight_decay=0.0)
    show_training_set(data)
    assert task.monitor == ("val/macro_f1" if multi_label else "val/accuracy", "max")
    metrics = overfit(task, data, "macro_f1", 0.95, 80)
    assert metrics["test/accuracy"] >= 0.95
    assert metrics["test/macro_f1"] >= 0.9


def test_forward_is_uint8_to_logits_and_flip_averages():
    task = convnet_task(("a", "b"), (28, 28), in_channels=1).eval()
    images = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    (logits,) = task(images)
    assert logits.shape == (3, 2)
    task.flip_at_test = True
    torch.testing.assert_close(task(images)[0], task(images.flip(3))[0])


def test_a_frozen_backbone_does_not_change_and_is_unfrozen_later():
    data = ScenesClassificationData(16, (32, 32), batch_size=8, num_workers=0)
    task = scenes_task(data, freeze_epochs=1)
    before = {key: value.clone() for key, value in task.backbone.state_dict().items()}
    trainer(max_epochs=1, limit_val_batches=0).fit(task, data)
    after = task.backbone.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    task = scenes_task(data, freeze_epochs=1)
    before = {key: value.clone() for key, value in task.backbone.state_dict().items()}
    trainer(max_epochs=2, limit_val_batches=0).fit(task, data)
    after = task.backbone.state_dict()
    assert all(not torch.equal(before[key], after[key]) for key in before if "running_mean" in key)
    assert all(p.requires_grad for p in task.parameters())


@pytest.mark.parametrize("pretrained", [True, False])
def test_freeze_batch_norm_freezes_the_statistics_of_pretrained_backbones_only(pretrained):
    data = ScenesClassificationData(16, (32, 32), batch_size=8, num_workers=0)
    task = scenes_task(data, freeze_batch_norm=True)
    task.backbone_is_trained = pretrained
    before = {key: value.clone() for key, value in task.backbone.state_dict().items()}
    trainer(max_epochs=2, limit_val_batches=1).fit(task, data)
    after = task.backbone.state_dict()
    for key in before:
        is_statistic = "running" in key or "num_batches" in key
        assert torch.equal(before[key], after[key]) == (is_statistic and pretrained)


def test_evaluation_does_not_depend_on_the_batches():
    data = ScenesClassificationData(40, (32, 32), batch_size=8, num_workers=0)
    task = scenes_task(data, class_counts=(1, 2, 3, 4, 5, 6, 7), class_weights="balanced")
    losses = []
    for size in (3, 10):
        data.batch_size = size
        losses.append(trainer().test(task, data, verbose=False)[0]["test/loss"])
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_mixes_smooths_and_penalises_without_nan():
    data = ScenesClassificationData(16, (32, 32), batch_size=8, num_workers=0)
    task = scenes_task(data, mixup=0.2, cutmix=1.0, label_smoothing=0.1, l1=1e-5, dropout=0.5)
    fitted = trainer(max_epochs=2, limit_val_batches=0)
    fitted.fit(task, data)
    assert torch.isfinite(fitted.callback_metrics["train/loss"])


def test_class_weights_follow_the_counts():
    assert loss_weights((10, 11), "auto") is None
    assert loss_weights(None, "balanced") is None
    assert loss_weights((10, 30), "none") is None
    weights = loss_weights((10, 30), "balanced")
    torch.testing.assert_close(weights, torch.tensor([2.0, 2 / 3]))
    milder = loss_weights((10, 30), "auto")
    torch.testing.assert_close(milder[0] / milder[1], torch.tensor(3.0).sqrt())
    torch.testing.assert_close((milder * torch.tensor([10.0, 30.0])).sum(), torch.tensor(40.0))


def test_metrics_agree_with_a_hand_count():
    task = convnet_task(("a", "b", "c"), (8, 8))
    logits = torch.tensor([[3.0, 0, 0], [0, 3.0, 0], [0, 3.0, 0], [0, 0, 3.0]])
    task.forward = lambda images: (logits,)
    labels = torch.tensor([0, 0, 1, 2])
    task.on_test_epoch_start()
    task.test_step({"image": torch.zeros(4, 3, 8, 8), "label": labels}, 0)
    result = task.compute_metrics(task.metrics, "test")
    assert result.metrics["accuracy"] == pytest.approx(0.75)
    # Of a, b and c: 2/3, 2/3 and 1.
    assert result.metrics["macro_f1"] == pytest.approx(7 / 9, abs=1e-6)
    confidence = float(logits[0].softmax(0).max())
    assert result.metrics["calibration_error"] == pytest.approx(abs(confidence - 0.75), abs=1e-6)
    assert result.confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


@pytest.fixture
def checkpoint(tmp_path):
    data = DigitsData(batch_size=64)
    task = ClassificationTask(info_from_data(ClassificationInfo, data), backbone="lenet5")
    fitted = trainer(max_steps=2, limit_val_batches=0)
    fitted.fit(task, data)
    fitted.save_checkpoint(tmp_path / "a.ckpt")
    return tmp_path / "a.ckpt", task


def test_a_checkpoint_gives_the_same_logits(checkpoint):
    path, task = checkpoint
    images = torch.randint(0, 256, (4, 1, 32, 32), dtype=torch.uint8)
    torch.testing.assert_close(load_task(path)(images)[0], task.eval()(images)[0])


def test_a_checkpoint_of_format_1_gives_the_same_prediction():
    expected = json.loads((FORMAT_1 / "expected.json").read_text())["classification"]
    image = make_scene(3, (96, 128), (2, 3)).image
    result = visus.load(FORMAT_1 / "classification.ckpt").predict(image)
    assert result.prediction.to_json() == expected
    # With the optimiser's state and the data module, to be resumed.
    assert load_task(FORMAT_1 / "classification-last.ckpt").class_names == list(SHAPES)


def test_damaged_foreign_and_hostile_checkpoints_are_refused(checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, _ = checkpoint
    content = read_checkpoint(path)
    (tmp_path / "cut.ckpt").write_bytes(path.read_bytes()[:5000])
    torch.save({**content, "extra": _Bomb()}, "hostile.ckpt")
    torch.save({"weights": torch.zeros(2)}, "plain.ckpt")
    torch.save({**content, "visus": {**content["visus"], "task": "juggling"}}, "other.ckpt")
    torch.save({**content, "visus": {**content["visus"], "format": 7}}, "later.ckpt")
    state = {**content["state_dict"]}
    state.pop(next(iter(state)))
    torch.save({**content, "state_dict": state}, "less.ckpt")
    for name, words in (
        ("cut.ckpt", "truncated"),
        ("hostile.ckpt", "carries code"),
        ("plain.ckpt", "not a training checkpoint"),
        ("other.ckpt", "juggling"),
        ("later.ckpt", "format 7"),
        ("less.ckpt", "do not match"),
        ("none.ckpt", "no such"),
    ):
        with pytest.raises(VisusError, match=words) as caught:
            load_task(name)
        assert name in str(caught.value)
    assert not (tmp_path / "exploded").exists()


class _Bomb:
    def __reduce__(self):
        import pathlib

        return pathlib.Path.touch, (pathlib.Path("exploded"),)


def test_only_plain_values_reach_a_checkpoint():
    import numpy as np

    assert plain({"a": (1, [None, "x"])}) == {"a": [1, [None, "x"]]}
    with pytest.raises(TypeError, match="float64"):
        plain({"a": np.float64(1)})


@pytest.mark.parametrize("mode", ["balanced", "auto"])
def test_a_class_without_training_images_leaves_the_others_their_weights(mode):
    weights = loss_weights((10, 90, 0), mode)
    others = loss_weights((10, 90), mode)
    torch.testing.assert_close(weights[:2], others)
    # Whatever its weight, with smoothed labels it would be predicted.
    assert weights[2] == 0
