"""Run a study, and write what came out of it."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import optuna
import yaml

from visus.apps.parsing import CommandError
from visus.apps.tuning.results import describe, print_best, write_results
from visus.apps.tuning.space import BLOCK
from visus.apps.tuning.study import (
    PROBLEM,
    StudyPlan,
    best_trial,
    is_interrupted,
    keep_best_weights,
    longest_trial,
    start_study,
)
from visus.apps.tuning.workers import Workers, visible_gpus
from visus.vision.wording import counted

_LOCK = "running.lock"


def run_study(
    config: Path, folder: Path, plan: StudyPlan, seconds: float, processes: int
) -> optuna.Study:
    """Run the trials that fit in the time, print them, and write the results into the folder.

    Args:
        config: The configuration that the plan was made from.
        folder: Of the study, which is continued if there is one.
        plan: Of the study.
        seconds: The time.
        processes: Number of trials at the same time.

    Raises:
        CommandError: If no trial was completed, the folder holds something else, or another process
            searches there.
        KeyboardInterrupt: If a signal ended it, once the results so far are written.
    """
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    content.pop(BLOCK, None)
    study = start_study(folder, plan, content)
    with _alone(folder):
        return _run(study, folder, plan, seconds, processes)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Refuse a second search in the folder, which would remove the weights of this one's trials.

    Raises:
        CommandError: If another process searches there.
    """
    # SQLite's lock ends with the process, however that ends, on every system.
    with closing(sqlite3.connect(folder / _LOCK, timeout=0, isolation_level=None)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            raise CommandError(
                f"--output {folder}: another visus tune searches there; wait until it has ended, "
                "or name another folder"
            ) from None
        yield


def _run(
    study: optuna.Study, folder: Path, plan: StudyPlan, seconds: float, processes: int
) -> optuna.Study:
    ended_before = [each for each in study.trials if each.state.is_finished()]
    known = {each.number for each in ended_before}
    count = sum(not is_interrupted(each) for each in ended_before)
    done = f"continues after {counted(count, 'trial')}" if count else f"searches for {plan.metric}"
    print(f"{folder}: {done}, {counted(len(plan.space), 'option')}", flush=True)
    workers = Workers(folder, processes, seconds, visible_gpus() if plan.uses_one_device else ())
    printed: set[int] = set()

    def report() -> None:
        for trial in study.get_trials(deepcopy=False):
            if trial.state.is_finished() and trial.number not in known:
                known.add(trial.number)
                print(describe(trial, plan), flush=True)
                keep_best_weights(study)
        for number in workers.failed.keys() - printed:
            printed.add(number)
            print(workers.failed[number], flush=True)

    ended = workers.run(report)
    keep_best_weights(study, stopped=True)
    if best_trial(study) is not None:
        if ended and len(known) == len(ended_before) and not workers.failed:
            longest = longest_trial(study)
            print(f"no trial was started: one took {longest:.0f} s; give a longer --budget")
        print_best(study, plan)
        write_results(study, plan, folder)
    elif ended:
        raise CommandError(_nothing(study, folder, seconds, list(workers.failed.values())))
    if not ended:
        raise KeyboardInterrupt
    return study


def _nothing(study: optuna.Study, folder: Path, seconds: float, failed: Sequence[str]) -> str:
    """Why no trial is complete.

    Args:
        study: The study.
        folder: Its folder.
        seconds: The time.
        failed: See `Workers.failed`.
    """
    problems = [each.user_attrs[PROBLEM] for each in study.trials if PROBLEM in each.user_attrs]
    problems += failed
    if problems:
        return f"no trial succeeded: {problems[-1]}"
    return (
        f"no trial ended within {seconds:g} s; give a longer --budget, or --trial-time; the same "
        f"command continues {folder}"
    )
