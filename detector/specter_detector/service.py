"""The running detector: a thread for ticks, one for fits, one data source that may go away."""

import logging
import threading
from random import Random

from specter_core.clock import Clock
from specter_detector.availability import Availability
from specter_detector.engine import Engine
from specter_detector.jobs import Job
from specter_detector.reader import PrometheusReader, RefusedError, UnreachableError
from specter_detector.scheduler import TickSchedule
from specter_detector.telemetry import Telemetry

LOGGER = logging.getLogger(__name__)
FIT_POLL = 0.25
STOP_BUDGET = 1.0


class Service:
    """Runs an engine until told to stop."""

    def __init__(
        self,
        engine: Engine,
        *,
        reader: PrometheusReader,
        telemetry: Telemetry,
        clock: Clock,
        random: Random,
    ) -> None:
        self._engine = engine
        self._reader = reader
        self._telemetry = telemetry
        self._clock = clock
        self._availability = Availability(clock=clock, random=random, telemetry=telemetry)
        self._schedules = {
            job.scheduler.alias: TickSchedule(job.scheduler.infer_every) for job in engine.jobs
        }
        self._ticked = False

    @property
    def ready(self) -> bool:
        """Whether the data source is there and a tick has come through."""
        return self._ticked and self._availability.up

    def run(self, stop: threading.Event) -> None:
        """Tick and fit until `stop` is set, then end the outputs and return."""
        fits = threading.Thread(target=self._fits, args=(stop,), name="fits", daemon=True)
        fits.start()
        now = self._clock.time()
        for schedule in self._schedules.values():
            schedule.start(now)
        try:
            while not stop.is_set():
                self._step(stop)
        finally:
            stop.set()
            self._engine.close(self._clock.time(), STOP_BUDGET)
            fits.join(timeout=STOP_BUDGET)

    def _step(self, stop: threading.Event) -> None:
        """Wait for the next tick, or for the next try while the data source is down, and run it."""
        if not self._availability.up:
            if not stop.wait(self._availability.wait):
                self._probe()
            return
        now = self._clock.time()
        alias, schedule = min(self._schedules.items(), key=lambda item: item[1].wait(now))
        wait = schedule.wait(now)
        if wait > 0:
            stop.wait(wait)
            return
        at, missed = schedule.take(now)
        if missed:
            self._telemetry.skipped(missed)
        self._tick(alias, at)

    def _tick(self, alias: str, at: float) -> None:
        try:
            self._engine.tick(alias, at)
        except UnreachableError as error:
            self._availability.lost(error)
            return
        self._availability.reached()
        self._ticked = True

    def _probe(self) -> None:
        try:
            self._reader.probe()
        except UnreachableError as error:
            self._availability.lost(error)
            return
        except RefusedError:
            LOGGER.debug("the probe was refused; the queries will say why")
        self._availability.reached()

    def _fits(self, stop: threading.Event) -> None:
        while not stop.wait(FIT_POLL):
            now = self._clock.time()
            for job in self._engine.jobs:
                if stop.is_set() or not self._availability.up:
                    break
                if job.fit_due(now):
                    self._fit(job, now)

    def _fit(self, job: Job, now: float) -> None:
        try:
            self._engine.fit(job, now)
        except UnreachableError as error:
            self._availability.lost(error)
