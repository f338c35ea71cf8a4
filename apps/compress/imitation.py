"""A training step by which a pruned network imitates the unpruned one.

It learns from the teacher's outputs and feature maps. Labels are not used by default: after
pruning, a few images cannot restore what the teacher has learned. `Distillation.labels` says where
they help.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    parts, maps = student.spec.distillation(student), _unchanged_norms(student, teacher)
    names = {*parts.imitated, *maps}
    supervised: Any = student.training_step
    with (
        _recording({student.get_submodule(name) for name in names}) as ours,
        _recording({teacher.get_submodule(name) for name in names}) as theirs,
    ):

        def step(batch: Batch, batch_idx: int) -> Tensor:
            for outputs in (*ours.values(), *theirs.values()):
                outputs.clear()
            images = student.normalise(batch["image"])
            with torch.no_grad():
                parts.run(teacher, images)
            loss = torch.zeros((), device=images.device)
            if parts.labels:
                # This runs the layers whose outputs are recorded, too.
                loss = loss + supervised(batch, batch_idx)
            else:
                parts.run(student, images)
            own = _in_order(student, parts.imitated, ours)
            loss = loss + parts.loss(own, _in_order(teacher, parts.imitated, theirs))
            errors = [
                _relative_error(*pair)
                for name in maps
                for pair in zip(
                    ours[student.get_submodule(name)],
                    theirs[teacher.get_submodule(name)],
                    strict=True,
                )
            ]
            if errors:
                loss = loss + _MAPS_WEIGHT * torch.stack(errors).mean()
            return student.refuse_non_finite(loss, batch)

        # Lightning calls the attribute of the instance, with arguments of these names.
        vars(student)["training_step"] = step
        try:
            yield
        finally:
            del vars(student)["training_step"]


def _unchanged_norms(student: VisionTask, teacher: VisionTask) -> list[str]:
    """Batch norms whose outputs have the channels of the teacher's: the student imitates them.

    Feature maps say more than outputs where there are few images (Romero et al. 2015, "FitNets").
    """
    kind = nn.modules.batchnorm._BatchNorm
    sizes = {n: each.num_features for n, each in teacher.named_modules() if isinstance(each, kind)}
    norms = [(n, each) for n, each in student.named_modules() if isinstance(each, kind)]
    return [name for name, each in norms if each.num_features == sizes[name]]


def _relative_error(own: Tensor, expected: Tensor) -> Tensor:
    """The mean squared error, relative to the variance of what is expected."""
    expected = expected.float()
    return (own.float() - expected).square().mean() / expected.var().clamp(min=1e-6)


@contextmanager
def _recording(layers: Collection[nn.Module]) -> Iterator[dict[nn.Module, list[Tensor]]]:
    """Collects the outputs of layers, each time that they run."""
    outputs: dict[nn.Module, list[Tensor]] = {layer: [] for layer in layers}

    def record(layer: nn.Module, _: object, output: Tensor) -> None:
        outputs[layer].append(output)

    hooks = [layer.register_forward_hook(record) for layer in layers]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
        for each in outputs.values():
            # Copies of the task keep the hook.
            each.clear()


def _in_order(
    task: VisionTask, names: Sequence[str], outputs: Mapping[nn.Module, Sequence[Tensor]]
) -> list[Tensor]:
    """The outputs of named layers; one with several names has run once for each, in their order."""
    remaining = {layer: iter(each) for layer, each in outputs.items()}
    return [next(remaining[task.get_submodule(name)]) for name in names]
