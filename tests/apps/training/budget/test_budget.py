"""Training within a time budget."""

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml

from tests.conftest import newest, save_masked, save_scene
from visus.apps.training.budget import clock, measuring, planned
from visus.apps.training.budget.callbacks import BudgetTimer
from visus.apps.training.budget.clock import Budget
from visus.apps.training.budget.measuring import Measurer
from visus.configs import find_config
from visus.tasks.checkpoints import load_task

SMALL = (
    *("--config", "classification/custom", "--data.image_size", "[32,32]"),
    *("--data.num_workers", "0", "--model.backbone", "resnet9"),
    *("--model.backbone_options", "{width: 4}", "--model.pretrained", "false"),
)


class Ticks:
    """A clock that advances whenever it is read."""

    def __init__(self, step: float) -> None:
        self.time = 0.0
        self.step = step

    def __call__(self) -> float:
        self.time += self.step
        return self.time


@pytest.fixture
def data(workplace):
    for label in ("circle", "square"):
        for i in range(12):
            save_scene(workplace / "set" / label / f"{i}.png", i, label, (40, 40))
    return workplace / "set"


@pytest.fixture
def ticking(monkeypatch):
    def start(step):
        ticks = Ticks(step)
        monkeypatch.setattr(clock, "now", ticks)
        return ticks

    return start


def weights(folder: str):
    state = torch.load(Path(folder) / "last.ckpt", weights_only=True)
    return state["state_dict"], state


def test_equal_runs_under_an_equal_clock_have_equal_weights(visus, data, ticking):
    runs = []
    for _ in range(2):
        ticks = ticking(0.1)
        code, out, err = visus("fit", *SMALL, "--data", data, "--budget", "60s")
        assert code == 0, err
        assert 0.9 * 60 <= ticks.time <= 60
        runs.append(newest("runs/classification/custom/*"))
    assert "input size" in out and "32 x 32" in out and "head" not in out
    (first, state), (second, _) = (weights(run) for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)
    plan = json.loads((Path(runs[0]) / "plan.json").read_text())
    assert plan["budget_seconds"] == 60
    assert {"setting", "value", "reason"} == set(plan["plan"][0])
    # The schedule is complete: the cosine has reached its end.
    rates = [group["lr"] for group in state["optimizer_states"][0]["param_groups"]]
    assert max(rates) < 0.05 * 3e-3


def test_a_resumed_run_continues_with_the_time_that_was_left(visus, data, ticking, monkeypatch):
    from visus.tasks.classification.task import ClassificationTask

    ticks = ticking(0.1)
    step = ClassificationTask.training_step

    def stops(self, batch, batch_idx):
        if ticks.time > 30 and not self.trainer.sanity_checking and self.trainer.logger:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    monkeypatch.setattr(ClassificationTask, "training_step", stops)
    visus("fit", *SMALL, "--data", data, "--budget", "60s")
    monkeypatch.setattr(ClassificationTask, "training_step", step)
    before = weights(newest("runs/classification/custom/*"))[1]
    spent = before["callbacks"]["Timer"]["time_elapsed"]["train"]
    code, _, err = visus("fit", "--resume", "--budget", "90s", "--trainer.max_time", "00:00:01:00")
    assert code == 2 and "--trainer.max_time with --budget" in err
    ticks = ticking(0.1)
    code, out, err = visus("fit", "--resume")
    assert code == 0, err
    assert spent > 15 and 0.9 * 60 - spent <= ticks.time <= 60 - spent
    assert "averaged over" in " ".join(out.split())


def test_the_head_of_a_trained_network_is_fitted_first(visus, data, ticking):
    code, _, err = visus("fit", *SMALL, "--data", data, "--trainer.max_epochs", "1")
    assert code == 0, err
    model = Path(newest("runs/classification/custom/*")) / "last.ckpt"
    ticking(0.05)
    start = ("--init-from", model, "--budget", "60s")
    code, out, err = visus("fit", *SMALL, "--data", data, *start)
    assert code == 0, err
    assert "head first" in out and "samples" in out


def test_tiny_images_are_enlarged_for_a_network_of_photographs(visus, data, ticking):
    ticking(0.5)
    arguments = ("--config", "classification/custom", "--data", data, "--data.num_workers", "0")
    code, out, err = visus("fit", *arguments, "--budget", "60s")
    assert code == 0, err
    # Images of 40 x 40.
    assert "160 x 160" in out
    task = load_task(Path(newest("runs/classification/custom/*"), "last.ckpt"))
    assert tuple(task.image_size) == (160, 160)


