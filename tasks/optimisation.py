"""Parameter groups and the learning-rate schedule."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from torch.nn import Parameter


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


def warmup_cosine(warmup: float, steps: int) -> Callable[[int], float]:
    """The factor of the learning rate: a linear warm-up, then a cosine to zero.

    Args:
        warmup: Fraction of the steps in which it rises.
        steps: Number of steps.
    """
    rising = max(1, round(warmup * steps))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))

    return factor
