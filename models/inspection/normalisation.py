"""Batch normalisation of a feature map: the values before and after, and its parameters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from visus.models.inspection.features import strongest_channels
from visus.models.inspection.recording import LayerValues

_CHANNELS = 4


@dataclass(frozen=True, eq=False)
class NormalisedChannel:
    """One channel before and after batch normalisation.

    Attributes:
        channel: Its number.
        before: float32 (positions,): its values on the image.
        after: float32 (positions,): (before - mean) / sqrt(var + eps) * gamma + beta.
        mean: Mean of the training images.
        var: Variance of the training images.
        gamma: Learned factor; 1 if there is none.
        beta: Learned shift; 0 if there is none.
    """

    channel: int
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    mean: float
    var: float
    gamma: float
    beta: float


def is_batch_norm(module: nn.Module) -> bool:
    """Whether a layer is a batch normalisation with running statistics."""
    return isinstance(module, _BatchNorm) and module.running_mean is not None


def normalised_channels(module: nn.Module, values: LayerValues) -> list[NormalisedChannel]:
    """The channels of a batch normalisation whose values vary most on the image.

    Args:
        module: The batch normalisation; an activation that it contains is left out.
        values: What it received and returned, for one image.
    """
    assert isinstance(module, _BatchNorm) and module.running_mean is not None
    mean, var = module.running_mean, module.running_var
    assert var is not None
    after = F.batch_norm(
        values.input.float(), mean, var, module.weight, module.bias, False, 0.0, module.eps
    )
    gamma = mean.new_ones(len(mean)) if module.weight is None else module.weight.detach()
    beta = mean.new_zeros(len(mean)) if module.bias is None else module.bias.detach()
    return [
        NormalisedChannel(
            i,
            _flat(values.input[0, i]),
            _flat(after[0, i]),
            *(float(each[i]) for each in (mean, var, gamma, beta)),
        )
        for i in strongest_channels(values.input[0], _CHANNELS)
    ]


def _flat(plane: Tensor) -> NDArray[np.float32]:
    return np.asarray(plane.detach().float().flatten().cpu().numpy(), np.float32)
