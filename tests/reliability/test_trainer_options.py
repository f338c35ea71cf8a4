"""Options of Lightning's trainer: the run is right, or one line refuses before training."""

import csv
import logging
import random
from pathlib import Path

import pytest
import torch
from torch.optim import SGD, lr_scheduler

from tests.conftest import newest, newest_metrics
from tests.reliability.counts import count

BATCHES = 4
TINY = (
    *("fit", "--config", "classification/scenes", "--model.backbone", "lenet5"),
    *("--trainer.precision", "32-true", "--data.count", "32", "--data.batch_size", "8"),
    *("--data.image_size", "[32,32]", "--data.num_workers", "0", "--trainer.max_epochs", "2"),
)
CALL = "--trainer.callbacks"
STOP = (CALL, "EarlyStopping", f"{CALL}.monitor")
KEEP = (CALL, "ModelCheckpoint", f"{CALL}.monitor")
MONITOR = (CALL, "LearningRateMonitor", f"{CALL}.logging_interval", "step")
OWN = ("--optimizer", "SGD", "--optimizer.lr", "0.01")
REFUSED = None
CALLBACKS = [
    ((*STOP, "val/loss"), (2, 8)),
    ((*STOP, "val/accuracy", f"{CALL}.mode", "max"), (2, 8)),
    ((*STOP, "val/loss", f"{CALL}.stopping_threshold", "99"), (1, 4)),
    ((*STOP, "train/loss", f"{CALL}.divergence_threshold", "0.0001"), (1, 4)),
    ((*STOP, "val/loss", *STOP, "val/accuracy", f"{CALL}.mode", "max"), (2, 8)),
    ((*STOP, "val/loss", *STOP, "val/loss"), REFUSED),
    ((*STOP, "val/accuracy"), REFUSED),
    ((*STOP, "val_loss"), REFUSED),
    ((*STOP, "val/nothing"), REFUSED),
    ((*STOP, "val/loss", "--trainer.limit_val_batches", "0"), REFUSED),
    ((*STOP, "val/loss", "--trainer.check_val_every_n_epoch", "2"), (2, 8)),
    ((CALL, "EarlyStopping"), REFUSED),
    ((CALL, "ModelCheckpoint"), (2, 8)),
    ((*KEEP, "val/loss"), (2, 8)),
    ((*KEEP, "epoch", f"{CALL}.mode", "max"), (2, 8)),
    ((*KEEP, "val/loss", *KEEP, "val/accuracy", f"{CALL}.mode", "max"), (2, 8)),
    ((*KEEP, "val_accuracy"), REFUSED),
    ((*KEEP, "val/loss", f"{CALL}.every_n_epochs", "5"), (2, 8)),
    ((CALL, "ModelCheckpoint", f"{CALL}.every_n_train_steps", "1"), (2, 8)),
    ((CALL, "ModelCheckpoint", f"{CALL}.train_time_interval", "00:00:01"), (2, 8)),
    ((CALL, "ModelCheckpoint", f"{CALL}.save_last", "true", f"{CALL}.dirpath", "x"), (2, 8)),
    ((CALL, "LearningRateMonitor"), (2, 8)),
    (MONITOR, (2, 8)),
    ((CALL, "LearningRateMonitor", "--trainer.logger", "false"), REFUSED),
    ((CALL, "LearningRateFinder", f"{CALL}.num_training_steps", "20"), (2, 8)),
    ((CALL, "StochasticWeightAveraging", f"{CALL}.swa_lrs", "0.01"), (2, 8)),
    ((CALL, "EMAWeightAveraging", f"{CALL}.decay", "0.9"), (2, 8)),
    ((CALL, "TQDMProgressBar", f"{CALL}.refresh_rate", "10"), (2, 8)),
    ((CALL, "TQDMProgressBar", CALL, "RichProgressBar"), REFUSED),
    ((CALL, "TQDMProgressBar", "--trainer.enable_progress_bar", "false"), REFUSED),
    ((CALL, "ModelSummary"), (2, 8)),
    ((CALL, "Timer", f"{CALL}.duration", "00:01:00:00"), (2, 8)),
    ((CALL, "DeviceStatsMonitor"), (2, 8)),
    ((CALL, "GradientAccumulationScheduler", f"{CALL}.scheduling", "{0: 2}"), (2, 4)),
    ((CALL, "BackboneFinetuning"), REFUSED),
    ((CALL, "ModelPruning", f"{CALL}.pruning_fn", "l1_unstructured"), REFUSED),
    ((CALL, "Early"), REFUSED),
    ((CALL, "os.system"), REFUSED),
    ((CALL, "[{class_path: LearningRateMonitor}, {class_path: ModelSummary}]"), (2, 8)),
]
STOPS = [
    (("--trainer.max_epochs", "-1", "--trainer.max_steps", "6"), (2, 6)),
    (("--trainer.max_steps", "3"), (1, 3)),
    (("--trainer.max_epochs", "0"), REFUSED),
    (("--trainer.max_steps", "0"), REFUSED),
    (("--trainer.max_time", "00:00:00:00"), REFUSED),
    (("--trainer.max_time", "20s"), REFUSED),
    (("--trainer.max_epochs", "-2"), REFUSED),
    (("--trainer.min_epochs", "3", "--trainer.max_epochs", "3"), (3, 12)),
    (("--trainer.check_val_every_n_epoch", "3"), (2, 8)),
    (("--trainer.check_val_every_n_epoch", "2", "--trainer.max_epochs", "3"), (3, 12)),
    (("--trainer.limit_val_batches", "0"), (2, 8)),
    (("--trainer.limit_train_batches", "2"), (2, 4)),
    (("--trainer.limit_train_batches", "0"), REFUSED),
    (("--trainer.val_check_interval", "0.5"), (2, 8)),
    (("--trainer.val_check_interval", "2"), (2, 8)),
    (("--trainer.val_check_interval", "3", "--trainer.check_val_every_n_epoch", "null"), (2, 8)),
    (("--trainer.val_check_interval", "9"), REFUSED),
    (("--trainer.num_sanity_val_steps", "0"), (2, 8)),
    (("--trainer.overfit_batches", "1"), (2, 2)),
    (("--trainer.accumulate_grad_batches", "3"), (2, 4)),
    (("--trainer.precision", "bf16-mixed"), (2, 8)),
    (("--trainer.precision", "bf16-true"), REFUSED),
    (("--trainer.precision", "16-true"), REFUSED),
    (("--trainer.precision", "64-true"), REFUSED),
    (("--trainer.precision", "transformer-engine"), REFUSED),
    (("--trainer.accelerator", "gpu"), REFUSED),
    (("--trainer.devices", "1000"), REFUSED),
    (("--trainer.strategy", "nothing"), REFUSED),
    (("--trainer.barebones", "true"), REFUSED),
    (("--trainer.logger", "false"), (2, 8)),
    (("--trainer.profiler", "simple"), (2, 8)),
    (("--trainer.enable_model_summary", "true"), (2, 8)),
    (("--trainer.enable_checkpointing", "false"), REFUSED),
    (("--optimizer", "LBFGS"), REFUSED),
    (("--optimizer", "Muon", "--optimizer.lr", "0.01"), REFUSED),
    ((*OWN, "--model.learning_rate", "0.1"), REFUSED),
    ((*OWN, "--lr_scheduler", "StepLR"), REFUSED),
    (("--lr_scheduler", "StepLR", "--lr_scheduler.step_size", "1"), REFUSED),
    ((*OWN, "--lr_scheduler", "LambdaLR", "--lr_scheduler.lr_lambda", "os.system"), REFUSED),
    ((*OWN, "--lr_scheduler", "OneCycleLR", "--lr_scheduler.max_lr", "0.1"), REFUSED),
    ((*OWN, "--lr_scheduler", "ReduceLROnPlateau"), REFUSED),
    ((*OWN, "--lr_scheduler", "ReduceLROnPlateau", "--lr_scheduler.monitor", "loss"), REFUSED),
]
SCHEDULERS = {
    "StepLR": {"step_size": 1},
    "MultiStepLR": {"milestones": [1]},
    "ConstantLR": {},
    "LinearLR": {},
    "ExponentialLR": {"gamma": 0.5},
    "PolynomialLR": {},
    "CosineAnnealingLR": {"T_max": 2},
    "CosineAnnealingWarmRestarts": {"T_0": 2},
    "CyclicLR": {"base_lr": 0.001, "max_lr": 0.01},
    "OneCycleLR": {"max_lr": 0.1, "total_steps": 8},
}
EACH_BATCH = ("CyclicLR", "OneCycleLR")


