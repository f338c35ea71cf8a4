"""A tiny exported model, images of faces, and machines with the requirements of exports alone."""

import pytest

from tests.edge import closure, edge
from tests.faces import images
from tests.training import train_in

__all__ = ["closure", "edge", "images", "model"]


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A tiny exported model, and the checkpoint it came from."""
    from visus.apps.cli import main

    folder = tmp_path_factory.mktemp("model")
    arguments = ["--model.backbone", "lenet5", "--trainer.precision", "32-true"]
    arguments += ["--trainer.max_epochs", "1", "--data.count", "32", "--data.num_workers", "0"]
    run = train_in(folder, "--config", "classification/scenes", *arguments)
    assert main(["export", str(run), "--output", str(folder / "m.onnx")]) == 0
    return folder / "m.onnx", run
