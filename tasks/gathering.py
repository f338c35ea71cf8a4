"""Gather objects from the processes of a distributed run."""

from typing import TypeVar

import torch

Item = TypeVar("Item")


def gather_objects(objects: list[Item]) -> list[Item]:
    """Concatenate the lists of all processes, on each of them."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return objects
    gathered: list[list[Item]] = [[] for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather_object(gathered, objects)
    return [item for part in gathered for item in part]
