"""A tiny exported model, images of faces, and machines with the requirements of exports alone."""

import os

import pytest

from tests.edge import closure, edge
from tests.faces import images

__all__ = ["closure", "edge", "images", "model"]


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A tiny exported model, and the checkpoint it came from."""
    from visus.apps.cli import main

    folder = tmp_path_factory.mktemp("model")
    before = os.getcwd()
    os.chdir(folder)
    os.environ.pop("VISUS_RUN_FOLDER", None)
    try:
        arguments = ["--model.backbone", "lenet5", "--trainer.precision", "32-true"]
        arguments += ["--trainer.max_epochs", "1", "--data.count", "32", "--data.num_workers", "0"]
        assert main(["fit", "--config", "classification/scenes", *arguments]) == 0
        run = next(folder.glob("runs/*/*/*"))
        assert main(["export", str(run), "--output", str(folder / "m.onnx")]) == 0
    finally:
        os.chdir(before)
    return folder / "m.onnx", run
