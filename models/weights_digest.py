"""A hash of a network's weights."""

import hashlib

from torch import nn


def weights_digest(network: nn.Module, context: str) -> str:
    """A hash of a network's weights, and of what else its outputs depend on."""
    digest = hashlib.sha256(context.encode())
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
