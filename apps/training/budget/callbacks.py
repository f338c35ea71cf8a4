"""Callbacks that carry out a plan: the timer, growing images, the head that is fitted first."""

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, Timer
from pytorch_lightning.trainer.states import RunningStage
from torch import Tensor
from torch.utils.data import Subset

from visus.apps.training.budget.clock import Budget
from visus.apps.training.budget.plan import Growth
from visus.apps.training.budget.planner import VALIDATION_SHARE
from visus.apps.training.resuming import data_module_of
from visus.apps.training.time_limit import ValidationAwareTimer
from visus.datamodules.core.features import FeatureDataset
from visus.datamodules.core.loading import Batch, make_loader
from visus.tasks.base import VisionTask
from visus.vision.busy_cores import AdaptiveThreads
from visus.vision.progress import track

_CLOSING = 2.0
"""Seconds for saving, the report and the end of the process."""

_MARGIN = 0.01
"""Fraction of the budget that is left for what takes longer than expected."""


class BudgetTimer(ValidationAwareTimer):
    """Ends a training so early that all that follows is within the budget.

    The schedule of the learning rate follows its time.

    Args:
        budget: The budget, whose clock started with the command.
        validations: Planned number of validations.
    """

    def __init__(self, budget: Budget, validations: int) -> None:
        super().__init__(Timer(timedelta(seconds=budget.seconds)))
        self._budget = budget
        self._validations = validations
        self._val_interval: int | None = None
        self._planned = False
        self._validation_began = 0.0
        self._step_began = 0.0
        self._step_seconds = 0.0
        self._warm_up = 0
        self._closing = _CLOSING + _MARGIN * budget.seconds

    def time_elapsed(self, stage: str = RunningStage.TRAINING) -> float:
        """Seconds since the command started, those before a resumption included."""
        return self._budget.elapsed

    def time_remaining(self, stage: str = RunningStage.TRAINING) -> float | None:
        """Seconds until the last training batch must begin."""
        left = super().time_remaining(stage)
        return None if left is None else left - self._closing - self._step_seconds

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the measurement of a validation."""
        super().on_validation_start(trainer, pl_module)
        self._validation_began = self._budget.elapsed
        self._warm_up = 0

    def on_validation_batch_end(self, trainer: pl.Trainer, *args: Any, **more: Any) -> None:
        """Measure from the end of the first batch before the training, which warms up."""
        super().on_validation_batch_end(trainer, *args, **more)
        if (
            trainer.sanity_checking
            and not self._warm_up
            and sum(trainer.num_sanity_val_batches) > 1
        ):
            self._validation_began, self._warm_up = self._budget.elapsed, 1

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure how long a batch of the validation takes."""
        sanity = trainer.sanity_checking
        batches = trainer.num_sanity_val_batches if sanity else trainer.num_val_batches
        measured = max(1, sum(batches) - self._warm_up)
        self._step_began = self._budget.elapsed
        self._batch_seconds = (self._step_began - self._validation_began) / measured

    def on_train_batch_start(self, trainer: pl.Trainer, *args: object) -> None:
        """Before the first batch, plan fewer validations where they take longer than expected.

        What is done with a network's output, such as masks at the images' own sizes, may take more
        time than the network.
        """
        super().on_train_batch_start(trainer, *args)
        if self._planned:
            return
        self._planned = True
        self._step_began = self._budget.elapsed
        if self._val_interval is None:
            self._val_interval = self._validation_interval(trainer)
        # Lightning has set it to what was planned, in a resumed training, too.
        trainer.val_check_batch = self._val_interval

    def on_train_batch_end(self, trainer: pl.Trainer, *args: Any, **more: Any) -> None:
        """Measure how long a batch takes: none begins that would end too late."""
        now = self._budget.elapsed
        self._step_seconds, self._step_began = now - self._step_began, now
        super().on_train_batch_end(trainer, *args, **more)

    def _validation_interval(self, trainer: pl.Trainer) -> int:
        """Training batches between two validations."""
        assert trainer.val_check_batch is not None
        planned = math.ceil(trainer.val_check_batch)
        left = self.time_remaining()
        affordable = self._validations
        if trainer.global_step == 0 and self._reserve and left is not None:
            affordable = max(1, int(VALIDATION_SHARE * left / self._reserve))
        # Processes whose clocks differ must agree.
        affordable = min(self._validations, trainer.strategy.broadcast(affordable))
        return math.ceil(planned * (self._validations - 0.5) / (affordable - 0.5))

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training keeps to."""
        kept = {
            "validation_interval": self._val_interval,
            "validation_batch_seconds": self._batch_seconds,
        }
        return super().state_dict() | kept

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue with the time that was left."""
        super().load_state_dict(state_dict)
        # A run of an older version has neither.
        self._val_interval = state_dict.get("validation_interval")
        self._batch_seconds = state_dict.get("validation_batch_seconds", 0.0)
        self._budget.spent_before = state_dict["time_elapsed"][RunningStage.TRAINING.value]


