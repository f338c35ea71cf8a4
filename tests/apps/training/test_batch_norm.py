"""Batch statistics of the backbone: frozen with trained weights, updated with random ones."""

import pytest
import torch

from tests.conftest import newest
from visus.tasks.checkpoints import load_task, read_checkpoint

CONFIG = ("--config", "classification/custom", "--data", "photos")
SMALL = (
    *("--data.image_size", "[32,32]", "--data.num_workers", "0", "--data.batch_size", "4"),
    *("--trainer.max_epochs", "1", "--trainer.limit_train_batches", "2"),
)
NETWORK = ("--model.backbone", "test_resnet")
KEY = "network.body.bn1.running_mean"


@pytest.fixture
def train(visus, photos):
    """Run `visus fit`; returns the statistics of the first batch norm after the last epoch."""

    def run(*arguments):
        code, _, err = visus("fit", *arguments)
        assert code == 0, err
        checkpoint = torch.load(newest("runs/*/*/*") / "last.ckpt", weights_only=True)
        return checkpoint["state_dict"][KEY]

    return run


def pretrained_file(path):
    import timm

    state = timm.create_model("test_resnet").state_dict()
    state["bn1.running_mean"] = torch.full_like(state["bn1.running_mean"], 0.125)
    torch.save(state, path)
    return state["bn1.running_mean"]


def test_random_weights_update_the_statistics_also_after_resuming(train):
    first = train(*CONFIG, *SMALL, *NETWORK, "--model.pretrained", "false")
    assert first.abs().sum() > 0
    stored = read_checkpoint(newest("runs/*/*/*") / "last.ckpt")["visus"]
    assert stored["arguments"]["freeze_batch_norm"] is True
    assert stored["backbone_is_trained"] is False
    second = train("--resume", "latest", "--trainer.max_epochs", "2")
    assert not torch.equal(second, first)


def test_pretrained_weights_freeze_the_statistics_also_after_resuming(train):
    expected = pretrained_file("weights.pth")
    network = (*NETWORK, "--model.pretrained", "weights.pth")
    assert torch.equal(train(*CONFIG, *SMALL, *network), expected)
    resumed = train("--resume", "latest", "--trainer.max_epochs", "2")
    assert torch.equal(resumed, expected)


def test_pretrained_weights_update_the_statistics_if_asked_to(train):
    expected = pretrained_file("weights.pth")
    network = (*NETWORK, "--model.pretrained", "weights.pth", "--model.freeze_batch_norm", "false")
    assert not torch.equal(train(*CONFIG, *SMALL, *network), expected)


def test_initial_weights_of_a_trained_model_freeze_the_statistics_also_after_resuming(train):
    network = (*NETWORK, "--model.pretrained", "false")
    expected = train(*CONFIG, *SMALL, *network)
    start = str(newest("runs/*/*/*") / "last.ckpt")
    assert torch.equal(train(*CONFIG, *SMALL, *network, "--init-from", start), expected)
    assert torch.equal(train("--resume", "latest", "--trainer.max_epochs", "2"), expected)


def test_statistics_are_frozen_only_in_the_backbone(train):
    """Other batch norms, such as those of a segmenter's head, have no trained statistics."""
    from visus.tasks.segmentation.data_info import SegmentationInfo
    from visus.tasks.segmentation.task import SegmentationTask

    info = SegmentationInfo(
        image_size=(32, 32), class_names=("a", "b"), in_channels=3, resize_mode="stretch"
    )
    task = SegmentationTask(info, backbone="test_resnet", freeze_batch_norm=True)
    task.backbone_is_trained = True

    class Trainer:
        world_size = 1
        current_epoch = 0

    task._trainer = Trainer()
    task.train()
    task.on_train_epoch_start()
    kinds = torch.nn.modules.batchnorm._BatchNorm
    inside = {id(m) for m in task.backbone.modules()}
    norms = [m for m in task.network.modules() if isinstance(m, kinds)]
    assert any(id(m) in inside for m in norms) and any(id(m) not in inside for m in norms)
    assert all(m.training == (id(m) not in inside) for m in norms)


def test_a_loaded_task_of_random_weights_is_not_taken_as_pretrained(train):
    train(*CONFIG, *SMALL, *NETWORK, "--model.pretrained", "false")
    path = newest("runs/*/*/*") / "last.ckpt"
    task = load_task(path)
    task.on_load_checkpoint(read_checkpoint(path))
    assert task.backbone_is_trained is False
