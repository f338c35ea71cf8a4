"""Recognise errors that say that memory ran out."""

import re

import torch


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, of a GPU or of the machine."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and bool(
        re.search(r"can't allocate memory|out of memory|not enough memory", str(error))
    )


def is_worker_death(error: BaseException) -> bool:
    """Whether one of the processes that load samples died, which the system ends without memory."""
    return isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker (pid")
