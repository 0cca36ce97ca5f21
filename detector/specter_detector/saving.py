"""Save what jobs have learnt every few minutes, and go on from there after a restart."""

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from specter_core.clock import Clock
from specter_detector.jobs import Job
from specter_detector.storage import Storage
from specter_detector.store.checkpoint import Learnt
from specter_detector.telemetry import Telemetry

LOGGER = logging.getLogger(__name__)
SAVE_EVERY = 300.0
"""Seconds: what has to be caught up after a crash, at most."""
SAVE_FITS_EVERY = 30.0
"""Seconds, when fits have been taken over: what they learnt cannot be caught up, and is learnt anew."""


class Savings:
    """Saves in a thread of its own: what is saved is copied in the tick's."""

    def __init__(self, jobs: Sequence[Job], storage: Storage, *, clock: Clock, telemetry: Telemetry) -> None:
        self._jobs = jobs
        self._storage = storage
        self._clock = clock
        self._telemetry = telemetry
        self._thread = ThreadPoolExecutor(1, "save")
        self._running: Future[None] | None = None
        self._saved_at = clock.monotonic()
        self._fits = 0

    def restore(self) -> None:
        """Give every job what was saved of it."""
        for job in self._jobs:
            learnt = self._storage.load(job)
            if learnt is not None:
                job.restore(learnt)
                LOGGER.info("query %s: going on with %d series", job.query.alias, len(learnt.labels))

    def save_if_due(self) -> None:
        """Begin to save if the last time was long ago, or fits were taken over; called between ticks.

        The first fit is saved at once: a crash before would be a hole as long as the next fit takes.
        """
        fits = sum(job.renewals for job in self._jobs)
        soon = 0.0 if self._fits == 0 else SAVE_FITS_EVERY
        if self._clock.monotonic() - self._saved_at < (SAVE_EVERY if fits == self._fits else soon):
            return
        if self._running is not None and not self._running.done():
            return
        self._fits = fits
        self._saved_at = self._clock.monotonic()
        copies = [(job, job.learnt()) for job in self._jobs]
        self._running = self._thread.submit(self._save, copies)

    def wait(self) -> None:
        """Return when what was begun to be saved has been."""
        if self._running is not None:
            self._running.result()

    def close(self) -> None:
        """Save, and wait for it; called when no tick runs any more."""
        self._thread.shutdown(wait=True)
        self._save([(job, job.learnt()) for job in self._jobs])

    def _save(self, copies: Sequence[tuple[Job, Learnt | None]]) -> None:
        started = self._clock.monotonic()
        failed = [job for job, learnt in copies if learnt is not None and not self._saved(job, learnt)]
        for _ in failed:
            self._telemetry.storage_failed("state")
        self._telemetry.saved(not failed, self._clock.time(), self._clock.monotonic() - started)

    def _saved(self, job: Job, learnt: Learnt) -> bool:
        try:
            return self._storage.save(job, learnt)
        except Exception:
            # In a thread whose result nobody asks for: it would be lost without a word.
            LOGGER.exception("query %s: what has been learnt is not saved", job.query.alias)
            return False
