"""Large arrays go back to the system when they are freed, not into a heap with holes.

glibc maps what is large apart, and gives that back at once. But whenever such an array is freed, it takes
its size, up to 32 MiB, for the size from which on things are large. Then arrays of some megabytes, which
every fit and every series that comes or goes makes for a moment, lie in the heap between small things that
stay: a detector of 10,000 series had up to 450 MB instead of 270.
"""

import ctypes

LARGE = 1 << 20
"""Bytes; less than that is what a tick needs for a moment, and gets again and again."""
_M_MMAP_THRESHOLD = -3


def return_large_arrays() -> None:
    """Fix the size from which on memory is given back when it is freed, where the C library lets one."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE)
