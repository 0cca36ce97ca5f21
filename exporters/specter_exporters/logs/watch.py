"""A time limit for a regular expression.

The engine of `re` looks for signals while it backtracks, so an alarm that raises ends a match that takes
too long. Signals reach the main thread only: elsewhere (in tests) there is no limit in time, and the
restrictions on the pattern are all.
"""

import signal
import threading
from types import FrameType, TracebackType

SECONDS = 0.1


class TooLongError(Exception):
    """A match took longer than it may."""


class Watch:
    """Limits what is done within `with watch`, by `seconds`, while `armed` holds.

    One alarm a match would cost two system calls a line. Instead one timer ticks while a batch is worked on,
    and ends the match that the tick before it has seen already: after one to two intervals.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._number = 0
        self._running = False
        self._seen = -1

    def __enter__(self) -> None:
        """Begin a match."""
        self._number += 1
        self._running = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End a match."""
        self._running = False

    def start(self) -> None:
        """Let the timer tick; only in the main thread."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGALRM, self._tick)
            signal.setitimer(signal.ITIMER_REAL, self._seconds, self._seconds)

    def stop(self) -> None:
        """Let it tick no more."""
        if threading.current_thread() is threading.main_thread():
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _tick(self, _number: int, _frame: FrameType | None) -> None:
        if not self._running:
            return
        if self._seen == self._number:
            self._running = False
            raise TooLongError
        self._seen = self._number
