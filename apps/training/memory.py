"""Keep freed memory for the next step, instead of asking the system for it again."""

import ctypes
import sys

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> None:
    """Tell glibc to hand large blocks out of memory it has, and to give none back.

    Every step of a training needs the same large blocks. By default glibc returns them to the
    system after use, which must then clear each page anew: time that training on a CPU can do
    without (`benchmarks/memory.py`). Elsewhere than on Linux with glibc this does nothing.
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
