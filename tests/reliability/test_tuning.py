"""A search that is killed in its middle continues, and loses none of its finished trials."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from tests.reliability.counts import SOAK

COMMAND = [
    *(str(Path(sys.executable).with_name("visus")), "tune", "--config", "classification/digits"),
    *("--data.num_workers", "0", "--trainer.max_epochs", "2", "--output", "found"),
]

if SOAK:

    def test_a_killed_search_continues_with_its_finished_trials(workplace):
        for seconds in (25, 12, 18):
            search = subprocess.Popen(
                [*COMMAND, "--budget", "5m"],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            time.sleep(seconds)
            assert search.poll() is None
            # All of its processes, as the system ends them without memory.
            os.killpg(search.pid, signal.SIGKILL)
            search.wait()
        done = subprocess.run([*COMMAND, "--budget", "40s"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        rows = list(csv.DictReader(Path("found/trials.csv").open()))
        complete = [row for row in rows if row["state"] == "complete"]
        # More than the last call alone had time for, and none that was killed counts.
        assert len(complete) >= 3
        assert [row["trial"] for row in rows] == [str(number) for number in range(len(rows))]
        assert not [row for row in rows if row["state"] == "running"]
        best = max(complete, key=lambda row: float(row["value"]))
        assert Path(best["run"], "best.ckpt").is_file()
        written = yaml.safe_load(Path("found/best.yaml").read_text())
        assert written["model"]["init_args"]["learning_rate"] == float(best["model.learning_rate"])
