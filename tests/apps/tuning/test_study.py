"""What a study keeps: its plan, its configuration, its trials; nothing is trained here."""

import math
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
import torch
from optuna.trial import TrialState, create_trial

from visus.apps.parsing import CommandError
from visus.apps.tuning import trial as trials
from visus.apps.tuning import worker
from visus.apps.tuning.planning import plan_study
from visus.apps.tuning.results import describe
from visus.apps.tuning.space import Range
from visus.apps.tuning.study import (
    PROBLEM,
    RUN,
    StudyPlan,
    is_interrupted,
    keep_best_weights,
    longest_trial,
    open_study,
    start_study,
)
from visus.apps.tuning.workers import visible_gpus, worker_environment
from visus.configs import find_config
from visus.tasks.classification.task import ClassificationTask
from visus.vision.errors import VisusError

FOUND = Path("found")
PLAN = StudyPlan(
    ["--config", "found/config.yaml"],
    {"model.learning_rate": Range(0.001, 0.01)},
    {"model.learning_rate": 0.002},
    "val/accuracy",
    "maximize",
)
CONFIG = {"model": {"init_args": {"learning_rate": 0.002}}, "trainer": {"max_epochs": 1}}


def complete(study, value=0.5, seconds=60.0, **attributes):
    """Add a complete trial of some seconds."""
    trial = create_trial(
        value=value,
        params={"model.learning_rate": 0.003},
        distributions={"model.learning_rate": optuna.distributions.FloatDistribution(0.001, 0.01)},
        user_attrs=attributes,
    )
    trial.datetime_start = datetime.now()
    trial.datetime_complete = trial.datetime_start + timedelta(seconds=seconds)
    study.add_trial(trial)


def run_trials(monkeypatch, outcome, seconds=600):
    """Run the trials of a process, each of which has an outcome in place of a training."""

    def run_trial(trial, plan):
        for key, entry in plan.space.items():
            entry.suggest(trial, key)
        return outcome(trial)

    monkeypatch.setattr(worker, "run_trial", run_trial)
    worker.run_trials(FOUND, 0, datetime.now().timestamp() + seconds)


def test_another_configuration_does_not_continue_a_study(workplace):
    complete(start_study(FOUND, PLAN, CONFIG))
    assert len(start_study(FOUND, PLAN, CONFIG).trials) == 2
    # Earlier versions had another name for the metric.
    path = FOUND / "study.json"
    path.write_text(path.read_text().replace('"metric"', '"figure"'))
    assert len(start_study(FOUND, PLAN, CONFIG).trials) == 2
    changed = {**CONFIG, "trainer": {"max_epochs": 2, "precision": "32-true"}}
    with pytest.raises(CommandError, match=r"trainer.max_epochs is 1 instead of 2; name another"):
        start_study(FOUND, PLAN, changed)
    other = StudyPlan(**{**vars(PLAN), "arguments": []})
    with pytest.raises(CommandError, match="another search space or other options"):
        start_study(FOUND, other, CONFIG)


@pytest.mark.filterwarnings("ignore:Heartbeat")
def test_a_study_without_a_complete_trial_is_replaced(workplace):
    start_study(FOUND, PLAN, CONFIG).ask()
    other = StudyPlan(**{**vars(PLAN), "defaults": {"model.learning_rate": 0.004}})
    # A trial that goes on belongs to another command.
    with pytest.raises(CommandError, match="other options"):
        start_study(FOUND, other, CONFIG)
    study = open_study(FOUND, PLAN)
    study.tell(0, state=TrialState.FAIL)
    (trial,) = start_study(FOUND, other, CONFIG).trials
    assert trial.system_attrs["fixed_params"] == other.defaults
    assert worker.read_plan(FOUND) == other


def test_the_own_values_are_tried_also_after_a_kill_before_they_were_stored(workplace):
    study = start_study(FOUND, PLAN, CONFIG)
    optuna.delete_study(study_name=study.study_name, storage=study._storage)
    open_study(FOUND, PLAN)
    for _ in range(2):
        (trial,) = start_study(FOUND, PLAN, CONFIG).trials
        assert trial.system_attrs["fixed_params"] == PLAN.defaults


