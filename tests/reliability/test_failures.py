"""Failures of a training that have a remedy: one line, and the last checkpoint stays."""

import re
import signal

import pytest

from tests.conftest import newest
from tests.reliability.counts import count
from visus.tasks.base import VisionTask
from visus.tasks.checkpoints import read_checkpoint

FIT = [
    *("fit", "--config", "classification/scenes", "--data.count", "32", "--data.batch_size", "8"),
    *("--model.backbone", "lenet5", "--trainer.precision", "32-true"),
    *("--trainer.max_epochs", "3"),
]


def failed(child, workers, **fault):
    code, output = child("command", words=[*FIT, "--data.num_workers", str(workers)], **fault)
    assert "Traceback" not in output
    run = newest("runs/*/*/*")
    *_, hint, error = output.strip().splitlines()
    assert hint == f"visus: continue with visus fit --resume {run}"
    assert error.startswith("visus: "), error
    assert read_checkpoint(run / "last.ckpt")
    assert "next:" not in output and "best " not in output
    return code, error


@pytest.mark.parametrize(
    ("fault", "number"),
    [("terminate_group", 15), ("interrupt_group", 2), ("hang_up_group", 1)][: count(1, 3)],
)
def test_a_signal_to_all_processes_stops_after_the_batch(workplace, child, fault, number):
    words = [*FIT, "--data.num_workers", "2"]
    # Before the training starts a signal ends the command at once.
    for step in range(3, 3 + count(1, 3)):
        code, output = child("command", words=words, fault=fault, step=step, where="worker")
        assert code == 128 + number and "Traceback" not in output, output
        run = newest("runs/*/*/*")
        assert output.strip().endswith(f"continue with visus fit --resume {run}")
        code, output = child("command", words=["fit", "--resume", str(run)])
        assert code == 0, output


def test_a_killed_loading_process_is_named(workplace, child):
    code, error = failed(child, 2, fault="SIGKILL", step=3, where="worker")
    assert code == 2
    assert re.search(r"process \d+, which loads images, (was ended by a signal|ended unexp)", error)
    assert "lower --data.num_workers 2 or --data.batch_size 8" in error
    # Nothing is lost: the state between the two batches was saved.
    code, output = child("command", words=["fit", "--resume", "--data.num_workers", "0"])
    assert code == 0, output


@pytest.mark.parametrize(
    "fault", ["gpu_memory_runs_out", "memory_runs_out", "python_memory_runs_out"]
)
def test_out_of_memory_gives_advice_and_keeps_the_last_checkpoint(workplace, child, fault):
    code, error = failed(child, 0, fault=fault, step=5)
    assert code == 2
    assert "out of memory on cpu in epoch 2, step 6, with --data.batch_size 8" in error
    assert "--data.batch_size 4 with --trainer.accumulate_grad_batches 2" in error


def test_signals_before_the_first_checkpoint_promise_none(workplace, child):
    words = [*FIT, "--data.num_workers", "0"]
    code, output = child("command", words=words, fault="SIGTERM", where="setup")
    assert code in (128 + signal.SIGTERM, -signal.SIGTERM), output
    assert "--resume" not in output and "Traceback" not in output


def test_a_loss_that_is_not_finite_promises_no_missing_file(visus, monkeypatch):
    original = VisionTask.refuse_non_finite
    losses = iter([1.0] * 5 + [float("nan")])

    def not_finite_later(self, loss, batch):
        return original(self, loss * next(losses), batch)

    monkeypatch.setattr(VisionTask, "refuse_non_finite", not_finite_later)
    code, _, err = visus(*FIT, "--data.num_workers", "0")
    run = newest("runs/*/*/*")
    assert code == 2
    hint, error = err.strip().splitlines()[-2:]
    assert hint == f"visus: continue with visus fit --resume {run}"
    assert "the loss is nan in epoch 2, step 6, on " in error and "last.ckpt" not in error
    losses = iter([float("nan")])
    code, _, err = visus(*FIT, "--data.num_workers", "0")
    assert code == 2 and "the loss is nan in epoch 1, step 1, on " in err
    assert "--resume" not in err and ".ckpt" not in err
