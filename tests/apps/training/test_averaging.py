"""Averaged weights: what a task chooses after a validation is theirs, integers stay."""

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from visus.apps.training.averaging import averaged, recent_average


class Tiny(pl.LightningModule):
    """A network with indices, and a threshold that each validation sets."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.layer.register_buffer("index", torch.arange(169))
        self.register_buffer("threshold", torch.tensor(float("nan")))
        self.validations = 0

    def training_step(self, batch, batch_idx):
        return self.layer(batch).square().mean()

    def validation_step(self, batch, batch_idx):
        assert torch.equal(self.layer.index, torch.arange(169))

    def on_validation_epoch_end(self):
        self.validations += 1
        self.threshold.fill_(0.1 * self.validations)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def test_a_chosen_threshold_is_saved_with_the_averaged_weights(tmp_path):
    torch.manual_seed(0)
    module = Tiny()
    loader = DataLoader(torch.ones(4, 1), 1)
    checkpoints = pl.callbacks.ModelCheckpoint(tmp_path, "last", save_top_k=-1)
    trainer = pl.Trainer(
        max_epochs=3,
        callbacks=averaged([pl.callbacks.EMAWeightAveraging(decay=0.9), checkpoints]),
        logger=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        accelerator="cpu",
    )
    trainer.fit(module, loader, loader)
    saved = torch.load(checkpoints.best_model_path or checkpoints.last_model_path)
    for state in (saved["state_dict"], module.state_dict()):
        assert torch.isclose(state["threshold"], torch.tensor(0.3))
        assert torch.equal(state["layer.index"], torch.arange(169))
    # They are averages all the same.
    current = saved["current_model_state"]["layer.weight"]
    assert not torch.equal(saved["state_dict"]["layer.weight"], current)


def test_the_average_of_recent_steps_grows_with_their_number():
    update, values = recent_average(0.5), torch.arange(1.0, 1001)
    average = values[0].clone()
    for count, value in enumerate(values[1:], 1):
        average = update(average, value, count)
        # As the plain average of the latter half.
        if count > 20:
            assert float(average) == pytest.approx(3 / 4 * (count + 1), rel=0.1)
    # The first steps are forgotten.
    assert float(recent_average(0.1)(torch.tensor(9.0), torch.tensor(1.0), 3)) == 1
