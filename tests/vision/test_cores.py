import os

import pytest

from visus.vision import cores

ALL = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Control groups of a machine; returns a function that writes their files."""
    monkeypatch.setattr(cores, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "_OWN_CGROUP", tmp_path / "own")

    def write(own, **files):
        (tmp_path / "own").write_text(own)
        for name, content in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    return write


def test_without_control_groups_all_cores_of_the_affinity_are_used(groups):
    assert cores.usable_cores() == ALL


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/", {"cpu.max": "100000 100000\n"}, 1),
        ("0::/", {"cpu.max": "150000 100000\n"}, min(2, ALL)),
        ("0::/", {"cpu.max": "max 100000\n"}, ALL),
        ("0::/docker/abc", {"docker/abc/cpu.max": "50000 100000\n"}, 1),
        # A service in a slice with a quota.
        ("0::/a/b", {"a/cpu.max": "100000 100000\n", "a/b/cpu.max": "max 100000\n"}, 1),
        (
            "4:cpu,cpuacct:/x",
            {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            1,
        ),
        (
            "4:cpu,cpuacct:/",
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            ALL,
        ),
        ("0::/", {"cpu.max": "damaged"}, ALL),
    ],
)
def test_the_quota_of_a_container_counts(groups, own, files, expected):
    groups(own, **files)
    assert cores.usable_cores() == expected


def test_variables_of_the_user_stay(groups, monkeypatch):
    groups("0::/", **{"cpu.max": "100000 100000"})
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    with monkeypatch.context() as context:
        context.setenv("OMP_WAIT_POLICY", "ACTIVE")
        context.setenv("OMP_NUM_THREADS", "7")
        cores.configure_threads()
        assert "GOMP_SPINCOUNT" not in os.environ and os.environ["OMP_NUM_THREADS"] == "7"
    cores.configure_threads()
    assert os.environ["GOMP_SPINCOUNT"] == str(cores.SPINS)
    assert os.environ.get("OMP_NUM_THREADS") == (None if os.cpu_count() == 1 else "1")
    for name in ("GOMP_SPINCOUNT", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
