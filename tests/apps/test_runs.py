"""Which run `latest` is."""

import os

from visus.apps.runs import RUNS, find_checkpoint


def save(name, time, *files):
    folder = RUNS / "classification" / "custom" / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file).touch()
        os.utime(folder / file, (time, time))
    return folder


def test_latest_is_the_run_that_was_trained_last(workplace):
    old = save("20260101-120000", 100, "best.ckpt", "last.ckpt")
    new = save("20260102-120000", 200, "best.ckpt", "last.ckpt")
    assert find_checkpoint("latest").parent == new
    # A calibrated checkpoint, and files of other commands beside it.
    save(old.name, 300, "best.ckpt", "compressed.ckpt", "report.html")
    assert find_checkpoint("latest").parent == new
    # The old one was resumed.
    save(old.name, 400, "last.ckpt")
    assert find_checkpoint("latest").parent == old
