"""Deliver samples: spool, send oldest first, retry, isolate what a server refuses."""

import logging
from collections.abc import Sequence
from random import Random
from typing import Protocol

from specter_core.clock import Clock
from specter_detector.batch import Batch
from specter_detector.isolation import Isolation
from specter_detector.outputs import Written
from specter_detector.packing import DEFAULT_LIMITS, Limits, pack
from specter_detector.refusing import Refusing
from specter_detector.remote_write import Outcome, RequestSink
from specter_detector.retry import Backoff
from specter_detector.series import text_of
from specter_detector.spool import Spool
from specter_detector.telemetry import Telemetry

LOGGER = logging.getLogger(__name__)
BACKOFF = Backoff(base=0.1, cap=5.0)
FUTURE_TOLERANCE = 60.0
"""Seconds by which the clock may step back between a tick and its delivery."""
LEAST_TIMEOUT = 0.5
"""Seconds that a request has even if the budget is used up: less would never get through to a slow server."""


class Destination(Protocol):
    """Where ticks go: to a server (`Writer`), or on our own page (`exposed.Exposed`)."""

    def enqueue(self, scheduler: str, at: float, written: Sequence[Written]) -> None:
        """Take what the jobs of a scheduler have to say of the tick at Unix time `at` (s)."""

    def flush(self, budget: float) -> bool:
        """Deliver what is pending for `budget` seconds; True when nothing is left."""

    def last_tick(self, scheduler: str) -> float | None:
        """Return the newest tick that was taken, None for none known."""

    def close(self) -> None:
        """Give back what is held open."""


class Writer:
    """Spool in front of a remote-write server; used by one thread.

    What cannot be delivered is kept within the spool's bounds; every sample that is given up is counted with
    its reason.
    """

    def __init__(
        self,
        sink: RequestSink,
        spool: Spool,
        *,
        clock: Clock,
        random: Random,
        telemetry: Telemetry,
        timeout: float,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._sink = sink
        self._spool = spool
        self._clock = clock
        self._random = random
        self._telemetry = telemetry
        self._timeout = timeout
        self._limits = limits
        self._isolation: Isolation | None = None
        self._refusals = Refusals(telemetry)
        self._refusing = Refusing()
        self._down = False
        self._not_before = 0.0
        self._attempt = 0
        self._report()

    @property
    def pending(self) -> int:
        """Samples waiting to be delivered."""
        return self._spool.samples

    def last_tick(self, scheduler: str) -> float | None:
        """Return the newest tick of `scheduler` that was spooled, delivered or not, in any process."""
        return self._spool.last_tick(scheduler)

    def close(self) -> None:
        """Close the spool; what is in it waits for the next process."""
        self._spool.close()

    def enqueue(self, scheduler: str, at: float, written: Sequence[Written]) -> None:
        """Spool what the jobs of `scheduler` have to say of the tick at Unix time `at` (s)."""
        for each in written:
            self._refusals.note(each)
        if at > self._clock.time():
            # One sample in the future stops Prometheus from scraping until that time.
            self._telemetry.dropped("future", sum(each.samples for each in written))
            return
        packed = list(pack((block for each in written for block in each.blocks), self._limits))
        self._spool.append(
            [
                Batch(scheduler, at, each.samples, each.scores, each.body, number == len(packed))
                for number, each in enumerate(packed, 1)
            ]
        )
        self._report()

    def flush(self, budget: float) -> bool:
        """Send what is pending for `budget` seconds; True when nothing is left.

        One request at least is sent, unless the server asked to be left alone for longer than that.
        """
        deadline = self._clock.monotonic() + budget
        try:
            return self._flush(deadline)
        finally:
            self._report()

    def _flush(self, deadline: float) -> bool:
        while (batch := self._next()) is not None:
            wait = self._not_before - self._clock.monotonic()
            if wait > 0:
                if self._clock.monotonic() + wait >= deadline:
                    return False
                self._clock.sleep(wait)
            outcome = self._try(batch, deadline)
            if outcome.kind == "unreachable":
                self._note_down(outcome)
            else:
                self._note_up()
            if self._clock.monotonic() >= deadline:
                return self._next() is None
        return True

    def _next(self) -> Batch | None:
        """Return the oldest batch that may be sent."""
        now = self._clock.time()
        while (batch := self._spool.peek(now)) is not None and batch.at > now + FUTURE_TOLERANCE:
            self._telemetry.dropped("future", batch.samples)
            self._spool.ack(batch)
        return batch

    def _try(self, batch: Batch, deadline: float) -> Outcome:
        """Send `batch`, or the next part of it when it was refused; note what became of it."""
        if self._isolation is not None and self._isolation.batch is batch:
            outcome = self._isolation.step(lambda body: self._send(body, deadline))
        else:
            outcome = self._send(batch.body, deadline)
            self._isolation = None
            if outcome.kind == "ok":
                self._refusing.taken(batch.scheduler)
                self._done(batch, batch.samples, [scores.query for scores in batch.scores])
            elif outcome.kind == "rejected":
                self._isolation = Isolation(batch, self._refusing.patience(batch.scheduler))
                self._isolation.begin(outcome)
        if self._isolation is not None and self._isolation.done:
            self._isolated(self._isolation)
            self._isolation = None
        return outcome

    def _send(self, body: bytes, deadline: float) -> Outcome:
        started = self._clock.monotonic()
        outcome = self._sink.send(body, max(LEAST_TIMEOUT, min(self._timeout, deadline - started)))
        self._telemetry.requests.wrote(outcome.kind, self._clock.monotonic() - started, len(body))
        return outcome

    def _isolated(self, found: Isolation) -> None:
        for reason, samples in found.refused.items():
            self._telemetry.dropped(reason, samples)
        refused = sum(found.refused.values())
        self._refusing.refused(found)
        self._done(found.batch, found.batch.samples - refused, found.queries_told())

    def _done(self, batch: Batch, samples: int, queries: Sequence[str]) -> None:
        self._spool.ack(batch)
        self._telemetry.written(samples)
        for query in queries:
            self._telemetry.scores_written(query, batch.at)

    def _note_down(self, outcome: Outcome) -> None:
        wait = max(BACKOFF.delay(self._attempt, self._random), outcome.retry_after)
        self._not_before = self._clock.monotonic() + wait
        self._attempt += 1
        if not self._down:
            self._down = True
            LOGGER.warning("cannot write scores, retrying: %s", outcome.message)

    def _note_up(self) -> None:
        self._attempt = 0
        if self._down:
            self._down = False
            LOGGER.info("writing scores again")

    def _report(self) -> None:
        self._telemetry.spooled(self._spool.samples, self._spool.nbytes, persistent=self._spool.persistent)


class Refusals:
    """Counts what cannot be written, and says so when it begins or changes."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._told: dict[tuple[str, str], int] = {}

    def note(self, written: Written) -> None:
        """Look at what one job has to say of a tick."""
        kinds = (
            ("invalid", written.invalid, "labels that cannot be written"),
            ("duplicate", written.duplicates, "outputs that another series writes already"),
        )
        for reason, series, what in kinds:
            if series:
                self._telemetry.dropped(reason, len(series) * written.outputs)
            known = self._told.get((written.query, reason), 0)
            self._told[written.query, reason] = len(series)
            if len(series) == known:
                continue
            if series:
                LOGGER.warning(
                    "query %s: %d series have %s, such as %s",
                    written.query, len(series), what, text_of(series[0]).encode("utf-8", "replace").decode(),
                )  # fmt: skip
            else:
                LOGGER.info("query %s: no series has %s any more", written.query, what)
