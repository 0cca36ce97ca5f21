"""Tell the receiver of runs inside this process, from any thread, and never fail for it."""

import logging
import os
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path

from specter_core.clock import Clock, SystemClock
from specter_core.durations import format_duration
from specter_exporters.run.masking import secrets_of
from specter_exporters.run.options import DEFAULT_PING_TIMEOUT, PingOptions, default_state
from specter_exporters.run.pings import FAIL, LOG, START, Check, Ping
from specter_exporters.run.sender import Sender

logger = logging.getLogger(__name__)

MOST_TEXT = 10_000


class Monitor:
    """Tells a receiver of the runs in this process, as the wrapper does, and spools as it does.

    Args:
        pings: the receiver; without a URL, nobody is told.
        state: folder of the spool.
        clock: tells when something happened.
    """

    def __init__(self, pings: PingOptions, state: Path, *, clock: Clock | None = None) -> None:
        self._pings = pings
        self._state = state
        self._clock = clock or SystemClock()
        self._sender: Sender | None = None
        self._process = 0

    @classmethod
    def from_environment(cls) -> "Monitor":
        """Return the one that the wrapper's variables describe: SPECTER_PING_URL and so on."""
        key_file = os.environ.get("SPECTER_PING_KEY_FILE")
        state = os.environ.get("SPECTER_RUN_STATE_DIR")
        pings = PingOptions(
            os.environ.get("SPECTER_PING_URL", ""),
            Path(key_file) if key_file else None,
            DEFAULT_PING_TIMEOUT,
        )
        return cls(pings, Path(state) if state else default_state())

    def began(self, job: str, check: Check, run_id: str = "") -> "MonitoredRun":
        """Tell that a run of `job` begins, of which `run_id` (a UUID) tells others; return it."""
        run = MonitoredRun(self, job, check, run_id or str(uuid.uuid4()), self._clock)
        run.tell(START)
        return run

    def resumed(self, job: str, check: Check, run_id: str) -> "MonitoredRun":
        """Return a run that has been told to begin, perhaps by another process."""
        return MonitoredRun(self, job, check, run_id, self._clock)

    def put(self, make: Callable[[], Ping]) -> None:
        """Tell what `make` returns. What goes wrong is logged."""
        if not self._pings.url:
            return
        try:
            self._current().put(make())
        except Exception:  # what is watched must not fail by it, whatever is wrong here
            logger.exception("a ping is lost")

    def masked(self, text: str) -> str:
        """Return the end of `text` without its secrets."""
        # With a margin, so that a secret at the cut is seen whole.
        return secrets_of(self._pings).masked(text[-2 * MOST_TEXT :])[-MOST_TEXT:]

    def close(self, seconds: float) -> None:
        """Wait until what was told is delivered, `seconds` at most."""
        if self._sender is not None and self._process == os.getpid():
            self._sender.close(seconds)
            self._sender = None

    def _current(self) -> Sender:
        # Threads do not survive a fork, as of Celery's workers. When two threads come first at the same time,
        # each makes one: they share the spool, and its lock keeps them apart.
        if self._sender is None or self._process != os.getpid():
            self._process = os.getpid()
            self._sender = Sender.of(self._pings, self._state)
        return self._sender


class MonitoredRun:
    """A run that goes on."""

    def __init__(self, monitor: Monitor, job: str, check: Check, run_id: str, clock: Clock) -> None:
        self._monitor = monitor
        self._job = job
        self._check = check
        self._run_id = run_id
        self._clock = clock
        self._began = clock.monotonic()

    def succeeded(self) -> None:
        """Tell that it ended well."""
        self.tell("0", lambda: f"succeeded after {self._seconds()}")

    def failed(self, error: BaseException) -> None:
        """Tell that it was ended by `error`."""
        self.tell(FAIL, lambda: f"failed after {self._seconds()}\n\n{self._monitor.masked(described(error))}")

    def goes_on(self, remark: str) -> None:
        """Tell something about it."""
        self.tell(LOG, lambda: self._monitor.masked(remark))

    def tell(self, action: str, text: Callable[[], str] = str) -> None:
        """Tell that `action` happened now."""
        at = self._clock.time()
        self._monitor.put(
            lambda: Ping(
                self._job, action, self._run_id, at, text(), self._check.create, self._check.headers()
            )
        )

    def _seconds(self) -> str:
        return format_duration(round(self._clock.monotonic() - self._began, 1))


def described(error: BaseException) -> str:
    """Return the traceback of `error`, which names no value of a variable."""
    return "".join(traceback.format_exception(error))
