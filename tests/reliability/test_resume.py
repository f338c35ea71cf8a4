"""Resuming: a run that was killed or stopped ends with the weights of an uninterrupted one."""

import json
import random
import signal

import pytest
import torch

from tests.apps.training.test_configs import ARGUMENTS
from tests.conftest import newest, save_captions, save_people
from tests.reliability.counts import SOAK, count

EPOCHS = 3
CASES = {
    "captioning/scenes": ["--data.batch_size", "4"],
    # With averaged weights.
    "captioning/custom": ["--data.batch_size", "3", "--trainer.callbacks.decay", "0.5"],
    "classification/scenes": ["--data.batch_size", "8"],
    "classification/scenes with a plateau": [
        *("--data.batch_size", "8", "--optimizer", "SGD", "--optimizer.lr", "0.01"),
        *("--lr_scheduler", "ReduceLROnPlateau", "--lr_scheduler.monitor", "val/accuracy"),
        *("--lr_scheduler.mode", "max", "--lr_scheduler.patience", "0"),
    ],
    "detection/scenes": ["--data.batch_size", "2"],
    "segmentation/scenes": [],
    "face3d/synthetic": [],
    "face_recognition/custom": ["--data.batch_size", "4"],
}
"""A configuration of each task, and what makes several steps of its epoch."""

FAULTS = [
    ("SIGTERM", "on_train_batch_start"),
    ("SIGKILL", "validation_step"),
    ("SIGINT", "validation_step"),
    ("SIGKILL", "on_train_batch_start"),
    ("SIGINT", "on_train_batch_start"),
]


def fit(name, workers):
    config = name.partition(" ")[0]
    return [
        *("fit", "--config", config, *ARGUMENTS[config], *CASES[name]),
        *("--trainer.max_epochs", str(EPOCHS), "--data.num_workers", str(workers)),
        *("--trainer.precision", "32-true", "--trainer.log_every_n_steps", "1"),
    ]


def final(run):
    checkpoint = torch.load(run / "last.ckpt", weights_only=True)
    assert checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"] == EPOCHS
    return checkpoint


@pytest.fixture
def data(workplace):
    save_people(workplace / "people", 7, 4)
    save_captions(workplace / "captions", 12)
    return workplace


