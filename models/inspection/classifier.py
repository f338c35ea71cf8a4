"""The last layer of a classifier as a sum of parts, one for each feature."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from visus.models.inspection.recording import record
from visus.models.inspection.subject import Subject

_CLASSES = 5


@dataclass(frozen=True, eq=False)
class ClassifierParts:
    """The logits of the best classes, and everything that they are computed from.

    The logit of class k is `features @ weights[k] + bias[k]`.

    Attributes:
        layer: Name of the last linear layer.
        maps: Shape (channels, height, width) of the last feature map; None if there is none.
        features: float32 (features,): the input of that layer.
        logits: float32 (classes,): its output, for all classes.
        best: Ids of the classes of the largest logits, the largest first.
        weights: float32 (best classes, features).
        bias: float32 (best classes,).
        softmax: Whether the class scores are the softmax of the logits.
    """

    layer: str
    maps: tuple[int, int, int] | None
    features: NDArray[np.float32]
    logits: NDArray[np.float32]
    best: tuple[int, ...]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    softmax: bool


def classifier_parts(subject: Subject) -> ClassifierParts | None:
    """The parts of the last linear layer; None if no such layer computes one logit for a class."""
    count = len(subject.class_names)
    candidates = [
        layer
        for layer in subject.layers
        if isinstance(subject.module(layer), nn.Linear) and layer.output == (count,)
    ]
    if not candidates or subject.scores is None or count < 2:
        return None
    layer = candidates[-1]
    module = subject.module(layer)
    assert isinstance(module, nn.Linear)
    recorded = record(subject, [layer.name], subject.image)[layer.name]
    if recorded.output.shape != (1, count):
        # One row for each box or position.
        return None
    logits = recorded.output[0].float()
    best = logits.argsort(descending=True)[:_CLASSES].tolist()
    with torch.no_grad():
        scores = subject.class_scores(subject.image)[0].float()
    bias = logits.new_zeros(count) if module.bias is None else module.bias.detach().float()
    last = [each.output for each in subject.layers[: subject.layers.index(layer)]]
    maps = next((each for each in reversed(last) if len(each) == 3 and min(each[1:]) > 1), None)
    return ClassifierParts(
        layer=layer.name,
        maps=None if maps is None else (maps[0], maps[1], maps[2]),
        features=_array(recorded.input[0]),
        logits=_array(logits),
        best=tuple(best),
        weights=_array(module.weight[best]),
        bias=_array(bias[best]),
        softmax=bool(torch.allclose(scores, logits.softmax(0), atol=1e-4)),
    )


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy(), np.float32)
