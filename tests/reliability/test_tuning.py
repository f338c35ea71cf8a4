"""A search that is killed in its middle continues, and loses none of its finished trials."""

import csv
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import yaml

from tests.reliability.counts import SOAK

COMMAND = [
    *(str(Path(sys.executable).with_name("visus")), "tune", "--config", "classification/digits"),
    *("--data.num_workers", "0", "--trainer.max_epochs", "2", "--output", "found"),
]

if SOAK:

    def test_a_killed_search_continues_with_its_finished_trials(workplace):
        finished = [{}]
        for seconds in (1, 3, 5):
            search = subprocess.Popen(
                [*COMMAND, "--budget", "5m"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            end = time.monotonic() + 120
            while len(complete_trials()) == len(finished[-1]):
                assert search.poll() is None and time.monotonic() < end
                time.sleep(0.5)
            # In the middle of the next trial.
            time.sleep(seconds)
            # All of its processes, as the system ends them without memory.
            kill_with_children(search.pid)
            search.wait()
            finished.append(complete_trials())
        done = subprocess.run([*COMMAND, "--budget", "60s"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        finished.append(complete_trials())
        for before, after in pairwise(finished):
            assert before.items() <= after.items()
        assert len(finished[-1]) > len(finished[-2])
        rows = list(csv.DictReader(Path("found/trials.csv").open()))
        assert [row["trial"] for row in rows] == [str(number) for number in range(len(rows))]
        # Killed trials are marked as such, and repeated.
        killed = [row for row in rows if row["state"] in ("failed", "interrupted")]
        assert 0 < len(killed) <= 4
        best = max(
            (row for row in rows if row["state"] == "complete"), key=lambda row: float(row["value"])
        )
        assert Path(best["run"], "best.ckpt").is_file()
        written = yaml.safe_load(Path("found/best.yaml").read_text())
        assert written["model"]["init_args"]["learning_rate"] == float(best["model.learning_rate"])


def kill_with_children(process):
    """SIGKILL to a process and all that it started."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    for child in map(int, children):
        kill_with_children(child)
    os.kill(process, signal.SIGKILL)


def complete_trials():
    """The metric of each complete trial in the study of `found`, by its number."""
    import optuna

    if not Path("found/study.db").exists():
        return {}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.load_study(study_name="tune", storage="sqlite:///found/study.db")
    return {t.number: t.value for t in study.trials if t.state.name == "COMPLETE"}
