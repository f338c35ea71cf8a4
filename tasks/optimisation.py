"""Parameter groups, frozen layers and the learning-rate schedule."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR

from visus.tasks.folded_norms import fold_frozen_norms

_HEAD_STEPS = 200
"""Steps in which a head is fitted to features; it takes a second or two."""

_HEAD_BATCH = 512
_HEAD_RATE = 0.01
_HEAD_DECAY = 0.05


def group_parameters(
    parts: Iterable[tuple[Iterable[Parameter], float]], weight_decay: float
) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser, with and without weight decay.

    Args:
        parts: Parameters with their learning rate.
        weight_decay: Weight decay of weights; biases and norms have none.
    """
    groups = []
    for parameters, rate in parts:
        listed = list(parameters)
        for decays in (True, False):
            members = [p for p in listed if (p.ndim > 1) == decays]
            if members:
                decay = weight_decay if decays else 0.0
                groups.append({"params": members, "lr": rate, "weight_decay": decay})
    return groups


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """The factor of the learning rate: a linear warm-up, then a cosine to zero.

    Args:
        step: Number of steps taken; the factor is that of the next one. After the last it is 0.
        steps: Number of steps.
        warmup: Fraction of the steps in which it rises.
    """
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    done = min(1.0, (step - rising) / max(1, steps - rising))
    return 0.5 * (1 + math.cos(math.pi * done))


def freeze(backbone: nn.Module, frozen: bool, freeze_batch_norm: bool) -> None:
    """Freeze or unfreeze a backbone; call it after `train()`, which unfreezes batch norm.

    Frozen batch norms are computed by the convolutions before them while the network is trained.

    Args:
        backbone: The backbone.
        frozen: Whether its weights and its batch norm statistics are frozen.
        freeze_batch_norm: Whether the statistics are frozen in any case.
    """
    backbone.requires_grad_(not frozen)
    backbone.train(not frozen)
    if freeze_batch_norm:
        for module in backbone.modules():
            # Base class of batch norm in one, two and three dimensions, and of timm's.
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
    if frozen or freeze_batch_norm:
        fold_frozen_norms(backbone)


def fit_to_features(
    head: nn.Module, features: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
) -> None:
    """Train a head alone on features that are in memory.

    Args:
        head: From features to outputs.
        features: Shape (samples, ...), on the device of the head.
        loss: Function from outputs of some samples and their indices to the loss.
    """
    optimizer = AdamW(head.parameters(), _HEAD_RATE, weight_decay=_HEAD_DECAY)
    schedule = CosineAnnealingLR(optimizer, _HEAD_STEPS)
    head.train()
    for _ in range(_HEAD_STEPS):
        chosen = torch.randperm(len(features), device=features.device)[:_HEAD_BATCH]
        optimizer.zero_grad()
        loss(head(features[chosen]), chosen).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


class ProgressSchedule(LambdaLR):
    """A linear warm-up and a cosine to zero, by the progress of the training.

    The scheduler's own count of steps would be wrong after a resumption with another batch size.

    Args:
        optimizer: The optimiser, with the peak learning rates.
        trainer: A trainer in `fit`.
        warmup: Fraction of the training in which the rates rise.
    """

    def __init__(self, optimizer: Optimizer, trainer: pl.Trainer, warmup: float) -> None:
        # The number of batches is known once the loader is set up, which this property does.
        _ = trainer.estimated_stepping_batches

        def factor(_: int) -> float:
            position = training_position(trainer)
            return 1.0 if position is None else warmup_cosine(*position, warmup)

        super().__init__(optimizer, factor)

    def update(self, found: float | None) -> None:
        """Set the rates of the next step.

        Args:
            found: Another peak rate of the last parameter group, to which those of the others are
                scaled; None to keep them.
        """
        scale = 1.0 if found is None else found / self.base_lrs[-1]
        self.base_lrs = [rate * scale for rate in self.base_lrs]
        for group, rate in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = rate * self.lr_lambdas[0](0)


def training_position(trainer: pl.Trainer) -> tuple[int, int] | None:
    """The number of steps taken and of all steps; None for a training without end.

    Counted in steps of the current batch size and number of processes, whatever those of the
    epochs before a resumption were. `max_epochs`, `max_steps` and `max_time` each end a training;
    that which is nearest to its end counts. Time is counted in thousandths.

    Args:
        trainer: A trainer in `fit`, whose training loader is set up.
    """
    loop = trainer.fit_loop
    limits = []
    if trainer.max_steps >= 0:
        limits.append((trainer.global_step, trainer.max_steps))
    batches = trainer.num_training_batches
    if trainer.max_epochs is not None and trainer.max_epochs >= 0 and batches != math.inf:
        # Lightning types it as the base class, without `processed`.
        epochs: Any = loop.epoch_progress.current
        # Between two epochs the counter of batches is still that of the earlier.
        ready = loop.epoch_loop.batch_progress.current.ready
        batch = ready if epochs.ready > epochs.processed else 0
        accumulated = trainer.accumulate_grad_batches
        per_epoch = math.ceil(batches / accumulated)
        # The last step of an epoch may accumulate fewer batches.
        done = per_epoch if batch >= batches else batch // accumulated
        step = epochs.processed * per_epoch + done
        limits.append((step, trainer.max_epochs * per_epoch))
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, Timer) and (left := callback.time_remaining()) is not None:
            # What came before the first step, such as checks, is not part of the schedule.
            began = getattr(callback, "training_began", 0.0)
            elapsed = 0.0 if began is None else callback.time_elapsed() - began
            limits.append((int(1000 * elapsed / max(1e-9, elapsed + left)), 1000))
    return max(limits, key=lambda limit: limit[0] / max(1, limit[1]), default=None)
