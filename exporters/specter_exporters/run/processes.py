"""What the kernel knows of processes that are not our children, from /proc (Linux)."""

import os
from pathlib import Path

_STATE, _GROUP, _STARTED = 0, 2, 19  # fields of /proc/PID/stat behind the program's name (proc(5))


def ticks(pid: int) -> int:
    """Return when the process `pid` was started, in ticks since boot; 0 if it does not run."""
    fields = _fields(pid)
    return int(fields[_STARTED]) if fields else 0


def group_lives(group: int) -> bool:
    """Return whether a process of the group `group` runs; one that is dead and not yet buried does not."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return any(
        (fields := _fields(int(name))) and fields[_GROUP] == str(group)
        for name in os.listdir("/proc")  # noqa: PTH208  (names are what is wanted)
        if name.isdecimal()
    )


def _fields(pid: int) -> list[str]:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    fields = status.rpartition(")")[2].split()  # the program's name may have blanks and brackets
    return [] if fields[_STATE] == "Z" else fields
