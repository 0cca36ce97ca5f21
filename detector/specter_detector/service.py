"""The running detector: a thread for ticks, one for fits, one data source that may go away."""

import logging
import threading
from collections.abc import Callable, Iterable
from random import Random

from specter_detector.availability import Availability
from specter_detector.datasource import DatasourceError
from specter_detector.engine import Engine
from specter_detector.jobs import Job
from specter_detector.reader import PrometheusReader, RefusedError, UnreachableError
from specter_detector.retry import Backoff
from specter_detector.saving import Savings
from specter_detector.scheduler import TickSchedule
from specter_detector.server_clock import ServerClock
from specter_detector.telemetry import Telemetry

LOGGER = logging.getLogger(__name__)
FIT_POLL = 0.25
IDLE = 1.0
BEAT = 5.0
"""Seconds after which the loop goes round although nothing is due, so that its end is seen from outside."""
BACKOFF = Backoff(base=0.5, cap=60.0)
STOP_BUDGET = 1.0
DOWN_BUDGET = 0.5


class Service:
    """Runs an engine until told to stop."""

    def __init__(
        self,
        engine: Engine,
        *,
        reader: PrometheusReader,
        savings: Savings,
        telemetry: Telemetry,
        clock: ServerClock,
        random: Random,
    ) -> None:
        self._engine = engine
        self._reader = reader
        self._savings = savings
        self._telemetry = telemetry
        self._clock = clock
        self._random = random
        self._availability = Availability(clock=clock, random=random, telemetry=telemetry)
        self._schedules = {
            job.scheduler.alias: TickSchedule(job.scheduler.infer_every) for job in engine.jobs
        }
        self._ticked = False

    @property
    def ready(self) -> bool:
        """Whether the data source is there and a tick has come through."""
        return self._ticked and self._availability.up

    def run(self, stop: threading.Event, ended: Callable[[], Iterable[str]] | None = None) -> None:
        """Tick and fit until `stop` is set, then end outputs and return.

        Args:
            stop: set by another thread.
            ended: asked then: the keys of the jobs whose outputs end; None for all.
        """
        # Of this run alone: `stop` may be cleared for the next one before the thread has seen it.
        ending = threading.Event()
        fits = threading.Thread(target=self._fits, args=(ending,), name="fits", daemon=True)
        fits.start()
        for schedule in self._schedules.values():
            schedule.start(self._clock.time())
        try:
            while not stop.is_set():
                self._step(stop)
        finally:
            stop.set()
            ending.set()
            self._check_clock()
            keys = None if ended is None else set(ended())
            self._engine.close(self._clock.time(), STOP_BUDGET, keys)
            fits.join(timeout=STOP_BUDGET)

    def _step(self, stop: threading.Event) -> None:
        """Wait for the next tick, or for the next try while the data source is down, and run it."""
        self._telemetry.looped(self._clock.time())
        if not self._availability.up:
            wait = self._availability.wait
            if not stop.wait(min(wait, BEAT)) and wait <= BEAT:
                self._probe()
            # The writer's server may be another one, and there.
            self._engine.flush(DOWN_BUDGET)
            return
        self._check_clock()
        now = self._clock.time()
        if not self._schedules:
            stop.wait(IDLE)
            return
        wait = min(schedule.wait(now) for schedule in self._schedules.values())
        # The one that is due for longest: one whose ticks take long must not starve the others.
        alias, schedule = min(self._schedules.items(), key=lambda item: item[1].due)
        if wait > 0:
            stop.wait(min(wait, BEAT))
            return
        self._tick(alias, schedule.take(now))

    def _tick(self, alias: str, at: float) -> None:
        try:
            self._engine.tick(alias, at)
        except UnreachableError as error:
            self._availability.lost(error)
            return
        except Exception:
            # A defect must cost a tick, not the watch; the age of the scores tells of it.
            LOGGER.exception("the tick of scheduler %s at %.0f failed", alias, at)
            self._engine.give_up(alias, at)
            return
        self._availability.reached()
        self._ticked = True
        self._savings.save_if_due()

    def _check_clock(self) -> None:
        try:
            self._clock.check()
        except UnreachableError as error:
            self._availability.lost(error)
        except DatasourceError as error:
            LOGGER.debug("the server does not tell its time: %s", error)

    def _probe(self) -> None:
        try:
            self._reader.probe()
        except UnreachableError as error:
            self._availability.lost(error)
            return
        except RefusedError:
            LOGGER.debug("the probe was refused; the queries will say why")
        # Before anybody else asks for anything at a time of this machine's clock.
        self._check_clock()
        self._availability.reached()

    def _fits(self, stop: threading.Event) -> None:
        failures = 0
        while not stop.wait(FIT_POLL if failures == 0 else BACKOFF.delay(failures, self._random)):
            now = self._clock.time()
            self._exclude(now)
            for job in self._engine.jobs:
                if stop.is_set() or not self._availability.up:
                    break
                if job.fit_due(now):
                    failures = 0 if self._fit(job, now) else failures + 1

    def _exclude(self, now: float) -> None:
        if not self._availability.up:
            return
        try:
            self._engine.update_exclusions(now)
        except UnreachableError as error:
            self._availability.lost(error)
        except Exception:
            # As for a fit: this thread must not end. It is tried again in a minute.
            LOGGER.exception("it cannot be found out what must not be learnt from")

    def _fit(self, job: Job, now: float) -> bool:
        """Fit one job; False when a defect, not the data source, was in the way."""
        try:
            self._engine.fit(job, now)
        except UnreachableError as error:
            self._availability.lost(error)
        except Exception:
            # The thread is the only one that fits: its end would be the silent end of all learning.
            LOGGER.exception("the fit of query %s failed", job.query.alias)
            self._telemetry.fit_failed(job.query.alias)
            return False
        return True
