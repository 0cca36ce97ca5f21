"""A time limit for a regular expression.

The engine of `re` looks for signals while it backtracks, so a handler that raises ends a match that takes
too long. Signals reach the main thread only: elsewhere (in tests) there is no limit in time, and the
restrictions on the pattern are all.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TypeVar

SECONDS = 0.1
SHORTEST = 256
T = TypeVar("T")


class TooLongError(Exception):
    """A match took longer than it may."""


class Watch:
    """Limits what is done within `with watch`, by `seconds`, between `start` and `stop`.

    One alarm a match would cost two system calls a line. Instead one timer ticks while a batch is worked on,
    and ends the match that the tick before it has seen already: after one to two intervals. It counts
    processor time: a machine that sleeps or is busy elsewhere makes no match slow.

    Attributes:
        given_up: how many matches took too long, or were not tried because an earlier one did.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._number = 0
        self._running = False
        self._seen = -1
        self.given_up = 0

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
            signal.signal(signal.SIGPROF, self._tick)
            signal.setitimer(signal.ITIMER_PROF, self._seconds, self._seconds)

    def stop(self) -> None:
        """Let it tick no more."""
        if threading.current_thread() is threading.main_thread():
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _tick(self, _number: int, _frame: FrameType | None) -> None:
        if not self._running:
            return
        if self._seen == self._number:
            self._running = False
            raise TooLongError
        self._seen = self._number


class Matcher:
    """An expression under a `Watch`: after a text that took too long it is given shorter ones only.

    Args:
        watch: limits how long a match may take.
        longest: characters of a text that is tried.
    """

    def __init__(self, watch: Watch, longest: int) -> None:
        self._watch = watch
        self.limit = longest

    def __call__(self, match: Callable[[str], T], text: str) -> T:
        """Return what `match` finds in `text`.

        Raises:
            TooLongError: it took too long, or the text is longer than half of one that did.
        """
        if len(text) > self.limit:
            self._watch.given_up += 1
            raise TooLongError
        try:
            with self._watch:
                return match(text)
        except TooLongError:
            self._watch.given_up += 1
            self.limit = max(SHORTEST, len(text) // 2)
            raise
