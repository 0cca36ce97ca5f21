"""End what a killed run has left behind: by its own pid files, and nothing else.

A pid may have been given to another program since. So a process is only ended
when it proves to be ours: its environment carries the state folder's path under
`MARKER`, or its command line names a path inside the state folder's own data
(PostgreSQL, which may overwrite its environment, is told from its `-D`).
"""

from collections.abc import Iterable
from pathlib import Path

import psutil

MARKER = "SPECTER_STACK_STATE"
GRACE_SECONDS = 10.0


def read_pid(pid_file: Path) -> int | None:
    """Return the process id in the first line of `pid_file`, None when there is none."""
    try:
        first = pid_file.read_text(encoding="ascii", errors="replace").split("\n", 1)[0].strip()
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return None
    return int(first) if first.isdigit() else None


def is_ours(process: psutil.Process, state: Path, pid_file: Path) -> bool:
    """Whether `process` was started for the run in `state`."""
    try:
        if process.environ().get(MARKER) == str(state):
            return True
        return str(pid_file.parent) in process.cmdline() and pid_file.name == "postmaster.pid"
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False


def find_orphans(state: Path, pid_files: Iterable[Path]) -> list[psutil.Process]:
    """Return the processes of `pid_files` that still run and are ours."""
    found = []
    for pid_file in pid_files:
        pid = read_pid(pid_file)
        if pid is None or not psutil.pid_exists(pid):
            continue
        try:
            process = psutil.Process(pid)
            zombie = process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            continue
        if not zombie and is_ours(process, state, pid_file):
            found.append(process)
    return found


def end_processes(processes: Iterable[psutil.Process], grace_seconds: float = GRACE_SECONDS) -> list[int]:
    """Terminate `processes` and their children, kill the rest after `grace_seconds`; return the pids."""
    family: dict[int, psutil.Process] = {}
    for process in processes:
        family[process.pid] = process
        try:
            family.update({child.pid: child for child in process.children(recursive=True)})
        except psutil.NoSuchProcess:
            continue
    for process in family.values():
        _signal(process, kill=False)
    _, alive = psutil.wait_procs(family.values(), timeout=grace_seconds)
    for process in alive:
        _signal(process, kill=True)
    psutil.wait_procs(alive, timeout=grace_seconds)
    return sorted(family)


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        return
