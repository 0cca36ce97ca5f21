"""Deliver pings behind the back of what they tell of: it never waits for them, and never fails by them."""

import logging
import threading
import time
from collections.abc import Iterator

from specter_core.errors import SpecterError
from specter_exporters.run.pings import Ping
from specter_exporters.run.receiver import LaterError, Receiver, RefusedError
from specter_exporters.run.spool import Spool, job_of

logger = logging.getLogger(__name__)


class Sender:
    """Takes pings, keeps them in the spool, and delivers what waits there in a thread of its own.

    Args:
        receiver: where to.
        spool: of this user's pings, also those that earlier runs and other jobs could not deliver.
        seconds: how long to wait for another process that delivers.
    """

    def __init__(self, receiver: Receiver, spool: Spool, *, seconds: float) -> None:
        self._receiver = receiver
        self._spool = spool
        self._seconds = seconds
        self._unkept: dict[str, Ping] = {}  # what the disk had no room for
        self._changed = threading.Condition()
        self._asked = 0
        self._done = 0
        self._closing = False
        self._trouble = ""
        self._thread: threading.Thread | None = None

    def put(self, ping: Ping) -> None:
        """Take `ping`, and return at once."""
        try:
            _, dropped = self._spool.add(ping)
        except OSError as error:
            logger.warning(
                "a ping of %s cannot be kept: %s: %s", ping.job, self._spool.folder, error.strerror
            )
            with self._changed:
                self._unkept[self._spool.name(ping)] = ping
        else:
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
            self._closing = True
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            return
        thread.join(seconds)
        self._receiver_closed(alive=thread.is_alive())
        trouble = self._trouble or ("no answer in time" if thread.is_alive() else "")
        waiting = len(self._spool.names())
        if trouble and (waiting or self._unkept):
            logger.warning(
                "pings not delivered: %d wait for the next run, %d are lost: %s",
                waiting,
                len(self._unkept),
                trouble,
            )

    def _receiver_closed(self, *, alive: bool) -> None:
        if not alive:  # the thread's, while it lives
            self._receiver.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked > self._done or self._closing)
                if self._asked == self._done:
                    return
                asked = self._asked
            self._deliver()
            with self._changed:
                self._done = asked

    def _deliver(self) -> None:
        self._trouble = ""
        try:
            with self._spool.held(time.monotonic() + self._seconds) as alone:
                if alone:
                    self._deliver_waiting()
        except OSError as error:
            # As on a full disk: what is in memory has nowhere else to go.
            self._trouble = f"{self._spool.folder}: {error.strerror}"
            self._deliver_waiting()

    def _deliver_waiting(self) -> None:
        put_off: set[str] = set()
        try:
            for name in self._waiting(put_off):
                try:
                    self._send(name)
                except LaterError as error:
                    put_off.add(job_of(name))
                    self._trouble = str(error)
        except SpecterError as error:
            self._trouble = str(error)

    def _waiting(self, put_off: set[str]) -> Iterator[str]:
        """Yield the oldest that waits, until none does whose job is not in `put_off`."""
        while True:
            with self._changed:
                unkept = list(self._unkept)
            names = [name for name in sorted([*self._spool.names(), *unkept]) if job_of(name) not in put_off]
            if not names:
                return
            for name in names:
                if job_of(name) not in put_off:
                    yield name

    def _send(self, name: str) -> None:
        """Deliver one ping and forget it, or forget one that nobody will ever take.

        Raises:
            LaterError: it is to wait, and with it what its job told later.
            NoAnswerError: all are.
        """
        with self._changed:
            ping = self._unkept.get(name)
        try:
            ping = self._spool.read(name) if ping is None else ping
            if ping is not None:
                self._receiver.send(ping)
        except (RefusedError, ValueError) as error:
            logger.warning("a ping of %s is dropped: %s", job_of(name), error)
        except OSError as error:
            raise LaterError(f"{name}: {error.strerror}") from error
        self._spool.remove(name)
        with self._changed:
            self._unkept.pop(name, None)
