"""One run of a job: one at a time, again when it fails, and told to whoever watches it."""

import errno
import logging
import os
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from specter_core.clock import Clock
from specter_core.durations import format_duration
from specter_exporters.run.child import NOT_EXECUTABLE, NOT_FOUND, Child, Ended
from specter_exporters.run.lock import JobLock, OverlapError, Owner
from specter_exporters.run.pings import FAIL, LOG, START, Check, Ping
from specter_exporters.run.processes import ticks
from specter_exporters.run.retries import Retries
from specter_exporters.run.signals import ENDING, Signals
from specter_exporters.run.tail import Tail

logger = logging.getLogger(__name__)

SKIPPED = 75  # EX_TEMPFAIL of sysexits.h: try again later
LOCK_POLL = 0.2


class Job(NamedTuple):
    """What is run, and how.

    Attributes:
        name: of the job.
        command: program and arguments.
        check: what the receiver is told about it.
        state: folder of locks and dead letters.
        timeout: seconds an attempt may take; None: for ever.
        kill_after: seconds between SIGTERM and SIGKILL then.
        retries: of failed attempts.
        overlap: whether a run that must not begin counts as failed.
        wait: seconds to wait for one that goes on.
        tail: bytes of the output that are kept; 0: the output is not read.
    """

    name: str
    command: Sequence[str]
    state: Path
    check: Check = Check()
    timeout: float | None = None
    kill_after: float = 10.0
    retries: Retries = Retries()
    overlap: Literal["skip", "fail"] = "skip"
    wait: float = 0.0
    tail: int = 10_000


class Attempted(NamedTuple):
    """An attempt that is over, and when it began (Unix seconds)."""

    at: float
    ended: Ended


class Outcome(NamedTuple):
    """How a run ended.

    Attributes:
        code: for the wrapper to exit with.
        run_id: its UUID.
        began: Unix seconds; None: it did not begin.
        ended: Unix seconds.
        attempts: all of them.
        tail: the end of the last one's output, as it was.
    """

    code: int
    run_id: str
    began: float | None
    ended: float
    attempts: Sequence[Attempted] = ()
    tail: str = ""


class Run:
    """A run of `job`.

    Args:
        job: what is run.
        ping: takes what the receiver is told; never waits, never raises.
        signals: that the wrapper gets.
        clock: tells when something happened.
        chance: returns a number in [0, 1), for the jitter of retries.
        mask: masks the secrets of a text.
    """

    def __init__(
        self,
        job: Job,
        *,
        ping: Callable[[Ping], None],
        signals: Signals,
        clock: Clock,
        chance: Callable[[], float],
        mask: Callable[[str], str],
    ) -> None:
        self._job = job
        self._ping = ping
        self._signals = signals
        self._clock = clock
        self._chance = chance
        self._mask = mask
        self._run_id = str(uuid.uuid4())
        self._tail: Tail | None = None

    def run(self) -> Outcome:
        """Run it; return how it ended. Only the job's own trouble makes it fail."""
        lock = None
        try:
            lock = self._lock()
        except OverlapError as overlap:
            return self._skip(overlap.owner)
        except OSError as error:
            logger.warning("nothing keeps runs of %s apart: %s", self._job.name, _describe(error))
        began = self._clock.time()
        if lock is not None and lock.unfinished is not None:
            self._tell(FAIL, _unfinished(lock.unfinished), at=began, run_id=lock.unfinished.run_id)
        self._own(lock, Owner(self._run_id, began, os.getpid()))
        self._tell(START, at=began)
        attempts = self._attempts(lock, began)
        last = attempts[-1].ended
        tail = self._tail.text() if self._tail is not None and last.code else ""
        ended = self._clock.time()
        self._tell(str(last.code), self._body(attempts, tail), at=ended, attempts=len(attempts))
        if lock is not None:
            lock.release()
        return Outcome(last.code, self._run_id, began, ended, attempts, tail)

    def _lock(self) -> JobLock:
        until = self._clock.monotonic() + self._job.wait
        while True:
            try:
                return JobLock(self._job.state / "locks", self._job.name)
            except OverlapError:
                rest = until - self._clock.monotonic()
                if rest <= 0 or ENDING.intersection(self._signals.wait(min(rest, LOCK_POLL))):
                    raise

    def _own(self, lock: JobLock | None, owner: Owner) -> None:
        if lock is not None:
            try:
                lock.write(owner)
            except OSError as error:
                logger.warning("if this run is killed, nobody will know: %s", _describe(error))

    def _skip(self, owner: Owner | None) -> Outcome:
        now = self._clock.time()
        what = "another run goes on"
        if owner is not None:
            what = f"run {owner.run_id} has gone on for {format_duration(round(now - owner.began))}"
        fails = self._job.overlap == "fail"
        self._tell(str(SKIPPED) if fails else LOG, f"did not begin: {what}", at=now)
        logger.warning("%s is not run: %s", self._job.name, what)
        return Outcome(SKIPPED, self._run_id, None, now)

    def _attempts(self, lock: JobLock | None, began: float) -> list[Attempted]:
        attempts: list[Attempted] = []
        while True:
            at = self._clock.time()
            ended = self._attempt(lock, began)
            attempts.append(Attempted(at, ended))
            if not ended.code or ended.stopped or len(attempts) > self._job.retries.tries:
                return attempts
            wait = self._job.retries.wait(len(attempts), self._chance())
            self._tell(LOG, f"{self._progress(attempts)}, again in {format_duration(round(wait, 1))}")
            if stopped := ENDING.intersection(self._signals.wait(wait)):
                number = min(stopped)
                code = Ended(128 + number, 0.0, f"ended by {number.name} before it was tried again", number)
                return [*attempts, Attempted(self._clock.time(), code)]

    def _attempt(self, lock: JobLock | None, began: float) -> Ended:
        self._tail = Tail(self._job.tail) if self._job.tail else None
        try:
            child = Child(self._job.command, self._signals, self._tail)
        except OSError as error:
            missing = error.errno in {errno.ENOENT, errno.ENOTDIR}
            name = self._job.command[0]
            # The whole line in quotes, as a shell would take it.
            hint = "; a line of shell wants: -- sh -c 'LINE'" if missing and " " in name else ""
            logger.warning("%s: %s%s", name, error.strerror, hint)
            return Ended(NOT_FOUND if missing else NOT_EXECUTABLE, 0.0, f"not started: {error.strerror}")
        self._own(lock, Owner(self._run_id, began, os.getpid(), child.pid, ticks(child.pid)))
        return child.wait(self._job.timeout, self._job.kill_after)

    def _progress(self, attempts: Sequence[Attempted]) -> str:
        last = attempts[-1].ended
        text = f"{last.why} after {format_duration(round(last.seconds, 1))}"
        return (
            f"attempt {len(attempts)} of {1 + self._job.retries.tries}: {text}"
            if len(attempts) > 1 or self._job.retries.tries
            else text
        )

    def _body(self, attempts: Sequence[Attempted], tail: str) -> str:
        said = self._progress(attempts)
        return f"{said}\n\n{self._mask(tail)}" if tail else said

    def _tell(
        self, action: str, body: str = "", *, at: float | None = None, run_id: str = "", attempts: int = 0
    ) -> None:
        check = self._job.check
        at = self._clock.time() if at is None else at
        run_id = run_id or self._run_id
        self._ping(Ping(self._job.name, action, run_id, at, body, check.create, check.headers(), attempts))


def _unfinished(owner: Owner) -> str:
    return f"never ended: the wrapper, process {owner.pid}, was killed, or the machine went down"


def _describe(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
