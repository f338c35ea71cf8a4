"""Measuring for the plan of a budget: too few data, too little memory, signals."""

import signal
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from tests.apps.training.budget.test_budget import SMALL, data, ticking  # noqa: F401
from tests.conftest import save_detection
from visus.apps.parsing import CommandError
from visus.apps.training.budget.clock import Budget
from visus.apps.training.budget.measuring import Measurer
from visus.apps.training.budget.planned import use_one_device
from visus.apps.training.budget.timing import seconds_per_step


@pytest.mark.usefixtures("workplace")
def test_data_of_which_nothing_is_held_out_are_refused(visus, data, ticking):  # noqa: F811
    ticking(0.1)
    arguments = ("fit", *SMALL, "--data", data, "--data.val_share", "0.01", "--budget", "60s")
    code, _, err = visus(*arguments)
    assert code == 2 and "the val split holds 0 samples" in err and "data.val_share" in err


@pytest.mark.usefixtures("workplace")
def test_too_little_memory_is_one_line(visus, data, ticking, monkeypatch):  # noqa: F811
    def fail(self, candidate, limit):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(Measurer, "_sample_seconds", fail)
    ticking(0.1)
    code, _, err = visus("fit", *SMALL, "--data", data, "--budget", "60s")
    assert code == 2 and err.count("\n") == 1
    assert "out of memory while measuring steps of 8 images of 32 x 32" in err


def largest_size(root, seconds):
    """The largest input size that is measured for a detector within a budget."""
    model = {"backbone": "resnet9", "pretrained": False}
    arguments = {"root": str(root), "num_workers": 0, "image_size": None}
    task = "visus.tasks.detection.task.DetectionTask"
    module = "visus.datamodules.detection.data.ImageDetectionData"
    measurer = Measurer(
        {"class_path": task, "init_args": model},
        {"class_path": module, "init_args": arguments},
        {"precision": None, "accelerator": "cpu"},
        (),
        False,
    )
    return list(measurer.measure(Budget(seconds)).sample_seconds)[-1].size


def test_images_larger_than_the_input_are_tried_at_their_own_size(workplace, monkeypatch):
    root = save_detection(workplace / "set", "coco", ("train", "val"), 4, (480, 640))
    monkeypatch.setattr(Measurer, "_sample_seconds", lambda self, each, limit: 1e-4 * each.size[0])
    # Twelve epochs of four images take two seconds at the largest size.
    assert largest_size(root, 1000) == (480, 640) and largest_size(root, 1) == (384, 512)


def test_sizes_that_need_more_memory_than_there_is_are_left_out(workplace, monkeypatch):
    root = save_detection(workplace / "set", "coco", ("train", "val"), 4, (480, 640))

    def measured(self, candidate, limit):
        if candidate.size[0] > 384:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return 1e-4

    monkeypatch.setattr(Measurer, "_sample_seconds", measured)
    assert largest_size(root, 1000) == (384, 512)


@pytest.mark.parametrize("code", [143, None])
def test_a_signal_ends_the_measurement_as_it_ends_a_program(code, monkeypatch):
    def fit(self, task, datamodule):
        # As Lightning does at Ctrl+C, and at SIGTERM.
        if code is None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            raise SystemExit(1)
        raise SIGTERMException

    monkeypatch.setattr(pl.Trainer, "fit", fit)
    expected = KeyboardInterrupt if code is None else SystemExit
    with pytest.raises(expected) as raised:
        seconds_per_step(None, None, {"accelerator": "cpu", "devices": 1}, 1.0)
    if code is not None:
        assert raised.value.code == code
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("devices", ["auto", 1, "1", [1], "0,", "3,"])
def test_one_device_may_be_chosen_in_every_form(devices):
    use_one_device(SimpleNamespace(num_nodes=1, devices=devices))


@pytest.mark.parametrize("devices", [2, "2", -1, "0,1", [0, 1]])
def test_several_devices_are_refused(devices):
    with pytest.raises(CommandError, match="--budget: trains on one device"):
        use_one_device(SimpleNamespace(num_nodes=1, devices=devices))
