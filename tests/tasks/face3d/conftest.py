"""A tiny network for 3D faces, and its prediction for a photograph."""

import pytest
import skimage.data

from tests.edge import edge
from tests.training import train_in

__all__ = ["edge", "prediction", "run", "tiny"]

TINY = (
    *("--model.backbone", "convnet", "--model.pretrained", "false"),
    *("--data.face_model", "procedural", "--data.components", "4"),
    *("--data.expressions", "[jawOpen]"),
    *("--data.count", "32", "--data.batch_size", "8", "--data.image_size", "[64,64]"),
    *("--data.num_workers", "0", "--trainer.max_epochs", "1", "--model.learning_rate", "1e-5"),
)


@pytest.fixture(scope="session")
def tiny():
    """The arguments of `fit` for the tiny network."""
    return ("fit", "--config", "face3d/synthetic", *TINY)


@pytest.fixture(scope="session")
def run(tiny, tmp_path_factory):
    """The run folder of a network that is hardly trained: it predicts the mean face."""
    folder = tmp_path_factory.mktemp("face3d")
    return train_in(folder, *tiny[1:])


@pytest.fixture(scope="session")
def prediction(run):
    """A photograph of one face, and its prediction."""
    from visus.apps.inference.loading import load_model

    image = skimage.data.astronaut()[:256, 96:352]
    return image, load_model(str(run)).predict(image)
