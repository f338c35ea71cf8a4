import pytest
import pytorch_lightning as pl
import torch

from tests.tasks.learning import overfit, show_training_set, trainer
from visus.datamodules.classification.arrays import DigitsData, ScenesClassificationData
from visus.tasks.base import plain
from visus.tasks.checkpoints import load_task, read_checkpoint
from visus.tasks.classification.task import ClassificationTask, loss_weights
from visus.vision.errors import VisusError


def scenes_task(data, **arguments):
    return ClassificationTask(
        class_names=list(data.class_names),
        image_size=data.image_size,
        resize_mode=data.resize_mode,
        **{"backbone": "resnet9", "backbone_options": {"width": 8}, **arguments},
    )


@pytest.mark.parametrize("multi_label", [False, True])
def test_overfits_a_small_set(multi_label):
    pl.seed_everything(0)
    data = ScenesClassificationData(24, (32, 32), multi_label, batch_size=8, num_workers=0)
    task = scenes_task(data, multi_label=multi_label, learning_rate=0.01, weight_decay=0.0)
    show_training_set(data)
    figures = overfit(task, data, "macro_f1", 0.95, 80)
    assert figures["test/accuracy"] >= 0.95
    assert figures["test/macro_f1"] >= 0.9


def test_forward_is_uint8_to_logits_and_flip_averages():
    task = ClassificationTask("convnet", class_names=["a", "b"], image_size=(28, 28), in_channels=1)
    task.eval()
    images = torch.randint(0, 256, (3, 1, 28, 28), dtype=torch.uint8)
    (logits,) = task(images)
    assert logits.shape == (3, 2)
    task.flip_at_test = True
    torch.testing.assert_close(task(images)[0], task(images.flip(3))[0])


def test_frozen_batch_norm_stands_still():
    data = ScenesClassificationData(16, (32, 32), batch_size=8, num_workers=0)
    task = scenes_task(data, freeze_epochs=1)
    before = {key: value.clone() for key, value in task.body.state_dict().items()}
    trainer(max_epochs=1, limit_val_batches=0).fit(task, data)
    after = task.body.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    task = scenes_task(data, freeze_epochs=1)
    before = {key: value.clone() for key, value in task.body.state_dict().items()}
    trainer(max_epochs=2, limit_val_batches=0).fit(task, data)
    thawed = task.body.state_dict()
    assert all(not torch.equal(before[key], thawed[key]) for key in before if "running_mean" in key)
    assert all(p.requires_grad for p in task.parameters())


def test_batch_norm_alone_can_be_frozen():
    data = ScenesClassificationData(16, (32, 32), batch_size=8, num_workers=0)
    task = scenes_task(data, freeze_batch_norm=True)
    before = {key: value.clone() for key, value in task.body.state_dict().items()}
    trainer(max_epochs=2, limit_val_batches=1).fit(task, data)
    after = task.body.state_dict()
    for key in before:
        assert torch.equal(before[key], after[key]) == ("running" in key or "num_batches" in key)


def test_evaluation_does_not_depend_on_the_batches():
    data = ScenesClassificationData(40, (32, 32), batch_size=8, num_workers=0)
    task = scenes_task(data, class_counts=[1, 2, 3, 4, 5, 6, 7], class_weights="balanced")
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
    assert loss_weights([10, 11], "auto") is None
    assert loss_weights(None, "balanced") is None
    assert loss_weights([10, 30], "none") is None
    weights = loss_weights([10, 30], "auto")
    torch.testing.assert_close(weights, torch.tensor([2.0, 2 / 3]))


def test_figures_agree_with_a_hand_count():
    task = ClassificationTask("convnet", class_names=["a", "b", "c"], image_size=(8, 8))
    logits = torch.tensor([[3.0, 0, 0], [0, 3.0, 0], [0, 3.0, 0], [0, 0, 3.0]])
    task.forward = lambda images: (logits,)
    labels = torch.tensor([0, 0, 1, 2])
    task.test_step({"image": torch.zeros(4, 3, 8, 8), "label": labels}, 0)
    figures = {key: float(value) for key, value in task.test_metrics.compute().items()}
    assert figures["test/accuracy"] == pytest.approx(0.75)
    # Of a, b and c: 2/3, 2/3 and 1.
    assert figures["test/macro_f1"] == pytest.approx(7 / 9, abs=1e-6)
    confidence = float(logits[0].softmax(0).max())
    assert figures["test/calibration_error"] == pytest.approx(abs(confidence - 0.75), abs=1e-6)
    assert task.confusion.compute().tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


@pytest.fixture
def checkpoint(tmp_path):
    data = DigitsData(batch_size=64)
    task = ClassificationTask(
        "lenet5", class_names=list(data.class_names), image_size=(32, 32), in_channels=1
    )
    fitted = trainer(max_steps=2, limit_val_batches=0)
    fitted.fit(task, data)
    fitted.save_checkpoint(tmp_path / "a.ckpt")
    return tmp_path / "a.ckpt", task


def test_a_checkpoint_gives_the_same_answers(checkpoint):
    path, task = checkpoint
    images = torch.randint(0, 256, (4, 1, 32, 32), dtype=torch.uint8)
    torch.testing.assert_close(load_task(path)(images)[0], task.eval()(images)[0])


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
        ("less.ckpt", "do not fit"),
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
