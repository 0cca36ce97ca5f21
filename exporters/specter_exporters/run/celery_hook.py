"""Tell of the tasks that Celery beat schedules: a worker's run of one is a run of a job.

    from specter_exporters.run.celery_hook import watch_celery

    watch_celery(app)

The job is called as the entry of `beat_schedule`, and its schedule is told. Needs Celery 5.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from celery import Celery, signals, states
from celery.schedules import crontab, schedule

from specter_core.durations import format_duration
from specter_exporters.run.decorator import default_monitor
from specter_exporters.run.monitor import Monitor, MonitoredRun
from specter_exporters.run.pings import Check, slug
from specter_exporters.run.recent import Recent

# The worker's main process tells of these: the process that ran the task is gone.
_LOST = ("WorkerLostError", "TimeLimitExceeded", "Terminated")


def watch_celery(app: Celery, monitor: Monitor | None = None) -> None:
    """Tell of each run of a task of `app.conf.beat_schedule` in this process and its workers.

    Args:
        app: whose schedule it is; it may still change.
        monitor: who tells; by default what the environment says, as for `specter run`.
    """
    hook = CeleryHook(app, monitor)
    signals.task_prerun.connect(hook.begins, weak=False)
    signals.task_postrun.connect(hook.ended, weak=False)
    signals.task_failure.connect(hook.lost, weak=False)


class CeleryHook:
    """Receivers of Celery's signals; Celery logs what they raise, and goes on."""

    def __init__(self, app: Celery, monitor: Monitor | None) -> None:
        self._app = app
        self._given = monitor
        self._runs: Recent[str, MonitoredRun] = Recent()

    def begins(
        self, task_id: str, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any], **_: object
    ) -> None:
        """Take the signal task_prerun."""
        job = self._job(task.name, args, kwargs)
        if job is None:
            return
        name, check = job
        # A retry is the same run: its first attempt has told the start.
        tell = self._monitor.resumed if task.request.retries else self._monitor.began
        self._runs.put(task_id, tell(name, check, task_id))

    def ended(self, task_id: str, retval: object, state: str, **_: object) -> None:
        """Take the signal task_postrun."""
        run = self._runs.pop(task_id)
        if run is None:
            return
        if state == states.RETRY:
            run.goes_on(f"is tried again: {retval}")
        elif state == states.FAILURE and isinstance(retval, BaseException):
            run.failed(retval)
        elif state == states.FAILURE:
            run.failed(RuntimeError(str(retval)))
        else:
            run.succeeded()

    def lost(
        self,
        sender: Any,
        task_id: str,
        exception: BaseException,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        **_: object,
    ) -> None:
        """Take the signal task_failure, of a task whose process was killed."""
        if type(exception).__name__ not in _LOST:
            return
        job = self._job(sender.name, args, kwargs)
        if job is not None:
            self._monitor.resumed(*job, task_id).failed(exception)

    @property
    def _monitor(self) -> Monitor:
        return self._given or default_monitor()

    def _job(self, task: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, Check] | None:
        entries = {
            name: entry for name, entry in self._app.conf.beat_schedule.items() if entry["task"] == task
        }
        if len(entries) > 1:
            called = (tuple(args or ()), dict(kwargs or {}))
            entries = {name: entry for name, entry in entries.items() if _arguments(entry) == called}
        if not entries:
            return None
        name, entry = next(iter(entries.items()))
        zone = str(self._app.conf.timezone or "UTC")
        when = schedule_of(entry["schedule"])
        return slug(name), Check(
            schedule=when, timezone=zone if when and not when.startswith("every") else ""
        )


def schedule_of(when: object) -> str:
    """Return a schedule of Celery as cron expression or period; empty where neither says the same."""
    if isinstance(when, crontab):
        day, weekday = _field(when.day_of_month, range(1, 32)), _field(when.day_of_week, range(7))
        if "*" not in {day, weekday}:
            return ""  # cron runs on each of both, Celery on days that are both
        minute, hour = _field(when.minute, range(60)), _field(when.hour, range(24))
        return f"{minute} {hour} {day} {_field(when.month_of_year, range(1, 13))} {weekday}"
    if isinstance(when, schedule):
        when = when.run_every
    if isinstance(when, timedelta):
        when = when.total_seconds()
    return f"every {format_duration(when)}" if isinstance(when, (int, float)) and when >= 1 else ""


def _field(values: Collection[int], every: range) -> str:
    return "*" if len(values) == len(every) else ",".join(map(str, sorted(values)))


def _arguments(entry: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return tuple(entry.get("args") or ()), dict(entry.get("kwargs") or {})
