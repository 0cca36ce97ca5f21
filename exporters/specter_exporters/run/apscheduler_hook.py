"""Tell of APScheduler's jobs.

    from specter_exporters.run.apscheduler_hook import watch_apscheduler

    watch_apscheduler(scheduler)

Jobs that come again are watched under their id, or under their function's name where nobody gave them one.
Needs APScheduler 3.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
)
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from specter_core.durations import format_duration
from specter_exporters.run.decorator import default_monitor
from specter_exporters.run.monitor import Monitor, MonitoredRun
from specter_exporters.run.pings import Check, slug
from specter_exporters.run.recent import Recent

_CHOSEN = re.compile(r"[0-9a-f]{32}")  # an id that nobody has given
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # APScheduler counts from Monday, cron from Sunday
_DAY = re.compile(r"(?<![/\d])[0-6](?!\d)")
_CRON = ("minute", "hour", "day", "month", "day_of_week")
_IN_CRON = re.compile(r"[\d*/,-]+|[a-z]{3}([,-][a-z]{3})*")


def watch_apscheduler(scheduler: BaseScheduler, monitor: Monitor | None = None) -> None:
    """Tell of each run of the scheduler's jobs.

    Args:
        scheduler: any of APScheduler's.
        monitor: who tells; by default what the environment says, as for `specter run`.
    """
    hook = ApschedulerHook(scheduler, monitor)
    scheduler.add_listener(hook.submitted, EVENT_JOB_SUBMITTED)
    scheduler.add_listener(hook.ended, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR | EVENT_JOB_MISSED)
    scheduler.add_listener(hook.overlapped, EVENT_JOB_MAX_INSTANCES)


class ApschedulerHook:
    """Listeners; APScheduler logs what they raise, and goes on."""

    def __init__(self, scheduler: BaseScheduler, monitor: Monitor | None) -> None:
        self._scheduler = scheduler
        self._given = monitor
        self._runs: Recent[str, MonitoredRun] = Recent()
        # A short job may have ended before the scheduler says that it was begun.
        self._over: Recent[str, bool] = Recent()

    def submitted(self, event: Any) -> None:
        """Take EVENT_JOB_SUBMITTED."""
        job = self._job(event.job_id)
        if job is None:
            return
        for at in event.scheduled_run_times:
            run_id = _run_id(event.job_id, at)
            if not self._over.pop(run_id):
                self._runs.put(run_id, self._monitor.began(*job, run_id))

    def ended(self, event: Any) -> None:
        """Take EVENT_JOB_EXECUTED, EVENT_JOB_ERROR and EVENT_JOB_MISSED."""
        run_id = _run_id(event.job_id, event.scheduled_run_time)
        run = self._runs.pop(run_id)
        if run is None:
            job = self._job(event.job_id)
            if job is None:
                return
            self._over.put(run_id, True)
            run = self._monitor.resumed(*job, run_id)
        if event.code == EVENT_JOB_EXECUTED:
            run.succeeded()
        elif event.code == EVENT_JOB_MISSED:
            run.failed(TimeoutError("it was not run: its time was over before a worker was free"))
        else:
            run.failed(event.exception)

    def overlapped(self, event: Any) -> None:
        """Take EVENT_JOB_MAX_INSTANCES."""
        job = self._job(event.job_id)
        if job is not None:
            for at in event.scheduled_run_times:
                run = self._monitor.resumed(*job, _run_id(event.job_id, at))
                run.goes_on("did not begin: as many runs as may go on")

    @property
    def _monitor(self) -> Monitor:
        return self._given or default_monitor()

    def _job(self, job_id: str) -> tuple[str, Check] | None:
        job = self._scheduler.get_job(job_id)
        if job is None or isinstance(job.trigger, DateTrigger):
            return None
        name = slug(job.name if _CHOSEN.fullmatch(job_id) else job_id)
        return name, check_of(job.trigger)


def check_of(trigger: object) -> Check:
    """Return what is told of a job with `trigger`; no schedule where cron cannot say the same."""
    if isinstance(trigger, IntervalTrigger):
        seconds = trigger.interval_length
        return Check(schedule=f"every {format_duration(seconds)}" if seconds >= 1 else "")
    if not isinstance(trigger, CronTrigger):
        return Check()
    fields = {field.name: str(field) for field in trigger.fields}
    fields["day_of_week"] = _DAY.sub(lambda found: _DAYS[int(found[0])], fields["day_of_week"])
    expression: Sequence[str] = [fields[name] for name in _CRON]
    # Cron runs on each of both days, APScheduler on those that are both; and cron has no seconds.
    same = "*" in {fields["day"], fields["day_of_week"]} and fields["second"] == "0"
    rest = {fields["year"], fields["week"]} == {"*"}
    if not (same and rest and all(_IN_CRON.fullmatch(each) for each in expression)):
        return Check()
    return Check(schedule=" ".join(expression), timezone=str(trigger.timezone))


def _run_id(job_id: str, at: datetime) -> str:
    return str(uuid5(NAMESPACE_URL, f"{job_id} {at.timestamp()}"))
