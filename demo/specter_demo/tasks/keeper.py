"""Keep the queue's worker running, and keep it away while a fault says so.

The process manager restarts whatever ends, in a container as under supervisord: that a killed worker stays
away takes a parent that lives on.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress

LOOK_SECONDS = 0.5
GRACE_SECONDS = 8.0


class Keeper:
    """Runs `command` as a child, in a process group of its own.

    Args:
        command: the program and its arguments.
        away: tells whether it is to be away.
        say: takes a sentence when something changes.
    """

    def __init__(self, command: Sequence[str], away: Callable[[], bool], say: Callable[[str], None]) -> None:
        self._command = command
        self._away = away
        self._say = say
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, wait: Callable[[float], bool]) -> int:
        """Keep the child until `wait(seconds)` tells to stop; return 0, or how it ended by itself."""
        try:
            while True:
                if self._child is None and not self._away():
                    self._start()
                elif self._child is not None and self._away():
                    self._kill()
                elif self._child is not None and (code := self._child.poll()) is not None:
                    # What it had forked may go on without it.
                    with suppress(ProcessLookupError):
                        os.killpg(self._child.pid, signal.SIGKILL)
                    self._child = None
                    return abs(code) or 1
                if wait(LOOK_SECONDS):
                    return 0
        finally:
            self._stop()

    def _start(self) -> None:
        self._child = subprocess.Popen(self._command, start_new_session=True)
        self._say(f"started the worker, process {self._child.pid}")

    def _kill(self) -> None:
        if self._child is not None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
            self._say(f"killed the worker, process {self._child.pid}")
            self._child = None

    def _stop(self) -> None:
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()
