"""Trainers for tests, and training until a network overfits a small data set."""

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
    """Evaluate on the training images, without augmentation."""
    original = data.dataset

    def dataset(split):
        training = original("train")
        if split != "train":
            training.transform = None
        return training

    data.dataset = dataset


def overfit(task, data, metric, goal, epochs, **arguments):
    """Train until a metric of the training set reaches a goal, at most for so many epochs.

    The number of epochs needed depends on the processor, through rounding.

    Returns:
        The test metrics on the same images.
    """
    reached = EarlyStopping(f"val/{metric}", mode="max", patience=epochs, stopping_threshold=goal)
    trainer(max_epochs=epochs, check_val_every_n_epoch=10, callbacks=[reached], **arguments).fit(
        task, data
    )
    (metrics,) = trainer().test(task, data, verbose=False)
    return metrics
