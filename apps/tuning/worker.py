"""A process that runs the trials of a study, one after the other.

Started as a program with the study's folder, the number of the process and the time until which it
may run trials, in seconds since 1970.
"""

import os
import sys
import time
from pathlib import Path

import optuna
from optuna.trial import TrialState

from visus.apps.live.stopping import until_stopped
from visus.apps.tuning.study import PROBLEM, StudyPlan, longest_trial, open_study, read_plan
from visus.apps.tuning.trial import run_trial
from visus.vision.cores import configure_threads
from visus.vision.errors import VisusError

_FAILURES = 3
"""So many trials that fail, while none succeeded, end a study."""


def run_trials(folder: Path, process: int, end: float) -> None:
    """Run trials while there is time for the longest one so far, and the command runs."""
    plan = read_plan(folder)
    study = open_study(folder, plan, process)
    command = os.getppid()
    # A process whose parent was killed gets another one.
    while time.time() + longest_trial(study) < end and os.getppid() == command:
        study.optimize(lambda trial: _run(trial, plan), n_trials=1, catch=(VisusError,))
        trials = study.get_trials(deepcopy=False)
        # Without those that were interrupted.
        failed = [t for t in trials if t.state == TrialState.FAIL and PROBLEM in t.user_attrs]
        succeeded = any(trial.state == TrialState.COMPLETE for trial in trials)
        if len(failed) >= _FAILURES and not succeeded:
            return


def _run(trial: optuna.Trial, plan: StudyPlan) -> float:
    """Run a trial; one that is interrupted is repeated when the search continues."""
    try:
        return run_trial(trial, plan)
    except KeyboardInterrupt:
        trial.study.enqueue_trial(trial.params)
        raise


if __name__ == "__main__":
    configure_threads()
    with until_stopped():
        run_trials(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
