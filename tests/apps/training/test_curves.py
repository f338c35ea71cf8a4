"""`curves.png` shows each epoch of a training, of an interrupted one too."""

import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from visus.apps.training.curves import CurvesFile, draw_training
from visus.vision.images import read_image


@pytest.mark.parametrize("count", [1, 2, 200])
def test_any_number_of_epochs_is_drawn(tmp_path: Path, count: int) -> None:
    epochs = [
        {"epoch": i + 1.0, "train/loss": 1 / (i + 1), "val/map": i / 10, "learning rate": 0.1}
        for i in range(count)
    ]
    epochs[0]["val/map_large"] = math.nan
    draw_training(tmp_path / "curves.png", epochs, "val/map", "max")
    image = read_image(tmp_path / "curves.png")
    # Three panels: an undefined metric has none.
    assert image.shape == (300, 1200, 3)
    for i in range(3):
        panel = image[20:260, 400 * i + 60 : 400 * i + 390].astype(int)
        assert (abs(panel[..., 0] - panel[..., 2]) > 50).any(), f"no curve in panel {i}"


def test_a_training_without_metrics_leaves_a_file(tmp_path: Path) -> None:
    draw_training(tmp_path / "c.png", [{"epoch": 1.0, "learning rate": 0.1}], "val/map", "max")
    assert (tmp_path / "c.png").is_file()


def test_a_resumed_training_continues_its_curves(tmp_path: Path) -> None:
    optimiser = SimpleNamespace(param_groups=[{"lr": 0.25}])

    # By which Lightning has divided the losses.
    accumulated = 4

    def trainer(epoch: int, accuracy: float) -> SimpleNamespace:
        metrics = {"val/accuracy": torch.tensor(accuracy), "val/f1/cat": torch.tensor(0.0)}
        return SimpleNamespace(
            current_epoch=epoch,
            callback_metrics=metrics,
            optimizers=[optimiser],
            sanity_checking=False,
            accumulate_grad_batches=accumulated,
        )

    curves = CurvesFile(tmp_path)
    for step, loss in enumerate((1.0, 3.0)):
        curves.on_train_batch_end(trainer(0, 0), None, {"loss": torch.tensor(loss / 4)}, None, step)
    curves.on_validation_end(trainer(0, 0.5), None)
    curves.on_train_epoch_end(trainer(0, 0.5), None)
    curves.on_train_batch_end(trainer(1, 0.5), None, {"loss": torch.tensor(1.0)}, None, 0)

    resumed = CurvesFile(tmp_path)
    resumed.load_state_dict(curves.state_dict())
    resumed.on_train_batch_end(trainer(1, 0.5), None, {"loss": torch.tensor(0.5)}, None, 1)
    # An epoch without validation does not repeat the last metrics.
    resumed.on_train_epoch_end(trainer(1, 0.5), None)
    first, second = resumed.state_dict()["epochs"]
    assert first == {"epoch": 1, "train/loss": 2, "val/accuracy": 0.5, "learning rate": 0.25}
    assert second == {"epoch": 2, "train/loss": 3, "learning rate": 0.25}
