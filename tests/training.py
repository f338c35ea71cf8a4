"""Tiny trained models that the tests of a module share."""

import os
from contextlib import contextmanager


@contextmanager
def inside(folder):
    """A current folder for fixtures of a module, which cannot use `monkeypatch`."""
    before = os.getcwd()
    os.chdir(folder)
    os.environ.pop("VISUS_RUN_FOLDER", None)
    try:
        yield folder
    finally:
        os.chdir(before)


def train_in(folder, *arguments):
    """Run `visus fit` in a folder; returns the run folder."""
    from visus.apps.cli import main

    with inside(folder):
        assert main(["fit", *map(str, arguments)]) == 0
        return max(folder.glob("runs/*/*/*"), key=lambda path: path.stat().st_mtime_ns)