def test_an_interrupted_trial_is_repeated_and_is_no_failure(workplace, monkeypatch):
    def interrupt(trial):
        raise KeyboardInterrupt

    study = start_study(FOUND, PLAN, CONFIG)
    for number in range(4):
        with pytest.raises(KeyboardInterrupt):
            run_trials(monkeypatch, interrupt)
        stopped = study.trials[number]
        assert is_interrupted(stopped) and "interrupted" in describe(stopped, PLAN)
        start_study(FOUND, PLAN, CONFIG)
    values = []

    def fail(trial):
        values.append(trial.params["model.learning_rate"])
        trial.set_user_attr(PROBLEM, "too large")
        raise VisusError("too large")

    run_trials(monkeypatch, fail)
    # Three failures end the search.
    assert values[0] == 0.002 and len(values) == 3 and len(set(values)) == 3
    assert not is_interrupted(study.trials[4])
    assert "(the configuration's own values): failed, too large" in describe(study.trials[4], PLAN)


def test_no_trial_is_started_that_is_known_to_take_longer(workplace, monkeypatch):
    study = start_study(FOUND, PLAN, CONFIG)
    complete(study, seconds=60)
    assert longest_trial(study) == pytest.approx(60)
    run_trials(monkeypatch, lambda trial: pytest.fail("it was started"), seconds=50)
    with pytest.raises(KeyError):
        run_trials(monkeypatch, lambda trial: {}["started"], seconds=600)


def test_checkpoints_of_other_names_stay(workplace):
    study = start_study(FOUND, PLAN, CONFIG)
    for run, value in (("best", 0.9), ("other", 0.5)):
        Path(run).mkdir()
        for name in ("best.ckpt", "last.ckpt", "last.ckpt.part", "mine.ckpt"):
            Path(run, name).touch()
        complete(study, value, **{RUN: run})
    keep_best_weights(study, stopped=True)
    assert [path.name for path in Path("other").iterdir()] == ["mine.ckpt"]
    assert len(list(Path("best").iterdir())) == 4


def test_a_metric_that_is_nan_is_none():
    trial = SimpleNamespace(report=None, should_prune=None)
    end = trials.TrialEnd(trial)
    metrics = {"val/accuracy": torch.tensor(math.nan)}
    trainer = SimpleNamespace(sanity_checking=False, callback_metrics=metrics)
    end.on_validation_end(trainer, ClassificationTask.__new__(ClassificationTask))
    assert end.best is None and end.measured


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (VisusError("too\nlarge"), "too large"),
        (RuntimeError("cuDNN"), "RuntimeError: cuDNN"),
        (None, "val/accuracy was NaN in each validation"),
    ],
)
def test_the_problem_of_a_failed_trial_is_stored(monkeypatch, error, problem):
    cli = SimpleNamespace(folder=FOUND, trainer=SimpleNamespace(callbacks=[]))

    def start(subcommand, cli, keywords):
        if error is not None:
            raise error
        cli.trainer.callbacks[0].measured = True

    monkeypatch.setattr(trials, "prepare", lambda *given: (cli, {}))
    monkeypatch.setattr(trials, "parse_arguments", lambda *given: None)
    monkeypatch.setattr(trials, "chosen_options", lambda cli: {})
    monkeypatch.setattr(trials, "start", start)
    trial = optuna.trial.FixedTrial({"model.learning_rate": 0.002})
    with pytest.raises(VisusError if error is None else type(error)):
        trials.run_trial(trial, PLAN)
    assert trial.user_attrs[PROBLEM] == problem


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="needs a shell")
def test_a_process_that_was_killed_is_reported(visus, workplace, monkeypatch):
    killed = workplace / "killed"
    killed.write_text("#!/bin/sh\nkill -9 $$\n")
    killed.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(killed))
    code, out, err = visus(
        *("tune", "--config", "classification/digits", "--budget", "60s", "--output", "found")
    )
    assert code == 2 and err.startswith("visus: no trial succeeded: process 0 was ended by SIGKILL")
    assert "process-0.log" in err and "process 0 was ended by SIGKILL" in out


def test_each_process_trains_on_one_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    seen = [worker_environment(i, visible_gpus())["CUDA_VISIBLE_DEVICES"] for i in range(3)]
    assert seen == ["0", "1", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    assert worker_environment(1, visible_gpus())["CUDA_VISIBLE_DEVICES"] == "7"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert worker_environment(1, visible_gpus())["CUDA_VISIBLE_DEVICES"] == "4,7"
    config = find_config("classification/digits")
    assert plan_study(config, FOUND, []).uses_one_device
    given = plan_study(config, FOUND, ["--trainer.devices", "2"])
    assert not given.uses_one_device and given.arguments[-1] == "2"
