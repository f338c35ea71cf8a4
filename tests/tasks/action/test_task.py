from pathlib import Path

import torch

from tests.conftest import newest_metrics
from tests.tasks.action.conftest import new_task, save
from tests.tasks.overfit import overfit, show_training_set
from visus.datamodules.action.scenes import ScenesActionData
from visus.tasks.action.data_info import ActionInfo
from visus.tasks.action.task import ActionTask
from visus.tasks.checkpoints import load_task
from visus.tasks.data_info import info_from_data

SMALL = ("--data.count", "16", "--data.image_size", "[32,32]", "--data.num_workers", "0")
SMALL += ("--trainer.max_epochs", "1", "--model.backbone_options.width", "4")


def test_a_few_clips_are_learnt_by_heart():
    """No single frame of them shows the class."""
    data = ScenesActionData(count=8, image_size=(32, 32), frames=4, batch_size=8, num_workers=0)
    show_training_set(data)
    torch.manual_seed(0)
    task = ActionTask(
        info_from_data(ActionInfo, data),
        "r2plus1d",
        backbone="resnet9",
        backbone_options={"width": 8},
        learning_rate=0.005,
    )
    values = overfit(task, data, "accuracy", 1.0, 80)
    assert values["test/accuracy"] == 1


def test_several_labels_are_trained_and_measured():
    info = ActionInfo(
        image_size=(32, 32), class_names=("a", "b"), in_channels=1, resize_mode="stretch",
        frames=3, seconds=1.0, multi_label=True,
    )  # fmt: skip
    task = ActionTask(info, backbone="lenet5", label_smoothing=0.2)
    clips = torch.zeros(2, 3, 1, 32, 32, dtype=torch.uint8)
    batch = {"image": clips, "labels": torch.tensor([[1.0, 0.0], [0.0, 0.0]]), "source": ["x", "y"]}
    batch["clip"] = ["x", "y"]
    task.log = lambda *_, **__: None
    loss = task.training_step(batch, 0)
    # Smoothed targets have an entropy, which the loss cannot fall below.
    assert float(loss.detach()) > 0.325
    assert task.metric_names[-1] == "val/map"
    metrics = task.new_metrics("val")
    with torch.inference_mode():
        task.eval().update_metrics(metrics, batch)
    assert set(metrics.compute().metrics) >= {"map", "accuracy", "macro_f1"}


def test_a_checkpoint_holds_the_window(workplace):
    task = new_task("recurrent", cell="lstm", hidden_size=8)
    loaded = load_task(save(task, workplace / "m.ckpt"))
    assert loaded.metadata == task.metadata
    assert loaded.metadata.options["frames"] == 4 and loaded.metadata.options["seconds"] == 2.0
    clips = torch.randint(0, 256, (1, 4, 3, 32, 32)).byte()
    with torch.inference_mode():
        assert torch.equal(loaded(clips)[0], task(clips)[0])


def test_wrong_arguments_are_refused(visus):
    for option, value, message in (
        ("hidden_size", "0", "hidden_size"),
        ("dropout", "1", "dropout"),
        ("architecture", "slowfast", "tsn"),
        ("inputs", "flow", "differences"),
    ):
        code, _, err = visus("fit", "--config", "action/scenes", *SMALL, f"--model.{option}", value)
        assert code == 2 and message in err
    assert not Path("runs").exists()


def test_procedural_clips_are_fitted_and_reported(visus):
    code, out, err = visus("fit", "--config", "action/scenes", *SMALL)
    assert code == 0, err
    code, out, err = visus("test", "latest")
    assert code == 0, err
    assert "turns clockwise" in out and "confusion matrix" in out
    values = newest_metrics()
    assert {"test/accuracy", "test/top5_accuracy", "test/f1/grows"} <= set(values)


def test_two_processes_measure_the_same(visus, same_by_two_processes):
    code, _, err = visus("fit", "--config", "action/scenes", *SMALL, "--model.architecture", "tsm")
    assert code == 0, err
    same_by_two_processes("latest")


def test_features_are_cached_of_networks_whose_other_layers_come_after_them():
    # LeNet's last layers but one are trained, and come before the features.
    assert new_task("recurrent", "lenet5", freeze_epochs=-1).feature_fingerprint() is None
    prints = {
        new_task("recurrent", "convnet", freeze_epochs=-1, **options).feature_fingerprint()
        for options in ({}, {"backbone_options": {"activation": "tanh"}})
    }
    assert None not in prints and len(prints) == 2
