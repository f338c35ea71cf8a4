"""A training step by which a pruned network imitates the unpruned one.

It learns from the teacher's outputs and feature maps. Labels would draw a network that was just
damaged away from what the teacher knows, which a few images cannot restore; `Distillation.labels`
says where they help.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from visus.tasks.base import Batch, VisionTask

_MAPS_WEIGHT = 3.0
"""Weight of the relative error of the feature maps, beside the loss of the outputs."""


@contextmanager
def imitating(student: VisionTask, teacher: VisionTask) -> Iterator[None]:
    """Makes the training step of a task learn from another one.

    Args:
        student: The task that learns; of a network that was pruned.
        teacher: The unpruned task.
    """
    parts, maps = student.spec.distillation(student), _unchanged_norms(student)
    names, count = [*parts.imitated, *maps], len(parts.imitated)
    supervised: Any = student.training_step
    with ExitStack() as stack:
        ours = [stack.enter_context(_recorded(student, name)) for name in names]
        theirs = [stack.enter_context(_recorded(teacher, name)) for name in names]

        def step(batch: Batch, batch_idx: int) -> Tensor:
            for record in (*ours, *theirs):
                record.clear()
            images = student.normalise(batch["image"])
            with torch.no_grad():
                parts.run(teacher, images)
            loss = torch.zeros((), device=images.device)
            if parts.labels:
                # This runs the layers whose outputs are recorded, too.
                loss = loss + supervised(batch, batch_idx)
            else:
                parts.run(student, images)
            own, expected = ([each[-1] for each in records] for records in (ours, theirs))
            loss = loss + parts.loss(own[:count], expected[:count])
            pairs = zip(own[count:], expected[count:], strict=True)
            errors = [_relative_error(*pair) for pair in pairs]
            if errors:
                loss = loss + _MAPS_WEIGHT * torch.stack(errors).mean()
            return student.refuse_non_finite(loss, batch)

        # Lightning calls the attribute of the instance, with arguments of these names.
        vars(student)["training_step"] = step
        stack.callback(vars(student).pop, "training_step")
        yield


def _unchanged_norms(task: VisionTask) -> list[str]:
    """Batch norms whose outputs have the channels of the teacher's: the student imitates them.

    Feature maps say more than outputs where there are few images (Romero et al. 2015, "FitNets").
    """
    kind = nn.modules.batchnorm._BatchNorm
    norms = [name for name, each in task.named_modules() if isinstance(each, kind)]
    return [name for name in norms if name not in task.channels]


def _relative_error(own: Tensor, expected: Tensor) -> Tensor:
    """The mean squared error, relative to the variance of what is expected."""
    expected = expected.float()
    return (own.float() - expected).square().mean() / expected.var().clamp(min=1e-6)


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
