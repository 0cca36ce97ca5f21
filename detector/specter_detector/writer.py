"""Deliver samples: check, queue, send oldest first, retry, isolate what a server refuses."""

import logging
from collections import deque
from collections.abc import Sequence
from random import Random

from specter_core.clock import Clock
from specter_detector.output import Sample
from specter_detector.remote_write import Outcome, SampleSink
from specter_detector.retry import Backoff
from specter_detector.telemetry import Telemetry

LOGGER = logging.getLogger(__name__)
BACKOFF = Backoff(base=0.1, cap=5.0)
MAX_SPLITS = 64
"""Requests spent on finding the refused samples of one batch, at most."""


class Writer:
    """Queue in front of a remote-write server; used by one thread.

    What cannot be delivered is kept for the next flush, `max_pending` samples at
    most, then the oldest are dropped; every drop is counted with its reason.
    """

    def __init__(
        self,
        sink: SampleSink,
        *,
        clock: Clock,
        random: Random,
        telemetry: Telemetry,
        max_pending: int,
        timeout: float,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._random = random
        self._telemetry = telemetry
        self._max_pending = max_pending
        self._timeout = timeout
        self._pending: deque[Sequence[Sample]] = deque()
        self._down = False

    @property
    def pending(self) -> int:
        """Samples waiting to be delivered."""
        return sum(len(batch) for batch in self._pending)

    def enqueue(self, samples: Sequence[Sample]) -> None:
        """Add one tick's samples; those that must not be sent are dropped and counted here."""
        now = self._clock.time()
        seen: set[object] = set()
        batch: list[Sample] = []
        for sample in samples:
            if sample.timestamp > now:
                # One sample in the future stops Prometheus from scraping until that time.
                self._telemetry.dropped("future", 1)
            elif (sample.labels, sample.timestamp) in seen:
                self._telemetry.dropped("duplicate", 1)
            else:
                seen.add((sample.labels, sample.timestamp))
                batch.append(sample)
        if batch:
            self._pending.append(batch)
        while self.pending > self._max_pending:
            self._telemetry.dropped("unreachable", len(self._pending.popleft()))

    def flush(self, budget: float) -> bool:
        """Send what is pending for `budget` seconds, but one request at least; True when nothing is left."""
        deadline = self._clock.monotonic() + budget
        attempt = 0
        while self._pending:
            batch = self._pending[0]
            outcome = self._send(batch, deadline)
            if outcome.kind == "unreachable":
                self._note_down(outcome)
                wait = max(BACKOFF.delay(attempt, self._random), outcome.retry_after)
                if self._clock.monotonic() + wait >= deadline:
                    return False
                self._clock.sleep(wait)
                attempt += 1
                continue
            self._note_up()
            self._pending.popleft()
            if outcome.kind == "rejected":
                self._isolate(batch, outcome, deadline)
            if self._pending and self._clock.monotonic() >= deadline:
                return False
        return True

    def _send(self, batch: Sequence[Sample], deadline: float) -> Outcome:
        """Send `batch` and count what became of it."""
        remaining = deadline - self._clock.monotonic()
        outcome = self._sink.send(batch, max(0.1, min(self._timeout, remaining)))
        self._telemetry.wrote(outcome.kind)
        if outcome.kind == "ok":
            self._telemetry.written(len(batch))
            newest = {s.score_of: s.timestamp for s in batch if s.score_of and s.value is not None}
            for query, at in newest.items():
                self._telemetry.scores_written(query, at)
        return outcome

    def _isolate(self, batch: Sequence[Sample], refusal: Outcome, deadline: float) -> None:
        """Send a refused batch again in halves: the server drops all of it for one bad sample.

        What has not been tried when the server goes away or the time is over comes first at the next flush.
        """
        budget = MAX_SPLITS
        untried = _halves(batch)
        refused, message = (0, refusal.message) if untried else (len(batch), refusal.message)
        while untried and self._clock.monotonic() < deadline:
            part = untried.pop()
            outcome = self._send(part, deadline)
            budget -= 1
            if outcome.kind == "unreachable":
                untried.append(part)
                break
            if outcome.kind == "rejected":
                halves = _halves(part)
                # Every part that waits must still have its request.
                if halves and budget >= len(untried) + len(halves):
                    untried += halves
                else:
                    refused, message = refused + len(part), outcome.message
        self._pending.extendleft(untried)
        if refused:
            self._telemetry.dropped("rejected", refused)
            LOGGER.warning("%d of %d samples refused, dropped: %s", refused, len(batch), message)

    def _note_down(self, outcome: Outcome) -> None:
        if not self._down:
            self._down = True
            LOGGER.warning("cannot write scores, retrying: %s", outcome.message)

    def _note_up(self) -> None:
        if self._down:
            self._down = False
            LOGGER.info("writing scores again")


def _halves(batch: Sequence[Sample]) -> list[Sequence[Sample]]:
    """Return the halves of `batch`, the first one last; nothing when it cannot be divided."""
    middle = len(batch) // 2
    return [batch[middle:], batch[:middle]] if middle else []