def validated_timer(ticks, seconds, interval=100, step=0):
    """A timer of five validations, after two batches of which the second takes so many seconds."""
    timer = BudgetTimer(Budget(100.0), 5)
    trainer = SimpleNamespace(
        sanity_checking=True,
        num_sanity_val_batches=[2],
        num_val_batches=[20],
        global_step=step,
        val_check_batch=interval,
        strategy=SimpleNamespace(broadcast=lambda value: value),
        world_size=1,
    )
    timer.on_validation_start(trainer, None)
    # The first one warms up.
    ticks.time += 2.0
    timer.on_validation_batch_end(trainer, None, None, None, 0)
    ticks.time += seconds
    timer.on_validation_batch_end(trainer, None, None, None, 1)
    timer.on_validation_end(trainer, None)
    return timer, trainer


@pytest.mark.parametrize(("seconds", "interval"), [(0.001, 100), (0.2, 900)])
def test_validations_that_take_longer_than_planned_are_fewer(ticking, seconds, interval):
    # With 0.2 s for a batch 4 s each: one in the time for validations, at the end.
    timer, trainer = validated_timer(ticking(0.0), seconds)
    for _ in range(2):
        timer.on_train_batch_start(trainer)
        assert trainer.val_check_batch == interval
    # A resumed training continues so.
    resumed, again = validated_timer(ticking(0.0), 0.001, step=7)
    resumed.load_state_dict(timer.state_dict())
    resumed.on_train_batch_start(again)
    assert again.val_check_batch == interval


def test_data_in_arrays_are_trained_under_a_budget(visus, workplace, ticking):
    ticking(0.3)
    code, out, err = visus("fit", "--config", "classification/digits", "--budget", "30s")
    assert code == 0, err
    assert "validations" in out


def test_a_slow_machine_trains_the_head_on_features_of_some_views(
    visus, data, ticking, monkeypatch
):
    from visus.tasks.classification.task import ClassificationTask

    code, _, err = visus("fit", *SMALL, "--data", data, "--trainer.max_epochs", "1")
    assert code == 0, err
    model = Path(newest("runs/classification/custom/*")) / "last.ckpt"
    monkeypatch.setattr(planned, "make_plan", partial(_slower, planned.make_plan))
    fit_head, fitted = ClassificationTask.fit_head, []

    def record(self, samples):
        fitted.append(fit_head(self, samples))

    monkeypatch.setattr(ClassificationTask, "fit_head", record)
    ticking(0.05)
    start = ("--init-from", model, "--budget", "60s")
    code, out, err = visus("fit", *SMALL, "--data", data, *start)
    assert code == 0, err
    assert "the head alone" in out and len(fitted) == 1
    before, after = (weights(path)[0] for path in (model.parent, newest("runs/*/custom/*")))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(".head." in name for name in changed)


def _slower(plan, measured, choices, seconds):
    """The plan for a machine on which a sample of the smallest size takes a second."""
    pixels = {each: math.prod(each.size) for each in measured.sample_seconds}
    times = {each: count / min(pixels.values()) for each, count in pixels.items()}
    return plan(replace(measured, sample_seconds=times), choices, seconds)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--budget", "15"), "'15' is not a duration; write a number and a unit, such as 15m"),
        (("--budget", "5s"), "--budget 5s: trains nothing; give 20s or more"),
        (("--budget", "-3m"), "not a duration"),
        (("--budget",), "--budget needs a value"),
        (("--budget", "1m", "--trainer.max_time", "00:00:01:00"), "--trainer.max_time with --bud"),
        (("--budget", "1m", "--trainer.max_epochs", "3"), "--trainer.max_epochs with --budget"),
        (("--budget", "1m", "--trainer.devices", "2"), "one device, not on 2 of each of 1 nodes"),
        (("--budget", "1m", "--trainer.devices", "[0,1]"), "one device, not on [0, 1] of each"),
        (("--budget", "1m", "--trainer.num_nodes", "2"), "one device, not on 1 of each of 2 nodes"),
    ],
)
def test_wrong_budgets_are_refused(visus, data, arguments, message):
    code, _, err = visus("fit", "--data", data, *arguments)
    assert code == 2 and message in err and err.count("\n") == 1
    assert not Path("runs").exists()