class GrowingImages(Callback):
    """Sets the size of the training images by the fraction of the budget that is spent.

    Progressive learning (Tan and Le 2021, "EfficientNetV2", arXiv:2104.00298): the early part of
    a training needs less detail.

    Args:
        budget: The budget.
        growth: From which fraction of the time training images have which relative size.
    """

    def __init__(self, budget: Budget, growth: Growth) -> None:
        self._budget = budget
        self._growth = growth
        self._scale = growth[0][1]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the size for the first epoch, or for that which is continued."""
        data_module_of(trainer).scale_training_images(self._scale)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Set the size for the next epoch."""
        spent = self._budget.elapsed / self._budget.seconds
        self._scale = [scale for start, scale in self._growth if start <= spent][-1]
        data_module_of(trainer).scale_training_images(self._scale)

    def state_dict(self) -> dict[str, Any]:
        """The current size, which holds until the end of the epoch."""
        return {"scale": self._scale}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """See `state_dict`."""
        self._scale = state_dict["scale"]


class ThreadAdapter(Callback):
    """Uses fewer threads while other processes need the cores."""

    def __init__(self) -> None:
        self._threads = AdaptiveThreads(torch.set_num_threads)

    def on_train_batch_start(self, *_: object, **__: object) -> None:
        """Adapt the number of threads."""
        self._threads.update()

    def on_validation_batch_start(self, *_: object, **__: object) -> None:
        """Adapt the number of threads."""
        self._threads.update()


class PartialValidation(Callback):
    """Validates samples that are evenly spread over the validation data.

    Args:
        samples: Number of samples.
    """

    def __init__(self, samples: int) -> None:
        self._samples = samples

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Set it before the first validation."""
        data_module_of(trainer).validated = self._samples


class CachedViews(Callback):
    """Trains the head alone on cached features, to which it is fitted before the first epoch.

    What is left of a short budget after computing features may be a few epochs, too few for a
    random head.

    Args:
        views: Number of augmented copies of each sample that have cached features.
    """

    def __init__(self, views: int) -> None:
        self._views = views

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Set it before the features are computed."""
        data_module_of(trainer).views = self._views

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Fit the head, unless a training is continued, or features cannot be cached."""
        loader: Any = trainer.train_dataloader
        # Samples are drawn from it with a seed of their own.
        cached = loader.dataset.dataset
        if trainer.ckpt_path is not None or not isinstance(cached, FeatureDataset):
            return
        assert isinstance(pl_module, VisionTask)
        data = data_module_of(trainer)
        loader = make_loader(cached, data.batch_size, data.num_workers)
        pl_module.fit_head((batch["features"], batch) for batch in loader)


class HeadFirst(Callback):
    """Fits the head to features of the pretrained backbone before the training starts.

    Fine-tuning all layers from a random head distorts the features (Kumar et al. 2022,
    "Fine-Tuning can Distort Pretrained Features", arXiv:2202.10054).

    Args:
        samples: Number of training samples, evenly spaced.
    """

    def __init__(self, samples: int) -> None:
        self._samples = samples

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Fit the head, unless a training is continued."""
        if trainer.ckpt_path is not None:
            return
        assert isinstance(pl_module, VisionTask)
        pl_module.fit_head(self._features(trainer, pl_module))

    def _features(self, trainer: pl.Trainer, task: VisionTask) -> Iterator[tuple[Tensor, Batch]]:
        """Features and labels of batches of unaugmented samples, of the size of the first epoch."""
        data = data_module_of(trainer)
        dataset: Any = data.plain_dataset("train")
        dataset.size = data.training_size
        count = len(dataset)
        chosen = range(0, count, -(-count // self._samples))
        loader = make_loader(Subset(dataset, chosen), data.batch_size, data.num_workers)
        threads = AdaptiveThreads(torch.set_num_threads)
        for batch in track(loader, "Computing features", total=len(loader)):
            threads.update()
            yield task.extract_features(batch["image"]).cpu(), batch
