"""The server's time where this machine's clock disagrees with it: its data carry the server's.

Evaluated an hour ahead of them a query returns nothing, and a sample that is written ahead stops Prometheus
from scraping until that time. Every answer has the server's time in its header `Date`. It is a hint, since
caches and proxies have clocks of their own: before it is believed the server itself is asked.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

from specter_core.clock import Clock
from specter_detector.telemetry import Telemetry

LOGGER = logging.getLogger(__name__)
TOLERANCE = 60.0
"""Seconds by which the clocks may differ: some servers answer for half a minute ago."""


class DateHeaders:
    """The time by the newest answer of a server; any number of threads may note answers.

    Args:
        monotonic: returns seconds that never step back.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._base: float | None = None

    def note(self, headers: Mapping[str, str]) -> None:
        """Look at the headers of an answer; one out of a cache says nothing."""
        if "Date" not in headers or "Age" in headers:
            return
        try:
            date = parsedate_to_datetime(headers["Date"]).timestamp()
        except (ValueError, OverflowError):
            return
        self._base = date - self._monotonic()

    def now(self) -> float | None:
        """Return the server's Unix time (s), good to about a second; None while nothing is known."""
        return None if self._base is None else self._base + self._monotonic()


class ServerClock:
    """A clock that follows another one as long as the server agrees with it, and the server otherwise.

    Args:
        own: this machine's.
        hint: returns the server's time as far as it is known.
        ask: returns the server's time, asked now.
        telemetry: where the difference is shown.
    """

    def __init__(
        self,
        own: Clock,
        *,
        hint: Callable[[], float | None],
        ask: Callable[[], float],
        telemetry: Telemetry,
    ) -> None:
        self._own = own
        self._hint = hint
        self._ask = ask
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._ahead = 0.0
        telemetry.clock_ahead(0.0)

    def time(self) -> float:
        """Return seconds since the Unix epoch."""
        return self._own.time() - self._ahead

    def monotonic(self) -> float:
        """Return seconds that never step back, from an arbitrary start."""
        return self._own.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block for `seconds` (no-op when zero or negative)."""
        self._own.sleep(seconds)

    def check(self) -> None:
        """Find out whether the clocks agree; costs a request when they seem not to.

        Raises:
            DatasourceError: they seem not to, and the server cannot be asked.
        """
        hint = self._hint()
        if hint is None or abs(self.time() - hint) <= TOLERANCE:
            return
        with self._lock:
            ahead = self._own.time() - self._ask()
            self._follow(ahead if abs(ahead) > TOLERANCE else 0.0)

    def _follow(self, ahead: float) -> None:
        if abs(ahead - self._ahead) <= 1.0:
            return  # the hint was wrong
        if ahead:
            direction = "ahead of" if ahead > 0 else "behind"
            LOGGER.warning(
                "this machine's clock is %.0f s %s the server's, which counts as long as they differ",
                abs(ahead), direction,
            )  # fmt: skip
        else:
            LOGGER.info("this machine's clock agrees with the server's again")
        self._ahead = ahead
        self._telemetry.clock_ahead(ahead)
