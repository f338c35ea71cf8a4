"""Reuse freed memory for the next step or image, instead of returning it to the system."""

import ctypes
import sys

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Make glibc reuse freed memory for large blocks, and return none to the system.

    Every step of a training and every batch of a prediction needs the same large blocks. By default
    glibc returns them to the system after use, which must then clear each page again; this slows
    networks in PyTorch on a CPU (`benchmarks/memory.py`). On other systems than Linux with glibc
    this does nothing.
    """
    if sys.platform != "linux":
        return
    try:
        library = ctypes.CDLL("libc.so.6")
    except OSError:
        return
    library.mallopt(_M_MMAP_MAX, 0)
    library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    library.mallopt(_M_TOP_PAD, 64 * 2**20)
