import os
import time

import pytest

from visus.vision import busy_cores
from visus.vision.busy_cores import AdaptiveThreads

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


class Machine:
    """Files of `/proc` of a machine with four cores, a thousand seconds after its start."""

    def __init__(self, folder):
        self.folder = folder
        self.busy = dict.fromkeys(range(4), 100_000)
        self.own = self.child = 20_000
        (folder / "self/task" / str(os.getpid())).mkdir(parents=True)
        (folder / "77").mkdir()
        self.write()

    def write(self):
        lines = [f"cpu{core} {ticks} 0 0 5 0 0 0 0 0 0" for core, ticks in self.busy.items()]
        (self.folder / "stat").write_text("cpu 1 2 3\n" + "\n".join(lines) + "\nintr 5\n")
        (self.folder / "self/stat").write_text(
            f"1 (a (b) c) R {'0 ' * 10}{self.own - 5} 5 0 0 20 0\n"
        )
        (self.folder / "77/stat").write_text(f"77 (w) R {'0 ' * 10}{self.child} 0 0 0 20 0\n")
        (self.folder / "self/task" / str(os.getpid()) / "children").write_text("77 78 ")

    def run(self, threads, seconds, busy, own=0.0, child=0.0):
        """Time passes, while other processes use `busy` cores."""
        ticks = os.sysconf("SC_CLK_TCK")
        self.own += round(own * seconds * ticks)
        self.child += round(child * seconds * ticks)
        self.busy[0] += round((busy + own + child) * seconds * ticks)
        self.write()
        self.time += seconds
        threads.update()

    time = 1000.0


@pytest.fixture
def machine(tmp_path, monkeypatch):
    machine = Machine(tmp_path)
    monkeypatch.setattr(busy_cores, "_PROC", tmp_path)
    monkeypatch.setattr(busy_cores, "usable_cores", lambda: 4)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(time, "monotonic", lambda: machine.time)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return machine


def test_cores_that_others_use_are_left_to_them(machine):
    chosen = []
    threads = AdaptiveThreads(chosen.append)
    threads.update()
    machine.run(threads, 2, busy=0.3, own=3.5, child=0.9)
    assert chosen == [], "its own processes are no others"
    machine.run(threads, 2, busy=0.9, own=3)
    machine.run(threads, 2, busy=2.2, own=1.8)
    machine.run(threads, 2, busy=4, own=0.5)
    machine.run(threads, 2, busy=0, own=1)
    assert chosen == [3, 2, 1, 4]
    machine.run(threads, 0.5, busy=4)
    assert chosen == [3, 2, 1, 4], "once a second"


def test_the_users_number_of_threads_stays(machine, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    threads = AdaptiveThreads(pytest.fail)
    threads.update()
    machine.run(threads, 2, busy=4)


def test_nothing_changes_on_systems_without_these_files(machine):
    threads = AdaptiveThreads(pytest.fail)
    threads.update()
    (machine.folder / "stat").unlink()
    machine.time += 2
    threads.update()
