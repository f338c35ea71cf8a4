"""visus tune: trials, the best configuration, continuing, wrong search spaces."""

import csv
import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import optuna
import pytest
import yaml

from tests.conftest import PATIENCE
from visus.apps.tuning.planning import plan_study
from visus.apps.tuning.results import describe
from visus.apps.tuning.space import Choices, Range
from visus.apps.tuning.study import StudyPlan, is_interrupted, open_study, read_plan
from visus.apps.tuning.trial import run_trial
from visus.configs import find_config

SHORT = (
    *("--data.num_workers", "0", "--trainer.max_epochs", "1"),
    *("--trainer.limit_train_batches", "8"),
)
DIGITS = ("--config", "classification/digits")
SPACE = {
    "model.learning_rate": {"low": 0.0005, "high": 0.02, "log": True},
    "model.backbone_options.activation": ["relu", "tanh"],
    "data.batch_size": {"low": 8, "high": 32, "step": 8},
}


def write_config(path, space):
    content = yaml.safe_load(find_config("classification/digits").read_text())
    path.write_text(yaml.safe_dump({**content, "tune": space}))
    return path


def rows(folder):
    return list(csv.DictReader((folder / "trials.csv").open()))


def test_the_best_of_all_trials_is_written_and_a_search_continues(visus, workplace):
    config = write_config(workplace / "my.yaml", SPACE)
    command = ("tune", "--config", config, "--processes", "2", *SHORT, "--output", "found")
    code, out, err = visus(*command, "--budget", "40s")
    assert code == 0, err
    found = rows(workplace / "found")
    complete = [row for row in found if row["state"] == "complete"]
    assert len(complete) >= 2 and "trial 0 (the configuration's own values)" in out
    best = max(complete, key=lambda row: float(row["value"]))
    written = yaml.safe_load((workplace / "found" / "best.yaml").read_text())
    model = written["model"]["init_args"]
    assert model["learning_rate"] == pytest.approx(float(best["model.learning_rate"]))
    assert model["backbone_options"]["activation"] == best["model.backbone_options.activation"]
    assert model["backbone_options"]["init"] == "he" and "tune" not in written
    # The options of the command line, too.
    assert written["trainer"] == {"devices": "1", "limit_train_batches": 8, "max_epochs": 1}
    assert out.rstrip().endswith(
        "the options of the best trial; visus fit --config found/best.yaml"
    )
    # Own values first; weights of the best trial alone stay.
    assert float(next(r for r in found if r["trial"] == "0")["model.learning_rate"]) == 0.002
    kept = {str(path.parent) for path in Path("runs").glob("*/*/*/best.ckpt")}
    assert kept == {best["run"]}
    code, out, err = visus("fit", "--config", "found/best.yaml")
    assert code == 0 and f"best val/accuracy {float(best['value']):.4f}" in out, err
    code, out, err = visus(*command, "--budget", "1s")
    finished = sum(row["state"] not in ("interrupted", "waiting") for row in found)
    assert code == 0 and f"found: continues after {finished} trials" in out, err
    assert rows(workplace / "found") == found and "no trial was started: one took" in out
    code, _, err = visus(*command, "--budget", "1s", "--max-latency", "9ms")
    assert code == 2 and "another search space or other options" in err


