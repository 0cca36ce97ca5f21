"""Memory that was needed for a moment is given back."""

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, re, sys
from pathlib import Path
import numpy as np
from specter_detector.allocation import return_large_arrays

def anonymous():
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"RssAnon:\\s*(\\d+) kB", status)[1]) / 1024

# What the C library does by itself when an array of 32 MiB is freed: what is smaller lies in
# the heap from now on.
assert ctypes.CDLL(None).mallopt(-3, 32 << 20)
if sys.argv[1] == "fixed":
    return_large_arrays()
before = anonymous()
large, small = [], []
for _ in range(50):
    large.append(np.ones(2**18))  # 2 MiB
    small.append(np.ones(2**15))  # 256 KiB: more than the holes that importing leaves
del large
print(anonymous() - before - sum(each.nbytes for each in small) / 2**20)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of Linux' C library")
def test_large_arrays_between_small_ones_are_given_back_when_they_are_freed() -> None:
    def held(how: str) -> float:
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, how], check=True, capture_output=True, text=True, timeout=60
        )
        return float(run.stdout)

    assert held("fixed") < 5
    assert held("as it is") > 50
