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
        """Send what is pending, retrying for at most `budget` seconds; True when nothing is left."""
        deadline = self._clock.monotonic() + budget
        attempt = 0
        while self._pending:
            remaining = deadline - self._clock.monotonic()
            outcome = self._sink.send(self._pending[0], max(0.1, min(self._timeout, remaining)))
            self._telemetry.wrote(outcome.kind)
            if outcome.kind == "unreachable":
                self._note_down(outcome)
                wait = max(BACKOFF.delay(attempt, self._random), outcome.retry_after)
                if self._clock.monotonic() + wait >= deadline:
                    return False
                self._clock.sleep(wait)
                attempt += 1
                continue
            self._note_up()
            batch = self._pending.popleft()
            if outcome.kind == "ok":
                self._telemetry.written(len(batch))
            else:
                self._isolate(batch, outcome)
        return True

    def _isolate(self, batch: Sequence[Sample], refusal: Outcome) -> None:
        """Send a refused batch again in halves: the server drops all of it for one bad sample."""
        budget = MAX_SPLITS
        parts = [(batch, refusal)]
        refused, message = 0, refusal.message
        while parts:
            part, outcome = parts.pop()
            if outcome.kind == "ok":
                self._telemetry.written(len(part))
            elif len(part) == 1 or budget < 2:
                refused, message = refused + len(part), outcome.message
            else:
                middle = len(part) // 2
                for half in (part[:middle], part[middle:]):
                    budget -= 1
                    result = self._sink.send(half, self._timeout)
                    self._telemetry.wrote(result.kind)
                    parts.append((half, result))
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
