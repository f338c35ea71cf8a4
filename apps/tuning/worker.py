"""A process that runs the trials of a study, one after the other.

Started as a program with the study's folder, the number of the process and the seconds for which it
may start trials.
"""

import os
import sys
import time
from pathlib import Path

from optuna.trial import TrialState

from visus.apps.tuning.study import open_study, read_plan
from visus.apps.tuning.trial import run_trial
from visus.vision.cores import configure_threads
from visus.vision.errors import VisusError

_FAILURES = 3
"""So many trials that fail, while none succeeded, end a study."""


def run_trials(folder: Path, process: int, seconds: float) -> None:
    """Run trials while there is time for the longest one so far, and the command runs."""
    end = time.monotonic() + seconds
    plan = read_plan(folder)
    study = open_study(folder, plan, process)
    longest, command = 0.0, os.getppid()
    # A process whose parent was killed gets another one.
    while time.monotonic() + longest < end and os.getppid() == command:
        began = time.monotonic()
        study.optimize(lambda trial: run_trial(trial, plan), n_trials=1, catch=(VisusError,))
        longest = max(longest, time.monotonic() - began)
        states = [trial.state for trial in study.get_trials(deepcopy=False)]
        if states.count(TrialState.FAIL) >= _FAILURES and TrialState.COMPLETE not in states:
            return


if __name__ == "__main__":
    configure_threads()
    run_trials(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
