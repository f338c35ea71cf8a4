"""What pruning and distillation know of a task's network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from visus.tasks.base import VisionTask

_TEMPERATURE = 2.0
"""Softens the scores that a student imitates, so that it learns from small ones, too."""


@dataclass(frozen=True, eq=False)
class Distillation:
    """How the network of a task is pruned, and learns from another one.

    Layers are named as in the task.

    Attributes:
        imitated: Layers whose outputs a student imitates.
        fixed: Layers that keep their channels: those that predict, and those that are trained for
            a number of channels of their own.
        run: Computes the outputs of all imitated layers from normalised images; it returns tensors
            that depend on all of them.
        loss: From the outputs of the imitated layers of the student and of the teacher to the loss
            of imitation.
        labels: Whether a student learns from labels, too; the task's training step then runs the
            imitated layers on the batch's images.
    """

    imitated: Sequence[str]
    fixed: Sequence[str]
    run: Callable[[VisionTask, Tensor], Any]
    loss: Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]
    labels: bool = False


def class_imitation(student: Tensor, teacher: Tensor) -> Tensor:
    """The divergence of two networks' class scores.

    Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network".

    Args:
        student: Logits of shape (batch, classes, ...).
        teacher: Logits of the same shape.
    """
    expected = (teacher.float() / _TEMPERATURE).log_softmax(1)
    scores = (student.float() / _TEMPERATURE).log_softmax(1)
    divergence = F.kl_div(scores, expected, reduction="none", log_target=True).sum(1)
    return divergence.mean() * _TEMPERATURE**2


def label_imitation(student: Tensor, teacher: Tensor) -> Tensor:
    """The cross-entropy of two networks' scores where each image may have several labels.

    Args:
        student: Logits of shape (batch, classes).
        teacher: Logits of the same shape.
    """
    expected = (teacher.float() / _TEMPERATURE).sigmoid()
    scores = student.float() / _TEMPERATURE
    return F.binary_cross_entropy_with_logits(scores, expected) * _TEMPERATURE**2
