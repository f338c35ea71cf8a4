"""Train a pruned task to behave as the unpruned one.

It learns from the teacher's outputs and feature maps without labels: these would draw a network
that was just damaged away from what the teacher knows, which a few images cannot restore.
"""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import timedelta
from itertools import islice
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from torch import Tensor, nn

from visus.apps.training.budget.callbacks import ThreadAdapter
from visus.datamodules.core.base import VisionDataModule
from visus.datamodules.core.loading import make_loader
from visus.models.channel_statistics import ChannelStatistics
from visus.models.channels import layer_sizes, plan_between
from visus.models.fake_quantisation import fake_quantised
from visus.models.pruning import count_multiply_adds, prune, refuse_unprunable
from visus.tasks.base import Batch, VisionTask
from visus.tasks.folded_norms import unfold_norms

_GRADIENT_IMAGES = 128
"""Training images whose gradients say which channels matter."""

_RATE = 3e-4
"""Peak learning rate; ten times as much destroys what pruning left."""

_BATCH = 8
"""Images in a batch where batch norms have fixed statistics: small batches give more steps."""

_MAPS_WEIGHT = 3.0
"""Weight of the relative error of the feature maps, beside the loss of the outputs."""

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

    def prune(self, multiply_adds: int) -> None:
        """Remove the least important channels, and renew the statistics of batch norms.

        Args:
            multiply_adds: What is left of them for one image.

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
        prune(
            task.network,
            lambda images: parts.run(task, images),
            example_of(task),
            fixed,
            multiply_adds,
            statistics,
        )
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
        """Train on the teacher's outputs and feature maps, under a schedule that ends in time.

        Args:
            seconds: The time.
            int8: Whether to compute as the int8 form of the network does.
        """
        device = self.teacher.device
        trainer = pl.Trainer(
            **self._trainer,
            accelerator=device.type,
            devices=1 if device.index is None else [device.index],
            max_epochs=-1,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            logger=False,
            callbacks=[ThreadAdapter(), Timer(timedelta(seconds=seconds), verbose=False)],
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
        with rounding, self._imitating(), warnings.catch_warnings():
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

    @contextmanager
    def _imitating(self) -> Iterator[None]:
        """Makes a training step learn from the teacher alone."""
        parts, maps = self._distillation, self._unchanged_norms()
        count = len(parts.imitated)
        with ExitStack() as stack:
            names = [*parts.imitated, *maps]
            ours = [stack.enter_context(_recorded(self.task, name)) for name in names]
            theirs = [stack.enter_context(_recorded(self.teacher, name)) for name in names]

            def step(batch: Batch, batch_idx: int) -> Tensor:
                for record in (*ours, *theirs):
                    record.clear()
                images = self.task.normalise(batch["image"])
                with torch.no_grad():
                    parts.run(self.teacher, images)
                parts.run(self.task, images)
                own, expected = ([each[-1] for each in records] for records in (ours, theirs))
                loss = parts.loss(own[:count], expected[:count])
                pairs = zip(own[count:], expected[count:], strict=True)
                errors = [_relative_error(*pair) for pair in pairs]
                if errors:
                    loss = loss + _MAPS_WEIGHT * torch.stack(errors).mean()
                return self.task.refuse_non_finite(loss, batch)

            # Lightning calls the attribute of the instance, with arguments of these names.
            vars(self.task)["training_step"] = step
            stack.callback(vars(self.task).pop, "training_step")
            yield

    def _choose_threshold(self) -> None:
        """Do what follows each validation of a training, such as choosing a score threshold."""
        task = self.task
        if type(task).after_validation is not VisionTask.after_validation:
            data, size = self._data, self._data.batch_size
            task.metrics = task.measure(make_loader(data.plain_dataset("val"), size, 0), "val")
            task.after_validation(task.compute_metrics(task.metrics, "val"))
            task.metrics = None

    def _unchanged_norms(self) -> list[str]:
        """Batch norms whose outputs have the channels of the teacher's: the student imitates them.

        Feature maps say more than outputs where there are few images (Romero et al. 2015,
        "FitNets").
        """
        kind = nn.modules.batchnorm._BatchNorm
        norms = [name for name, each in self.task.named_modules() if isinstance(each, kind)]
        return [name for name in norms if name not in self.task.channels]

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
            # Figures are logged nowhere.
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


def _relative_error(own: Tensor, expected: Tensor) -> Tensor:
    """The mean squared error, relative to the variance of what is expected."""
    expected = expected.float()
    return (own.float() - expected).square().mean() / expected.var().clamp(min=1e-6)


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


@contextmanager
def _recorded(task: VisionTask, name: str) -> Iterator[list[Tensor]]:
    """Collects the outputs of a layer."""
    outputs: list[Tensor] = []
    hook = task.get_submodule(name).register_forward_hook(
        lambda _, __, output: outputs.append(output)
    )
    try:
        yield outputs
    finally:
        hook.remove()
