"""Memory that was needed for a moment is given back."""

import subprocess
import sys

import pytest

PROGRAM = """
import re, sys
from pathlib import Path
import numpy as np
from specter_detector.allocation import return_large_arrays

def anonymous():
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"RssAnon:\\s*(\\d+) kB", status)[1]) / 1024

if sys.argv[1] == "fixed":
    return_large_arrays()
del (first := [np.ones(30 * 2**17)])[:]  # 30 MiB: what is smaller lies in the heap from now on
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
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, "fixed"], check=True, capture_output=True, text=True, timeout=60
    )
    assert float(run.stdout) < 5
