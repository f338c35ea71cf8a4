"""How many CPU cores this process may use, and how its threads wait for each other."""

import math
import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")

SPINS = 20_000
"""Turns for which a thread of GNU OpenMP, PyTorch's on Linux, waits actively before it sleeps.

Its default of 300,000 turns, milliseconds, takes the cores from the threads that are waited for
when other processes run; threads that sleep at once halve the speed of single images on a quiet
machine (`benchmarks/busy_machine.py`).
"""

_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def usable_cores() -> int:
    """The number of cores: those of the process's affinity, within the quota of its container."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, math.ceil(min(allowed or 1, _quota())))


def configure_threads() -> None:
    """Set how many threads OpenMP starts and how they wait; call it before torch is imported.

    Variables that the user has set stay as they are.
    """
    if not any(name in os.environ for name in _WAITING):
        os.environ["GOMP_SPINCOUNT"] = str(SPINS)
    if usable_cores() < (os.cpu_count() or 1):
        os.environ.setdefault("OMP_NUM_THREADS", str(usable_cores()))


def _quota() -> float:
    """Cores' worth of time that the control groups of this process allow; infinite without one."""
    try:
        lines = _OWN_CGROUP.read_text().splitlines()
    except OSError:
        return math.inf
    quotas = [math.inf]
    for line in lines:
        number, controllers, group = line.split(":", 2)
        is_version_2 = number == "0"
        if is_version_2 or "cpu" in controllers.split(","):
            root = _CGROUPS if is_version_2 else _CGROUPS / "cpu"
            # In a container the own group may be the root of what is mounted.
            folder = root / group.lstrip("/")
            quotas += [_group_quota(each) for each in (root, folder, *folder.parents)]
    return min(quotas)


def _group_quota(folder: Path) -> float:
    """The quota of one control group, of version 2 or 1."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
        return math.inf if quota in ("max", "-1") else int(quota) / int(period)
    except (OSError, ValueError):
        return math.inf