def test_a_second_search_in_the_folder_is_refused(visus, workplace, monkeypatch):
    command = ("tune", *DIGITS, *SHORT, "--budget", "1s", "--trial-time", "1s", "--output", "s")
    monkeypatch.setattr("visus.apps.tuning.run._run", lambda *_: None)
    visus(*command)
    with closing(sqlite3.connect("s/running.lock", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        code, _, err = visus(*command)
        assert code == 2 and "another visus tune searches there" in err


def test_a_stopped_search_stops_its_processes(workplace):
    config = write_config(workplace / "my.yaml", SPACE)
    command = [Path(sys.executable).with_name("visus"), "tune", "--config", config]
    command += ["--budget", "300s", "--processes", "1", "--output", "found"]
    command += [*SHORT[:2], "--trainer.max_epochs", "400"]
    log = workplace / "found" / "process-0.log"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + PATIENCE
        while not (log.exists() and "epoch 2" in log.read_text()) and time.monotonic() < end:
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 130
    # No process of it goes on.
    size = log.stat().st_size
    time.sleep(1)
    assert log.stat().st_size == size
    assert next(Path("runs").glob("*/*/*")).is_dir()
    assert not any(Path("runs").glob("*/*/*/*.ckpt"))
    # The trial that was interrupted is repeated from its start when the search continues.
    stopped, waiting = open_study(Path("found"), read_plan(Path("found"))).trials
    assert is_interrupted(stopped) and "interrupted" in describe(stopped, plan())
    assert waiting.system_attrs["fixed_params"] == stopped.params


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"model.learning_rat": [1]}, "my.yaml:"),
        ({"model.learning_rat": [1]}, "there is no such option; did you mean model.learning_rate"),
        ({"model.learning_rate": {"low": 1, "high": 1}}, "the range from 1 to 1 is empty"),
        ({"model.learning_rate": {"low": 0, "high": 1, "log": True}}, "must be above 0"),
        ({"model.learning_rate": {"low": "1e-3", "high": 1}}, "write 1.0e-3"),
        ({"model.learning_rate": {"low": 0.1}}, "is not a range; write {low: 1, high: 8}"),
        (
            {"model.learning_rate": {"low": 1, "high": 2, "lok": True}},
            "unknown 'lok'; did you mean low",
        ),
        (
            {"model.backbone_options.activatio": ["relu"]},
            "did you mean model.backbone_opt",
        ),
        ({"model.backbone": []}, "the list of choices is empty"),
        ({"data.image_size": [[32, 32]]}, "choices are numbers, words"),
        ([], "--tune '[]' is not of type dict"),
        ({}, "tune: is empty"),
    ],
)
def test_wrong_search_spaces_are_refused_before_any_trial(visus, workplace, space, message):
    config = write_config(workplace / "my.yaml", space)
    code, _, err = visus("tune", "--config", config, "--budget", "60s")
    assert code == 2 and message in err.replace("learning_rate?", "learning_rate"), err
    assert err.count("\n") == 1 and not (workplace / "runs").exists()


def test_wrong_arguments_are_one_line(visus, workplace):
    for arguments, message in (
        (DIGITS, "--budget"),
        (("--budget", "60s"), "name your data"),
        ((*DIGITS, "--budget", "5"), "--budget: '5' is not a duration"),
        (
            (*DIGITS, "--budget", "9s", "--trial-time", "1m"),
            "too short",
        ),
        ((*DIGITS, "--budget", "9s", "--processes", "0"), "1 to 64"),
        ((*DIGITS, "--budget", "9s", "--model.lerning_rate", "1"), "did you mean learning_rate"),
        ((*DIGITS, "--budget", "9s", "--data.batch_size", "x"), "'x' is not of type int"),
        ((*DIGITS, "--budget", "9s", "--resume"), "each trial is a new training"),
    ):
        code, _, err = visus("tune", *arguments)
        assert code == 2 and message in err and err.count("\n") == 1, err
        assert not (workplace / "runs").exists()


def test_an_option_is_searched_or_given(visus, workplace):
    config = find_config("classification/digits")
    found = plan_study(config, Path("found"), ["--model.learning_rate", "0.1"])
    assert list(found.space) == ["model.weight_decay"]
    code, _, err = visus(
        *("tune", *DIGITS, "--budget", "9s", "--model.learning_rate=1", "--model.weight_decay=1")
    )
    assert code == 2 and "no learning rate is left to search" in err
    config = write_config(workplace / "my.yaml", SPACE)
    for option, value in (("data.batch_size", "8"), ("model.backbone_options", "{init: he}")):
        code, _, err = visus("tune", "--config", config, "--budget", "9s", f"--{option}", value)
        assert code == 2 and f"--{option} sets {option}" in err and "leave one of the two" in err
    # Another option of the backbone is none that is searched.
    found = plan_study(config, Path("found"), ["--model.backbone_options.init", "zeros"])
    assert found.defaults["model.backbone_options.activation"] == "relu"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (None, "--model is required"),
        ({"init_args": {"learning_rate": 1}}, "VisionTask is not a task with a metric"),
        ("own.Task", "pass --allow-custom-classes"),
    ],
)
def test_a_configuration_without_a_task_is_refused(visus, workplace, model, message):
    content = {"data": "visus.datamodules.classification.arrays.DigitsData"}
    content |= {} if model is None else {"model": model}
    (workplace / "my.yaml").write_text(yaml.safe_dump(content))
    code, _, err = visus("tune", "--config", "my.yaml", "--budget", "9s")
    assert code == 2 and message in err and err.count("\n") == 1, err


