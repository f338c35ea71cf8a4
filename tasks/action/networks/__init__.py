"""Networks from clips to class logits, which also run frame by frame."""

from visus.tasks.action.networks.create import ARCHITECTURES, Architecture, create_network
from visus.tasks.action.networks.heads import Cell
from visus.tasks.action.networks.network import ClipNetwork, Inputs, State

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "Cell",
    "ClipNetwork",
    "Inputs",
    "State",
    "create_network",
]
