"""A hash of a network's weights."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn


def weights_digest(network: nn.Module, context: str) -> str:
    """A hash of a network's weights, and of what else its outputs depend on."""
    return tensors_digest(network.state_dict(), context)


def tensors_digest(tensors: Mapping[str, Tensor], context: str = "") -> str:
    """A hash of named tensors, such as a state dictionary: SHA-256 in hexadecimal.

    Args:
        tensors: The tensors; their order counts.
        context: A text that is hashed with them.
    """
    digest = hashlib.sha256(context.encode())
    for name, value in tensors.items():
        digest.update(name.encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