def test_a_budget_that_is_spent_before_the_training_is_refused(visus, data, ticking):
    ticking(9.0)
    code, _, err = visus("fit", *SMALL, "--data", data, "--budget", "30s")
    assert code == 2 and "leaves too little for training; give more time" in err


def test_a_trainer_that_is_refused_leaves_no_run(visus, data, ticking):
    ticking(0.001)
    code, _, err = visus(
        *("fit", *SMALL, "--data", data, "--budget", "1h"), "--trainer.strategy", "x"
    )
    assert code == 2 and "strategy" in err and "not empty" not in err
    assert not list(Path("runs").glob("*/*/*"))


@pytest.mark.parametrize("command", ["test", "validate"])
@pytest.mark.parametrize("option", ["--budget=2m", "--resume"])
def test_options_of_training_are_refused_elsewhere(visus, command, option):
    code, _, err = visus(command, "latest", option)
    assert code == 2 and f"belongs to visus fit, not to visus {command}" in err


SEGMENTER = (
    *("--model.backbone", "test_resnet", "--model.pretrained", "false"),
    *("--data.num_workers", "0", "--data.batch_size", "4", "--budget", "60s"),
)


def trained_sizes(visus, *arguments):
    """The input size and the training crops of a segmenter that is trained within a minute."""
    code, _, err = visus("fit", *arguments, *SEGMENTER)
    assert code == 0, err
    config = Path(newest("runs/segmentation/*/*")) / "config.yaml"
    data = yaml.safe_load(config.read_text())["data"]["init_args"]
    return data["image_size"], data["crop_size"]


def test_segmenters_learn_from_crops(visus, workplace, ticking):
    root = save_masked(workplace / "set", "folders", 8, (192, 288))
    custom = ("--config", "segmentation/custom", "--data", root)
    whole = (*custom, "--data.image_size", "[192,256]")
    ticking(0.2)
    assert trained_sizes(visus, *whole) == ([192, 256], [128, 160])
    ticking(0.2)
    own = ("--data.crop_size", "[160,192]")
    assert trained_sizes(visus, *whole, *own) == ([192, 256], [160, 192])


def test_crops_of_a_configuration_are_scaled_with_its_images(
    visus, workplace, ticking, monkeypatch
):
    root = save_masked(workplace / "set", "folders", 16, (192, 288))
    config = yaml.safe_load(find_config("segmentation/custom").read_text())
    config["data"]["init_args"] = {"image_size": [384, 512], "crop_size": [288, 320]}
    Path("mine.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.setattr(planned, "make_plan", partial(_slower, planned.make_plan))
    ticking(0.2)
    sizes = trained_sizes(visus, "--config", "mine.yaml", "--data", root)
    assert sizes == ([192, 256], [128, 160])


def test_half_precision_is_chosen_where_it_is_faster(visus, data, ticking, monkeypatch):
    """Steps of both precisions are measured; the user's own choice is kept."""
    measured, times = [], {"bf16-mixed": 0.001}

    def seconds(self, candidate, limit):
        measured.append(self.precision)
        return times.get(self.precision, 0.0015)

    monkeypatch.setattr(Measurer, "_sample_seconds", seconds)
    monkeypatch.setattr(measuring, "_computes_bfloat16", lambda accelerator: True)
    arguments = ("fit", *SMALL, "--data", data, "--budget", "60s")
    ticking(0.1)
    code, out, err = visus(*arguments)
    assert code == 0, err
    assert "1.50 times as fast as float32" in " ".join(out.split())
    assert [str(each) for each in measured].count("bf16-mixed") == len(measured) - 1
    stored = torch.load(newest("runs/*/*/*/last.ckpt"), weights_only=True)["visus"]
    assert stored["training"]["trainer"]["precision"] == "bf16-mixed"
    times["bf16-mixed"] = 0.0014
    ticking(0.1)
    code, out, err = visus(*arguments)
    assert code == 0 and "as fast as float32" not in out, err
    stored = torch.load(newest("runs/*/*/*/last.ckpt"), weights_only=True)["visus"]
    assert stored["training"]["trainer"]["precision"] != "bf16-mixed"
    measured.clear()
    ticking(0.1)
    code, out, err = visus(*arguments, "--trainer.precision", "32-true")
    assert code == 0 and "as fast as float32" not in out, err
    assert set(measured) == {"32-true"}
