"""Prune a task, and train it to behave as the unpruned one."""

import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from itertools import islice
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer, WeightAveraging
from torch import Tensor, nn
from torch.optim.swa_utils import get_swa_avg_fn

from visus.apps.compress.imitation import imitating
from visus.apps.training.budget.callbacks import ThreadAdapter
from visus.datamodules.core.base import VisionDataModule
from visus.datamodules.core.loading import make_loader
from visus.models.channel_statistics import ChannelStatistics
from visus.models.channels import layer_sizes, plan_between
from visus.models.costs import count_multiply_adds, estimate_cost
from visus.models.fake_quantisation import fake_quantised
from visus.models.pruning import prune, refuse_unprunable
from visus.tasks.base import Batch, VisionTask
from visus.tasks.folded_norms import unfold_norms

_GRADIENT_IMAGES = 128
"""Training images whose gradients say which channels matter."""

_RATE = 3e-4
"""Peak learning rate; ten times as much destroys what pruning left."""

_BATCH = 8
"""Images in a batch where batch norms have fixed statistics: small batches give more steps."""

_AVERAGED_FROM = 0.4
"""Fraction of a training from which on its weights are averaged."""

_NORM_IMAGES = 256
"""Training images from which batch norms take new statistics after pruning."""


class Student:
    """A task that is pruned, and learns from its teacher.

    Args:
        task: The task that becomes smaller.
        teacher: The unpruned task, in evaluation mode.
        data: Their data.
        trainer: Arguments of the trainer that the teacher was trained with.
    """

    def __init__(
        self,
        task: VisionTask,
        teacher: VisionTask,
        data: VisionDataModule[Any],
        trainer: dict[str, Any],
    ) -> None:
        self.task = task
        self.teacher = teacher.requires_grad_(False)
        self._data = data
        self._trainer = {
            key: trainer[key] for key in ("precision", "gradient_clip_val") if trainer.get(key)
        }
        self._distillation = task.spec.distillation(task)
        self._sizes = layer_sizes(teacher)
        # All layers learn, whatever the teacher's training froze.
        task.freeze_epochs = 0
        task.learning_rate, task.backbone_learning_rate = _RATE, None
        # Batch norms that the teacher's training froze stay so.
        task.backbone_is_trained = True

    @property
    def multiply_adds(self) -> int:
        """Of the network for one image."""
        return multiply_adds_of(self.task)

    def prune(self, fraction: float) -> None:
        """Remove the least important channels, and renew the statistics of batch norms.

        Args:
            fraction: Of the time for one image, as estimated from its layers, that is left.

        Raises:
            VisusError: If a layer cannot be pruned.
            NothingToPruneError: If too few channels are left.
        """
        task, parts = self.task, self._distillation
        task.requires_grad_(True).eval()
        statistics = ChannelStatistics(task.network)
        with statistics.recording():
            for batch in self._batches(_GRADIENT_IMAGES):
                self._loss(batch).backward()  # type: ignore[no-untyped-call]
        fixed = [task.get_submodule(name) for name in parts.fixed]
        network, image = task.network, example_of(task)

        def run(images: Tensor) -> Any:
            return parts.run(task, images)

        cost = int(fraction * estimate_cost(network, run, image))
        prune(network, run, image, fixed, cost, statistics)
        task.zero_grad()
        changed = plan_between(self._sizes, layer_sizes(task))
        before = self.teacher.channels
        task.channels = {
            layer: {**before.get(layer, {}), **changed.get(layer, {})}
            for layer in before.keys() | changed.keys()
        }
        if not task.freeze_batch_norm:
            self._renew_norms()

    def learn(self, seconds: float, int8: bool = False) -> None:
        """Train by the teacher, under a schedule that ends in time; see `imitating`.

        Args:
            seconds: The time.
            int8: Whether to compute as the int8 form of the network does.
        """
        device = self.teacher.device
        timer = Timer(timedelta(seconds=seconds), verbose=False)
        trainer = pl.Trainer(
            **self._trainer,
            accelerator=device.type,
            devices=1 if device.index is None else [device.index],
            max_epochs=-1,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            logger=False,
            callbacks=[ThreadAdapter(), timer, _LateAverage(timer, _AVERAGED_FROM * seconds)],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
        )
        self.task.to(device).train()
        for module in self.task.modules():
            if isinstance(module, nn.Dropout):
                # The teacher's answers have no noise.
                module.eval()
        rounding = fake_quantised(self.task.network) if int8 else nullcontext()
        with rounding, imitating(self.task, self.teacher), warnings.catch_warnings():
            # It is measured after the training, and dropout is off on purpose.
            warnings.filterwarnings("ignore", ".*have no `val_dataloader`.*")
            warnings.filterwarnings("ignore", ".*in eval mode at the start of training.*")
            try:
                trainer.fit(self.task, train_dataloaders=self._loader())
            except SystemExit:
                # Lightning exits after Ctrl+C, with a code that looks like a failure.
                raise KeyboardInterrupt from None
        # `log` works in a training or without a trainer, but not between.
        self.task.trainer = None
        self.task.eval().to(device)
        unfold_norms(self.task)
        self._choose_threshold()

    def _choose_threshold(self) -> None:
        """Do what follows each validation of a training, such as choosing a score threshold."""
        task = self.task
        if type(task).after_validation is not VisionTask.after_validation:
            data, size = self._data, self._data.batch_size
            task.metrics = task.measure(make_loader(data.plain_dataset("val"), size, 0), "val")
            task.after_validation(task.compute_metrics(task.metrics, "val"))
            task.metrics = None

    def _renew_norms(self) -> None:
        """Replace the statistics of batch norms by averages over training batches."""
        norms = [m for m in self.task.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
            norm.train()
        with torch.no_grad():
            for batch in self._batches(_NORM_IMAGES):
                self._loss(batch)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        self.task.eval()

    def _loss(self, batch: Batch) -> Tensor:
        """The task's own training loss, outside of a training."""
        with warnings.catch_warnings():
            # Metrics are logged nowhere.
            warnings.simplefilter("ignore")
            loss: Any = self.task.training_step(batch, 0)
        assert isinstance(loss, Tensor)
        return loss

    def _batches(self, images: int) -> Iterator[Batch]:
        """Training batches of so many images on the task's device."""
        for batch in islice(self._loader(), -(-images // self._batch_size)):
            yield self.task.transfer_batch_to_device(batch, self.task.device, 0)

    @property
    def _batch_size(self) -> int:
        own = self._data.batch_size
        return min(_BATCH, own) if self.task.freeze_batch_norm else own

    def _loader(self) -> Any:
        data = self._data.weakly_augmented()
        data.batch_size = self._batch_size
        return data.train_loader(data.dataset("train"))


class _LateAverage(WeightAveraging):
    """Replaces the weights by their average over the later part of a training.

    Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima and Better Generalization".

    Args:
        timer: Of the training.
        start: Seconds after which weights are averaged.
    """

    def __init__(self, timer: Timer, start: float) -> None:
        # By default, integers such as a norm's count of batches are divided, which CUDA cannot.
        super().__init__(avg_fn=get_swa_avg_fn())  # type: ignore[no-untyped-call]
        self._timer = timer
        self._start = start

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Whether the weights after a step count."""
        return step_idx is not None and self._timer.time_elapsed() >= self._start


def refuse_incompressible(task: VisionTask) -> None:
    """Refuse a task whose network cannot be pruned or distilled.

    Raises:
        VisusError: If it cannot.
    """
    fixed = task.spec.distillation(task).fixed
    refuse_unprunable(task.network, [task.get_submodule(name) for name in fixed])


def example_of(task: VisionTask) -> Tensor:
    """A normalised image of a task's input size, of shape (1, channels, height, width)."""
    shape = (1, task.in_channels, *task.image_size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, device=task.device)
    return task.normalise(images)


def multiply_adds_of(task: VisionTask) -> int:
    """Multiply-adds of a task's network for one image."""
    run = task.spec.distillation(task).run
    return count_multiply_adds(task.network, lambda images: run(task, images), example_of(task))