@pytest.mark.parametrize("name", CASES if SOAK else ["captioning/custom", "detection/scenes"])
def test_a_resumed_run_equals_an_uninterrupted_one(name, data, child):
    rng = random.Random(name)
    code, output = child("command", words=fit(name, 0))
    assert code == 0, output
    whole = newest("runs/*/*/*")
    expected = final(whole)
    steps = expected["global_step"]
    per_epoch = steps // EPOCHS
    assert per_epoch >= 2, "a kill in the middle of an epoch needs several steps"
    for kill in range(count(1, 15)):
        name_of_signal, hook = FAULTS[(kill + len(name)) % len(FAULTS)]
        # Before its first validation a killed run has nothing to continue from.
        earliest = per_epoch if FAULTS[3] == (name_of_signal, hook) else 0
        last = EPOCHS if hook == "validation_step" else steps
        words = fit(name, 2 * (kill % 2))
        code, output = child(
            "command",
            words=words,
            fault=name_of_signal,
            step=rng.randrange(earliest, last),
            where=hook,
        )
        run = newest("runs/*/*/*")
        assert run != whole
        if name_of_signal == "SIGKILL":
            assert code == -signal.SIGKILL, output
        else:
            assert code == 128 + getattr(signal, name_of_signal), output
            assert f"stopped by {name_of_signal}; continue with visus fit --resume {run}" in output
            assert "next:" not in output
        code, output = child("command", words=["fit", "--resume"])
        assert code == 0, output
        assert f"run folder {run}" in output and newest("runs/*/*/*") == run
        assert final(run)["visus"]["weights_digest"] == expected["visus"]["weights_digest"], kill
        assert (run / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
        best = [torch.load(r / "best.ckpt", weights_only=True) for r in (run, whole)]
        digests = [each["visus"]["weights_digest"] for each in best]
        assert digests[0] == digests[1]
    code, output = child("command", words=["fit", "--resume"])
    assert code == 0 and f"is finished: {EPOCHS} of {EPOCHS} epochs" in output


SCENES = [
    *("fit", "--config", "classification/scenes", "--model.backbone", "lenet5"),
    *("--trainer.precision", "32-true", "--trainer.log_every_n_steps", "1"),
    *("--data.count", "40", "--data.batch_size", "4", "--data.num_workers", "0"),
]
OPTIONS = {
    "a validation between accumulated batches": [
        *("--trainer.max_epochs", "2", "--trainer.accumulate_grad_batches", "2"),
        *("--trainer.val_check_interval", "3"),
    ],
    "several validations between two steps": [
        *("--trainer.max_epochs", "2", "--trainer.accumulate_grad_batches", "8"),
        *("--trainer.val_check_interval", "2"),
    ],
    "steps instead of epochs": ["--trainer.max_epochs", "-1", "--trainer.max_steps", "25"],
    "steps that end with an epoch": ["--trainer.max_epochs", "-1", "--trainer.max_steps", "20"],
    "accumulated steps instead of epochs": [
        *("--trainer.max_epochs", "-1", "--trainer.max_steps", "9"),
        *("--trainer.accumulate_grad_batches", "3", "--trainer.val_check_interval", "4"),
    ],
    "validations counted across epochs": [
        *("--trainer.max_epochs", "3", "--trainer.val_check_interval", "7"),
        *("--trainer.check_val_every_n_epoch", "null"),
    ],
    "an epoch without validation at the end": [
        *("--trainer.max_epochs", "3", "--trainer.check_val_every_n_epoch", "2"),
    ],
}
"""Options with which a batch, a step, a validation and an epoch do not end together."""

POINTS = [
    ("SIGKILL", "on_train_batch_start", 15),
    ("SIGTERM", "on_train_batch_start", 2),
    ("SIGTERM", "on_train_batch_start", 19),
    ("SIGTERM", "validation_step", 3),
    ("SIGKILL", "validation_step", 3),
    ("SIGKILL", "on_train_batch_start", 10),
]


def results(run):
    """What must be equal: the digests of all checkpoints, the curves and the final metrics."""
    paths = sorted(run.glob("*.ckpt"))
    digests = [torch.load(path, weights_only=True)["visus"]["weights_digest"] for path in paths]
    metrics = json.loads((run / "metrics.json").read_text())["metrics"]
    metrics.pop("minutes")
    return digests, (run / "metrics.csv").read_text(), metrics


@pytest.mark.parametrize("name", OPTIONS if SOAK else list(OPTIONS)[:2])
def test_any_options_are_resumed_exactly(name, workplace, child):
    words = [*SCENES, *OPTIONS[name]]
    code, output = child("command", words=words)
    assert code == 0, output
    whole = newest("runs/*/*/*")
    for fault, hook, step in POINTS[: count(1, len(POINTS))]:
        code, output = child("command", words=words, fault=fault, where=hook, step=step)
        run = newest("runs/*/*/*")
        assert run != whole and code in (0, 128 + signal.SIGTERM, -signal.SIGKILL), output
        code, output = child("command", words=["fit", "--resume", str(run)])
        assert code == 0, output
        assert results(run) == results(whole), (fault, hook, step)


def test_a_signal_in_the_last_batch_does_not_stop_a_training_that_ends(workplace, child):
    words = [*SCENES, "--trainer.max_epochs", "1", "--trainer.limit_val_batches", "0"]
    code, output = child("command", words=words, fault="SIGTERM", step=9)
    assert code == 0 and "next: visus test" in output, output
    assert (newest("runs/*/*/*") / "best.ckpt").is_file()
