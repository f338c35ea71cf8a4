"""A study: its storage, and its trials on several processes."""

import json
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
import yaml
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from visus.apps.parsing import CommandError
from visus.apps.tuning.space import Choices, Range, Space
from visus.tasks.checkpoint_files import remove_partial_files
from visus.vision.output_files import write_text

_STORAGE = "study.db"
_NAME = "tune"
_PLAN = "study.json"

CONFIG = "config.yaml"
"""The configuration in a study's folder, without its search space."""

RUN = "run"
"""Attribute of a trial: its run folder."""

OPTIONS = "options"
"""Attribute of a trial: its options as a configuration, those of the command line included."""

PROBLEM = "problem"
"""Attribute of a trial: why it failed or was ended, in words; one that was interrupted has none."""

ONE_DEVICE = "--trainer.devices=1"
"""Argument of trials that leave the other GPUs to other processes."""

_BEAT = 5
"""Seconds between two signs of life of a process; after four without one its trial has failed."""


@dataclass(frozen=True)
class StudyPlan:
    """What a study searches, and how.

    Attributes:
        arguments: Of `visus fit`, for all trials.
        space: What differs from trial to trial.
        defaults: The configuration's own values in that space, which are tried first.
        metric: The metric that is optimised, such as `val/accuracy`.
        direction: `maximize` or `minimize`.
        max_latency: The most milliseconds that the network may take for an image, or None.
        prunes: Whether trials that do worse than others end early.
        sampler: `tpe` (Bergstra et al. 2011), or `random` to compare it with.
        seed: Of the sampler.
    """

    arguments: list[str]
    space: Space
    defaults: dict[str, Any]
    metric: str
    direction: Literal["minimize", "maximize"]
    max_latency: float | None = None
    prunes: bool = True
    sampler: str = "tpe"
    seed: int = 0

    def to_json(self) -> str:
        """As text, for the processes of the study, and to recognise it when it is continued."""
        space = {key: asdict(each) for key, each in self.space.items()}
        return json.dumps({**vars(self), "space": space}, indent=2, default=str) + "\n"

    @property
    def uses_one_device(self) -> bool:
        """Whether each trial trains on one device, so that its process needs one GPU."""
        return ONE_DEVICE in self.arguments

    @classmethod
    def from_json(cls, text: str) -> "StudyPlan":
        """The plan that `to_json` wrote."""
        values = json.loads(text)
        if "figure" in values:
            # Its name in earlier versions.
            values["metric"] = values.pop("figure")
        space: dict[str, Choices | Range] = {}
        for key, each in values.pop("space").items():
            space[key] = Choices(tuple(each["values"])) if "values" in each else Range(**each)
        return cls(space=space, **values)


def read_plan(folder: Path) -> StudyPlan:
    """The plan of a study's folder."""
    return StudyPlan.from_json((folder / _PLAN).read_text(encoding="utf-8"))


