"""Memory of a process as Linux tells it."""

import re
from pathlib import Path

MB = 1000**2


def anonymous_mb(pid: int | str = "self") -> float:
    """Return the megabytes of memory of a process that are no file's."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"^RssAnon:\s*(\d+) kB", status, re.M)
    return float(found[1]) * 1024 / MB if found else float("nan")