def column(name):
    """The values of a metric in the newest run, in order."""
    with open(newest("runs/*/*/*/metrics.csv"), newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name)]


def check_run(out, err, epochs, steps):
    run = newest("runs/*/*/*")
    last = torch.load(run / "last.ckpt", weights_only=True)
    done = last["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
    assert (done, last["global_step"]) == (epochs, steps)
    assert (run / "best.ckpt").is_file() and f"next: visus test {run}" in out, err
    if "val/accuracy" not in newest_metrics():
        assert "nothing was validated" in out and "best val" not in out
        return
    best = newest_metrics()["best_val/accuracy"]
    assert f"best val/accuracy {best:.4f}" in out
    if (run / "metrics.csv").is_file():
        assert best == pytest.approx(max(column("val/accuracy")))


def chosen(cases, quick):
    """All cases in full, and a few by chance in `make test`."""
    order = list(cases)
    random.Random(1).shuffle(order)
    return order[: count(quick, len(order))]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("arguments", "expected"), chosen(CALLBACKS, 4) + chosen(STOPS, 4), ids=lambda a: str(a)[:60]
)
def test_the_run_is_right_or_refused_in_one_line(visus, arguments, expected):
    code, out, err = visus(*TINY, *arguments)
    if expected is REFUSED:
        lines = err.strip().splitlines()
        assert code == 2 and len(lines) == 1 and lines[0].startswith("visus: "), err
        named = {each.partition(".")[0] for each in arguments if each.startswith("--")}
        assert any(each in err for each in named) or "val_check_interval" in err
        assert not list(Path().glob("runs/*/*/*/*.ckpt"))
    else:
        assert code == 0, err
        check_run(out, err, *expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", chosen(SCHEDULERS, 1))
def test_rates_are_those_of_the_scheduler(visus, name):
    options = [f"--lr_scheduler.{key}={value}" for key, value in SCHEDULERS[name].items()]
    log = ("--trainer.log_every_n_steps", "1")
    code, out, err = visus(*TINY, *OWN, "--lr_scheduler", name, *options, *MONITOR, *log)
    assert code == 0, err
    check_run(out, err, 2, 8)
    weights = [torch.nn.Parameter(torch.zeros(1))]
    optimizer = SGD(weights, lr=0.01)
    scheduler = getattr(lr_scheduler, name)(optimizer, **SCHEDULERS[name])
    expected = []
    for step in range(1, 2 * BATCHES + 1):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if name in EACH_BATCH or step % BATCHES == 0:
            scheduler.step()
    assert column("lr-SGD") == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("every", ["1", "2"])
def test_reduce_on_plateau_follows_the_validations(visus, every):
    plateau = ("--lr_scheduler", "ReduceLROnPlateau", "--lr_scheduler.monitor", "val/accuracy")
    plateau += ("--lr_scheduler.mode", "max", "--lr_scheduler.patience", "0")
    plateau += ("--lr_scheduler.threshold", "2", "--trainer.max_epochs", "4")
    log = ("--trainer.log_every_n_steps", "1", "--trainer.check_val_every_n_epoch", every)
    code, _, err = visus(*TINY, *OWN, *plateau, *MONITOR, *log)
    assert code == 0, err
    # The first validation is the best, the next is no better.
    per_epoch = column("lr-SGD")[::BATCHES]
    expected = {"1": [0.01, 0.01, 0.001, 0.0001], "2": [0.01, 0.01, 0.01, 0.01]}[every]
    assert per_epoch == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore")
def test_averaged_weights_are_those_of_the_last_checkpoint(visus):
    average = (CALL, "StochasticWeightAveraging", f"{CALL}.swa_lrs", "0.01")
    average += (f"{CALL}.swa_epoch_start", "2")
    each = (CALL, "ModelCheckpoint", f"{CALL}.save_top_k", "-1", f"{CALL}.every_n_epochs", "1")
    code, _, err = visus(*TINY, "--trainer.max_epochs", "3", *average, *each)
    assert code == 0, err
    run = newest("runs/*/*/*")
    weights = [
        torch.load(path, weights_only=True)["state_dict"]
        for path in sorted((run / "checkpoints").glob("*.ckpt"))
    ]
    last = torch.load(run / "last.ckpt", weights_only=True)["state_dict"]
    # Lightning averages the weights at the beginning of the second and of the third epoch.
    assert len(weights) == 3
    for name, value in last.items():
        mean = torch.stack([each[name].double() for each in weights[:2]]).mean(0)
        assert torch.allclose(value.double(), mean, atol=1e-5), name


@pytest.mark.filterwarnings("ignore")
def test_what_is_asked_for_is_printed(visus):
    shown = []

    class Collect(logging.Handler):
        def emit(self, record):
            shown.append(record.getMessage())

    handler = Collect()
    logging.getLogger("pytorch_lightning").addHandler(handler)
    try:
        code, _, err = visus(*TINY, CALL, "ModelSummary", "--trainer.profiler", "simple")
        assert code == 0, err
        stop = (*STOP, "val/loss", f"{CALL}.stopping_threshold", "99", f"{CALL}.verbose", "true")
        code, out, _ = visus(*TINY, *stop)
    finally:
        logging.getLogger("pytorch_lightning").removeHandler(handler)
    text = "\n".join(shown)
    assert code == 0 and "stopped in epoch 1: Stopping threshold reached" in out
    for part in ("Trainable params", "Profiler Report", "Stopping threshold reached"):
        assert part in text
    assert "GPU available" not in text


@pytest.mark.filterwarnings("ignore")
def test_a_training_without_a_number_of_epochs_ends_with_its_time(visus):
    end = ("--trainer.max_epochs", "-1", "--trainer.max_time", "00:00:00:02")
    code, out, err = visus(*TINY, *end, *MONITOR, "--trainer.log_every_n_steps", "1")
    assert code == 0, err
    rates = column("lr-AdamW/pg1")
    assert len(rates) > 2 * BATCHES
    assert rates[-1] < 0.2 * max(rates) and rates.index(max(rates)) < 0.5 * len(rates)
    assert "epoch 1  " in out and (newest("runs/*/*/*") / "best.ckpt").is_file()


@pytest.mark.filterwarnings("ignore")
def test_the_learning_rate_that_was_found_holds_to_the_end(visus):
    found = (CALL, "LearningRateFinder", f"{CALL}.num_training_steps", "30")
    found += (f"{CALL}.max_lr", "0.5")
    log = ("--trainer.log_every_n_steps", "1", "--trainer.max_epochs", "5")
    assert visus(*TINY, *log, *MONITOR)[0] == 0
    expected = column("lr-AdamW/pg1")
    code, _, err = visus(*TINY, *log, *found, *MONITOR)
    assert code == 0, err
    rates = column("lr-AdamW/pg1")
    # The same schedule with another peak.
    scale = max(rates) / max(expected)
    assert scale != pytest.approx(1)
    assert rates == pytest.approx([scale * rate for rate in expected], abs=1e-9)


@pytest.mark.filterwarnings("ignore")
def test_another_batch_size_continues_the_schedule(visus):
    log = (*MONITOR, "--trainer.log_every_n_steps", "1", "--trainer.max_epochs", "4")
    code, _, err = visus(*TINY, *log, "--trainer.max_steps", str(2 * BATCHES))
    assert code == 0, err
    resumed = ("--resume", "latest", "--trainer.max_steps", "-1", "--data.batch_size", "4")
    code, _, err = visus("fit", *resumed)
    assert code == 0, err
    rates = column("lr-AdamW/pg1")[2 * BATCHES :]
    assert len(rates) == 2 * 2 * BATCHES
    assert 0 < rates[-1] < 0.1 * rates[0] and rates == sorted(rates, reverse=True)
