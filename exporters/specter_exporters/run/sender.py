"""Deliver pings behind the back of what they tell of: it never waits for them, and never fails by them."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

from specter_core.errors import SpecterError
from specter_exporters.run.options import PingOptions
from specter_exporters.run.pings import Ping
from specter_exporters.run.receiver import LaterError, Receiver, RefusedError
from specter_exporters.run.spool import Spool, job_of

logger = logging.getLogger(__name__)

AGAIN = 30.0  # seconds after which what could not be delivered is tried again, while the process lives
MOST_UNKEPT = 1000


class Sender:
    """Takes pings, keeps them in the spool, and delivers what waits there in a thread of its own.

    Args:
        receiver: where to.
        spool: of this user's pings with the same key, also those that earlier runs and other jobs left.
        seconds: how long to wait for another process that delivers, and for a receiver that wants a pause.
        again: seconds after which a delivery that failed is tried again.
    """

    def __init__(self, receiver: Receiver, spool: Spool, *, seconds: float, again: float = AGAIN) -> None:
        self._receiver = receiver
        self._spool = spool
        self._seconds = seconds
        self._again = again
        self._unkept: dict[str, Ping] = {}  # what the disk had no room for
        self._changed = threading.Condition()
        self._asked = 0
        self._done = 0
        self._deadline: float | None = None
        self._trouble = ""
        self._thread: threading.Thread | None = None

    @classmethod
    def of(cls, pings: PingOptions, state: Path) -> Self:
        """Return one for the receiver of `pings`, whose spool is in the folder `state`."""
        receiver = Receiver(pings.url, pings.key, seconds=pings.timeout)
        return cls(receiver, Spool(state / "spool" / pings.project), seconds=pings.timeout)

    def put(self, ping: Ping) -> None:
        """Take `ping`, and return at once."""
        try:
            _, dropped = self._spool.add(ping)
        except OSError as error:
            dropped = self._keep_in_memory(ping)
            logger.warning("%s is full or broken: %s", self._spool.folder, error.strerror)
        if dropped:
            logger.warning("the spool is full: %d older pings of %s are dropped", dropped, ping.job)
        with self._changed:
            self._asked += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pings", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """Wait until all is delivered that can be, `seconds` at most; say what is not."""
        with self._changed:
            self._deadline = time.monotonic() + seconds
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            return
        thread.join(seconds)
        if thread.is_alive():
            self._say("no answer in time")
        else:
            self._receiver.close()
        if self._unkept:
            logger.warning("%d pings are lost", len(self._unkept))

    def _keep_in_memory(self, ping: Ping) -> int:
        with self._changed:
            self._unkept[self._spool.name(ping)] = ping
            dropped = sorted(self._unkept)[:-MOST_UNKEPT]
            for name in dropped:
                del self._unkept[name]
        return len(dropped)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._asked > self._done or self._deadline is not None,
                    timeout=self._again if self._trouble else None,
                )
                if self._deadline is not None and self._asked == self._done:
                    return
                asked = self._asked
            self._say(self._deliver())
            with self._changed:
                self._done = asked

    def _say(self, trouble: str) -> None:
        """Log a change, not each ping."""
        before, self._trouble = self._trouble, trouble
        if trouble and trouble != before:
            logger.warning("pings wait in %s: %s", self._spool.folder, trouble)

    def _deliver(self) -> str:
        """Deliver what waits; return why something still does."""
        try:
            with self._spool.held(time.monotonic() + self._seconds) as alone:
                # Another process that delivers finds in the folder what waits here too.
                return self._deliver_waiting(self._spool.names if alone else list)
        except OSError as error:
            # As on a disk that is broken: what is in memory has nowhere else to go.
            return self._deliver_waiting(list) or f"{self._spool.folder}: {error.strerror}"

    def _deliver_waiting(self, kept: Callable[[], list[str]]) -> str:
        put_off: dict[str, str] = {}
        try:
            for name in self._waiting(kept, put_off):
                while not self._settled(name, put_off):
                    pass
        except SpecterError as error:
            return str(error)
        return next(iter(put_off.values()), "")

    def _waiting(self, kept: Callable[[], list[str]], put_off: Mapping[str, str]) -> Iterator[str]:
        """Yield what waits, the oldest first, until nothing does whose job is not in `put_off`."""
        while True:
            with self._changed:
                unkept = list(self._unkept)
            names = [name for name in sorted([*kept(), *unkept]) if job_of(name) not in put_off]
            if not names:
                return
            yield from (name for name in names if job_of(name) not in put_off)

    def _settled(self, name: str, put_off: dict[str, str]) -> bool:
        """Deliver one, or put its job off; False if it is to be tried again at once."""
        try:
            self._send(name)
        except LaterError as error:
            if self._paused(error.after):
                return False
            put_off[job_of(name)] = str(error)
        return True

    def _paused(self, seconds: float) -> bool:
        """Wait for `seconds` because the receiver asks for it; False if there is no time for that."""
        if not 0 < seconds <= self._seconds:
            return False
        until = time.monotonic() + seconds
        with self._changed:
            return not self._changed.wait_for(
                lambda: self._deadline is not None and self._deadline < until, timeout=seconds
            )

    def _send(self, name: str) -> None:
        """Deliver one ping and forget it, or forget one that nobody will ever take.

        Raises:
            LaterError: it is to wait, and with it what its job told later.
            NoAnswerError: all are.
        """
        with self._changed:
            unkept = self._unkept.get(name)
        try:
            ping = self._spool.read(name) if unkept is None else unkept
            if ping is not None:
                self._receiver.send(ping)
        except (RefusedError, ValueError) as error:
            logger.warning("a ping of %s is dropped: %s", job_of(name), error)
        except OSError as error:
            raise LaterError(f"{name}: {error.strerror}") from error
        if unkept is None:
            self._spool.remove(name)
        else:
            with self._changed:
                self._unkept.pop(name, None)