def open_study(folder: Path, plan: StudyPlan, process: int = 0) -> optuna.Study:
    """The study in a folder, created if there is none.

    Args:
        folder: Holds the storage.
        plan: Of the study.
        process: The process that will run trials, from 0; each draws other arguments.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seed = plan.seed + 1000 * process
    sampler: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed)
    if plan.sampler == "tpe":
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if plan.prunes:
        # Validations are at percentages of a training. In trials that were recorded to their end,
        # starting later saved less, and keeping fewer than half missed the best trial.
        pruner = optuna.pruners.PercentilePruner(
            50.0, n_startup_trials=2, n_warmup_steps=10, interval_steps=1
        )
    return optuna.create_study(
        study_name=_NAME,
        storage=_storage(folder),
        sampler=sampler,
        pruner=pruner,
        direction=plan.direction,
        load_if_exists=True,
    )


def start_study(folder: Path, plan: StudyPlan, config: Mapping[str, Any]) -> optuna.Study:
    """Create a study, or continue that in the folder.

    One without a complete trial is replaced where the plan or the configuration has changed.

    Args:
        folder: Of the study.
        plan: Of the study.
        config: The content of the configuration, without its `tune:` block.

    Raises:
        CommandError: If the folder holds another study, or other files.
    """
    if (folder / _PLAN).is_file():
        difference = _difference(folder, plan, config)
        if difference and _has_results(open_study(folder, plan)):
            raise CommandError(
                f"--output {folder}: holds a study of {difference}; name another folder, or remove "
                "it"
            )
        if difference:
            optuna.delete_study(study_name=_NAME, storage=_storage(folder))
    elif folder.exists() and any(folder.iterdir()):
        raise CommandError(f"--output {folder}: holds other files; name a new folder")
    # The plan first, by which a folder is recognised after a kill.
    write_text(folder / _PLAN, plan.to_json())
    write_text(folder / CONFIG, yaml.safe_dump(dict(config), sort_keys=False))
    study = open_study(folder, plan)
    if plan.defaults and not study.get_trials(deepcopy=False):
        study.enqueue_trial(plan.defaults)
    return study


def _storage(folder: Path) -> RDBStorage:
    with warnings.catch_warnings():
        # Repeating the trials of processes that died may change in a later version.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return RDBStorage(
            f"sqlite:///{folder / _STORAGE}",
            heartbeat_interval=_BEAT,
            grace_period=4 * _BEAT,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=1),
        )


def _difference(folder: Path, plan: StudyPlan, config: Mapping[str, Any]) -> str:
    """In what the study of a folder differs, for a message; empty if it is the same."""
    path = folder / CONFIG
    if path.is_file():
        stored = dict(_entries(yaml.safe_load(path.read_text(encoding="utf-8"))))
        # As it is read again: without aliases and the like.
        given = dict(_entries(yaml.safe_load(yaml.safe_dump(dict(config)))))
        for key in sorted(stored.keys() | given.keys()):
            if key not in given or key not in stored or stored[key] != given[key]:
                there, here = stored.get(key, "not set"), given.get(key, "not set")
                return f"another configuration, where {key} is {there!r} instead of {here!r}"
    try:
        same = read_plan(folder).to_json() == plan.to_json()
    except (KeyError, TypeError, ValueError):
        same = False
    return "" if same else "another search space or other options"


def _entries(content: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested mappings by dotted key."""
    if not isinstance(content, dict) or not content:
        yield key, content
        return
    for name, value in content.items():
        yield from _entries(value, f"{key}.{name}" if key else str(name))


def _has_results(study: optuna.Study) -> bool:
    """Whether a trial is complete, or goes on in another process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)
    states = {trial.state for trial in study.get_trials(deepcopy=False)}
    return bool(states & {TrialState.COMPLETE, TrialState.RUNNING})


def keep_best_weights(study: optuna.Study, stopped: bool = False) -> None:
    """Remove `best.ckpt` and `last.ckpt` of all trials but the best.

    Args:
        study: The study.
        stopped: Whether no trial goes on, so that one that was interrupted loses its own, too.
    """
    # First: a better trial that completes meanwhile keeps its weights.
    trials = study.get_trials(deepcopy=False)
    best = best_trial(study)
    for trial in trials:
        folder = trial.user_attrs.get(RUN)
        ended = stopped or trial.state.is_finished()
        if folder is not None and ended and (best is None or trial.number != best.number):
            for name in ("best.ckpt", "last.ckpt"):
                Path(folder, name).unlink(missing_ok=True)
            remove_partial_files(Path(folder))


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The best finished trial; None if there is none."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return study.best_trial if complete else None


def is_interrupted(trial: FrozenTrial) -> bool:
    """Whether a trial was stopped or killed, and did not fail by itself."""
    failed = trial.state == TrialState.FAIL
    return trial.state == TrialState.RUNNING or (failed and PROBLEM not in trial.user_attrs)


def has_own_values(trial: FrozenTrial, plan: StudyPlan) -> bool:
    """Whether a trial has the configuration's own values throughout."""
    return plan.defaults.keys() == plan.space.keys() and trial.params == plan.defaults


def longest_trial(study: optuna.Study) -> float:
    """The seconds of the longest trial that was not interrupted; 0 if there is none."""
    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
    return max((t.duration.total_seconds() for t in ended if t.duration is not None), default=0.0)
