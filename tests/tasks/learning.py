"""Trainers for tests, and training until a small set is known by heart."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping


def trainer(**arguments):
    return pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        **arguments,
    )


def show_training_set(data):
    """Evaluation sees the training images, unchanged."""
    made = data.dataset

    def dataset(split):
        shown = made("train")
        if split != "train":
            shown.transform = None
        return shown

    data.dataset = dataset


def overfit(task, data, figure, goal, epochs, **arguments):
    """Train until a figure of the training set reaches a goal, for so many epochs at most.

    How fast that goes depends on the processor, whose roundings differ.

    Returns:
        The test figures on the same images.
    """
    reached = EarlyStopping(f"val/{figure}", mode="max", max_age=epochs, stopping_threshold=goal)
    trainer(max_epochs=epochs, check_val_every_n_epoch=10, callbacks=[reached], **arguments).fit(
        task, data
    )
    (figures,) = trainer().test(task, data, verbose=False)
    return figures