def test_the_model_is_written_as_visus_fit_reads_it(workplace):
    task = "visus.tasks.classification.task.ClassificationTask"
    data = "data: visus.datamodules.classification.arrays.DigitsData\n"
    path = workplace / "my.yaml"
    for model, rate in (
        (task, 0.001),
        # Text for YAML, a number for `visus fit`.
        (f"{{class_path: {task}, init_args: {{learning_rate: 2e-3}}}}", 0.002),
    ):
        path.write_text(f"model: {model}\n{data}")
        assert plan_study(path, Path("found"), []).defaults["model.learning_rate"] == rate
    own = "from visus.tasks.classification.task import ClassificationTask\n\n\n"
    own += "class Task(ClassificationTask):\n    monitor = ('val/loss', 'min')\n"
    (workplace / "own.py").write_text(own)
    path.write_text(f"model: own.Task\n{data}")
    # A process that denied such classes once refuses them.
    program = "from pathlib import Path; from visus.apps.tuning.planning import plan_study\n"
    program += (
        f"print(plan_study(Path('{path}'), Path('found'), ['--allow-custom-classes']).metric)"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "val/loss\n"


def test_a_budget_without_a_trial_is_an_error(visus, workplace):
    arguments = ("--config", "classification/digits", "--budget", "1s", "--output", "found")
    code, _, err = visus("tune", *arguments)
    assert code == 2 and "no trial ended within 1 s" in err, err


def plan(**options):
    arguments = ["--config", "classification/digits", *SHORT]
    space = {"model.learning_rate": Range(0.001, 0.01)}
    return StudyPlan(arguments, space, {}, "val/accuracy", "maximize", **options)


class Trial(optuna.trial.FixedTrial):
    """A trial with fixed values, which the study may end."""

    prunes = False
    reported: list

    def report(self, value, step):
        self.__dict__.setdefault("reported", []).append((step, value))

    def should_prune(self):
        return self.prunes


def test_a_trial_that_is_worse_than_others_ends_early(workplace, capfd):
    trial = Trial({"model.learning_rate": 0.002})
    arguments = ["--trainer.max_epochs", "4"]
    long = plan()
    long = StudyPlan(**{**vars(long), "arguments": [*long.arguments, *arguments]})
    value = run_trial(trial, long)
    assert [step for step, _ in trial.reported] == [25, 50, 75, 100]
    assert value == max(value for _, value in trial.reported)
    worse = Trial({"model.learning_rate": 0.002})
    worse.prunes = True
    with pytest.raises(optuna.TrialPruned):
        run_trial(worse, long)
    assert [step for step, _ in worse.reported] == [25]
    assert worse.user_attrs["problem"] == "worse than others so far"


def test_a_network_that_is_too_slow_is_not_trained(workplace):
    trial = Trial({"model.learning_rate": 0.002})
    with pytest.raises(optuna.TrialPruned):
        run_trial(trial, plan(max_latency=1e-6))
    assert "ms an image" in trial.user_attrs["problem"]
    assert not any(Path("runs").glob("*/*/*"))


def test_a_plan_is_read_as_it_was_written():
    space = {"a": Choices(("x", 1, None)), "b": Range(1, 8, step=2), "c": Range(0.1, 1.0, True)}
    written = StudyPlan(["--x"], space, {"a": 1}, "val/map", "maximize", 5.0)
    assert StudyPlan.from_json(written.to_json()) == written
    assert json.loads(written.to_json())["space"]["b"]["step"] == 2
