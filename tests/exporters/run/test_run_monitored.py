"""Jobs inside a Python process: a decorator, Celery's workers and APScheduler."""

import asyncio
import logging
import multiprocessing
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from apscheduler.events import (
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    EVENT_JOB_SUBMITTED,
    JobExecutionEvent,
    JobSubmissionEvent,
)
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from billiard.exceptions import WorkerLostError
from celery import Celery, signals
from celery.contrib.testing.worker import start_worker
from celery.schedules import crontab, schedule

from specter_core.errors import UsageError
from specter_exporters.jobs.described import Said, described
from specter_exporters.jobs.model import Job
from specter_exporters.run import monitored
from specter_exporters.run.apscheduler_hook import ApschedulerHook, check_of, watch_apscheduler
from specter_exporters.run.celery_hook import CeleryHook, schedule_of
from specter_exporters.run.monitor import Monitor
from specter_exporters.run.options import PingOptions
from specter_exporters.run.pings import slug
from specter_exporters.run.recent import Recent
from tests.exporters.run.wrapping import eventually
from tests.servers.ping_receiver import KEY, PingReceiver
from tests.servers.prometheus import free_port


@pytest.fixture
def monitor(receiver: PingReceiver, tmp_path: Path) -> Iterator[Monitor]:
    key = tmp_path / "ping.key"
    key.write_text(KEY)
    monitor = Monitor(PingOptions(receiver.url, key, 5.0), tmp_path / "state")
    yield monitor
    monitor.close(5.0)


def test_each_call_is_a_run_and_what_it_raises_goes_on_its_way(
    monitor: Monitor, receiver: PingReceiver
) -> None:
    @monitored("digest", schedule="0 7 * * *", grace="10m", monitor=monitor)
    def digest(count: int) -> int:
        if count < 0:
            password = "hunter2-in-a-message"
            raise ValueError(f"password={password}")
        return count + 1

    assert digest(1) == 2
    with pytest.raises(ValueError, match="password"):
        digest(-1)
    monitor.close(5.0)
    assert receiver.told == [("digest", action) for action in ("start", "0", "start", "fail")]
    start, end, second, failed = receiver.pings
    assert start.run_id == end.run_id != second.run_id == failed.run_id
    assert start.headers["x-specter-schedule"] == "0 7 * * *"
    assert start.headers["x-specter-grace"] == "600"
    assert failed.body.startswith("failed after 0s\n\nTraceback (most recent call last):\n")
    assert "ValueError: password=…" in failed.body
    assert "hunter2" not in failed.body.replace('password = "hunter2-in-a-message"', "")


def test_the_ping_key_is_masked_and_a_secret_at_the_cut_is_no_less(
    monitor: Monitor, receiver: PingReceiver
) -> None:
    def job() -> None:
        raise ValueError(f"token=cut-{'s' * 40}-in-two {KEY} {'x' * 9_950}")

    with pytest.raises(ValueError, match="token"):
        monitored("job", monitor=monitor)(job)()
    monitor.close(5.0)
    body = receiver.pings[-1].body
    assert body.endswith(f"token=… … {'x' * 9_950}\n")
    assert KEY not in body
    assert "-in-two" not in body


def test_a_coroutine_is_told_when_it_has_run_and_threads_do_not_mix(
    monitor: Monitor, receiver: PingReceiver
) -> None:
    @monitored("sync", monitor=monitor)
    async def sync(name: str) -> str:
        await asyncio.sleep(0.01)
        return name

    async def both() -> list[str]:
        return list(await asyncio.gather(sync("a"), sync("b")))

    assert asyncio.run(both()) == ["a", "b"]
    threads = [threading.Thread(target=lambda: asyncio.run(sync("c"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monitor.close(5.0)
    runs: dict[str, list[str]] = {}
    for ping in receiver.pings:
        runs.setdefault(ping.run_id, []).append(ping.action)
    assert list(runs.values()) == [["start", "0"]] * 10


@pytest.mark.parametrize(("code", "action"), [(None, "0"), (0, "0"), (2, "fail")])
def test_an_exit_is_as_good_as_its_code(
    monitor: Monitor, receiver: PingReceiver, code: int | None, action: str
) -> None:
    with pytest.raises(SystemExit):
        monitored("job", monitor=monitor)(lambda: sys.exit(code))()
    monitor.close(5.0)
    assert receiver.told == [("job", "start"), ("job", action)]


def test_what_cannot_be_a_job_is_refused_where_it_is_written(monitor: Monitor) -> None:
    with pytest.raises(UsageError, match="job The Digest: expected lower-case"):
        monitored("The Digest")
    with pytest.raises(UsageError, match="grace: expected seconds, or a duration"):
        monitored("digest", grace="soon")
    with pytest.raises(UsageError, match="schedule: expected printable ASCII"):
        monitored("digest", schedule="täglich")
    with pytest.raises(UsageError, match="a generator does not end when it is called"):
        monitored("digest", monitor=monitor)(lambda: (yield))


def test_a_receiver_that_is_down_neither_fails_nor_delays_and_is_told_later(tmp_path: Path) -> None:
    key = tmp_path / "ping.key"
    key.write_text(KEY)
    monitor = Monitor(PingOptions(PingReceiver(free_port()).url, key, 5.0), tmp_path / "state")
    job = monitored("job", monitor=monitor)(lambda: 5)
    began = time.monotonic()
    assert [job() for _ in range(10)] == [5] * 10
    assert time.monotonic() - began < 2.0
    monitor.close(5.0)
    assert len(list((tmp_path / "state" / "spool").rglob("*.json"))) == 20


def test_a_monitor_that_is_wrong_itself_fails_nothing(
    tmp_path: Path, receiver: PingReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    no_folder = tmp_path / "\0"
    monitor = Monitor(PingOptions(receiver.url, None, 5.0), no_folder)
    with caplog.at_level(logging.ERROR):
        assert monitored("job", monitor=monitor)(lambda: 5)() == 5
    assert caplog.messages == ["a ping is lost"] * 2


def test_without_a_receiver_nobody_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPECTER_PING_URL", raising=False)
    monkeypatch.setenv("SPECTER_RUN_STATE_DIR", str(tmp_path / "state"))
    assert monitored("job", monitor=Monitor.from_environment())(lambda: 5)() == 5
    assert not (tmp_path / "state").exists()


def test_a_forked_process_tells_of_its_own_runs(monitor: Monitor, receiver: PingReceiver) -> None:
    def work() -> None:
        monitored("child", monitor=monitor)(lambda: None)()
        monitor.close(5.0)

    monitored("parent", monitor=monitor)(lambda: None)()
    eventually(lambda: ("parent", "0") in receiver.told)
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(20)
    assert child.exitcode == 0
    assert receiver.told[2:] == [("child", "start"), ("child", "0")]


@pytest.fixture
def app(monitor: Monitor) -> Iterator[Celery]:
    app = Celery("shop", broker="memory://", backend="cache+memory://", set_as_current=False)
    app.conf.update(
        timezone="Europe/Berlin", task_always_eager=True, broker_connection_retry_on_startup=False
    )

    def digest(self: Any, fails: int = 0) -> str:
        if self.request.retries < fails:
            raise self.retry(exc=ValueError("token=abcdef123456"), countdown=0)
        return "sent"

    def other() -> None:
        """A task of no schedule."""

    app.task(name="shop.digest", bind=True, max_retries=1, shared=False)(digest)
    app.task(name="shop.other", shared=False)(other)
    app.conf.beat_schedule = {
        "Morning digest": {"task": "shop.digest", "schedule": crontab(minute=0, hour=7)},
        "retried digest": {"task": "shop.digest", "schedule": timedelta(minutes=15), "args": (1,)},
        "failed digest": {"task": "shop.digest", "schedule": 3600, "args": (9,)},
    }
    hook = CeleryHook(app, monitor)
    signals.task_prerun.connect(hook.begins, weak=False)
    signals.task_postrun.connect(hook.ended, weak=False)
    yield app
    signals.task_prerun.disconnect(hook.begins)
    signals.task_postrun.disconnect(hook.ended)


def test_tasks_of_beats_schedule_are_jobs_called_as_their_entry(
    app: Celery, monitor: Monitor, receiver: PingReceiver
) -> None:
    first = app.tasks["shop.digest"].apply_async()
    app.tasks["shop.other"].apply_async()
    retried = app.tasks["shop.digest"].apply_async(args=(1,))
    failed = app.tasks["shop.digest"].apply_async(args=(1,), retries=1, throw=False)
    assert (first.get(), retried.get(), failed.get()) == ("sent", "sent", "sent")
    monitor.close(5.0)
    assert receiver.told[:2] == [("morning-digest", "start"), ("morning-digest", "0")]
    assert receiver.pings[0].run_id == first.id
    assert receiver.pings[0].headers["x-specter-schedule"] == "0 7 * * *"
    assert receiver.pings[0].headers["x-specter-timezone"] == "Europe/Berlin"
    again = [ping for ping in receiver.pings if ping.job == "retried-digest"]
    assert [ping.action for ping in again if ping.run_id == retried.id].count("start") == 1
    assert again[0].headers["x-specter-schedule"] == "every 15m"
    assert not [ping for ping in receiver.pings if "abcdef123456" in ping.body]


def test_what_a_task_raises_is_told_and_so_is_a_worker_that_was_killed(
    app: Celery, monitor: Monitor, receiver: PingReceiver
) -> None:
    failed = app.tasks["shop.digest"].apply(args=(9,), throw=False)
    assert failed.failed()
    hook = CeleryHook(app, monitor)
    for error in (WorkerLostError("signal 9"), ValueError("told by the task's own process")):
        hook.lost(sender=app.tasks["shop.digest"], task_id="7" * 32, exception=error, args=(1,), kwargs={})
    monitor.close(5.0)
    told = [(ping.action, ping.body.splitlines()[-1]) for ping in receiver.pings if ping.action == "fail"]
    assert told[-1] == ("fail", "billiard.exceptions.WorkerLostError: signal 9")
    assert len(told) == 2


def _leave_logging_alone(**_: object) -> None:
    """Keep a worker in this process from setting up logging, for all tests that come after."""


def test_a_real_worker_tells_of_its_runs(app: Celery, receiver: PingReceiver) -> None:
    app.conf.task_always_eager = False
    signals.setup_logging.connect(_leave_logging_alone)
    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="error"):
        done = app.tasks["shop.digest"].apply_async()
        assert done.get(timeout=20) == "sent"
        eventually(lambda: len(receiver.pings) == 2)
        app.control.shutdown()  # or it would look for seconds whether there is more
    assert receiver.told == [("morning-digest", "start"), ("morning-digest", "0")]
    assert {ping.run_id for ping in receiver.pings} == {done.id}


@pytest.mark.parametrize(
    ("when", "told"),
    [
        (crontab(minute="*/15", hour="8-10"), "0,15,30,45 8,9,10 * * *"),
        (crontab(minute=30, hour=2, day_of_week="sun"), "30 2 * * 0"),
        (crontab(), "* * * * *"),
        (crontab(minute=0, hour=0, day_of_month="13", day_of_week="fri"), ""),
        (schedule(90.0), "every 1m30s"),
        (timedelta(hours=1), "every 1h"),
        (30, "every 30s"),
        (0.5, ""),
        ("sunrise", ""),
    ],
)
def test_celerys_schedules_are_told_as_the_receiver_knows_them(when: object, told: str) -> None:
    assert schedule_of(when) == told
    assert (described(Job("x"), Said(told)).schedule is not None) == bool(told)


@pytest.mark.parametrize(
    ("trigger", "expression"),
    [
        (CronTrigger(hour=3, minute=30, timezone="Europe/Berlin"), "30 3 * * *"),
        (CronTrigger(day_of_week="0-4", hour=7, timezone="Europe/Berlin"), "0 7 * * mon-fri"),
        (CronTrigger(day_of_week="mon,2", hour="*/2", timezone="Europe/Berlin"), "0 */2 * * mon,wed"),
        (CronTrigger(day="last", hour=7, timezone="Europe/Berlin"), ""),
        (CronTrigger(second="*/10", timezone="Europe/Berlin"), ""),
        (CronTrigger(day=1, day_of_week="mon", hour=7, timezone="Europe/Berlin"), ""),
        (IntervalTrigger(minutes=5), "every 5m"),
        (object(), ""),
    ],
)
def test_apschedulers_triggers_are_told_as_the_receiver_knows_them(trigger: object, expression: str) -> None:
    check = check_of(trigger)
    assert check.schedule == expression
    assert check.timezone == ("Europe/Berlin" if expression and "every" not in expression else "")
    described(Job("x"), Said(check.schedule, check.timezone))


def test_apschedulers_jobs_are_told_and_those_that_come_once_are_not(
    monitor: Monitor, receiver: PingReceiver
) -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    watch_apscheduler(scheduler, monitor)
    ran = {name: threading.Event() for name in ("well", "ill", "once")}

    def fail() -> None:
        ran["ill"].set()
        raise ValueError("no room")

    now = datetime.now(UTC)
    scheduler.add_job(ran["well"].set, "interval", hours=1, id="Nightly Backup", next_run_time=now)
    scheduler.add_job(fail, "interval", hours=1, next_run_time=now, name="send report")
    scheduler.add_job(ran["once"].set, "date", run_date=now)
    scheduler.start()
    try:
        assert all(event.wait(20) for event in ran.values())
        eventually(lambda: {("nightly-backup", "0"), ("send-report", "fail")} <= set(receiver.told))
    finally:
        scheduler.shutdown()
    monitor.close(5.0)
    assert {ping.job for ping in receiver.pings} == {"nightly-backup", "send-report"}
    (failed,) = (ping for ping in receiver.pings if ping.action == "fail")
    assert failed.body.endswith("ValueError: no room\n")
    assert failed.headers["x-specter-schedule"] == "every 1h"
    for job in ("nightly-backup", "send-report"):
        assert len({ping.run_id for ping in receiver.pings if ping.job == job}) == 1


def test_an_end_that_comes_before_its_start_has_no_start_and_what_is_not_run_is_told(
    monitor: Monitor, receiver: PingReceiver
) -> None:
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.add_job(time.time, "interval", hours=1, id="job")
    scheduler.start(paused=True)
    hook = ApschedulerHook(scheduler, monitor)
    times = [datetime(2026, 6, 1, hour, tzinfo=UTC) for hour in range(3)]
    hook.ended(JobExecutionEvent(EVENT_JOB_EXECUTED, "job", "default", times[0]))
    hook.submitted(JobSubmissionEvent(EVENT_JOB_SUBMITTED, "job", "default", times[:2]))
    hook.ended(JobExecutionEvent(EVENT_JOB_MISSED, "job", "default", times[1]))
    hook.overlapped(JobSubmissionEvent(EVENT_JOB_MAX_INSTANCES, "job", "default", times[2:]))
    scheduler.shutdown()
    monitor.close(5.0)
    assert [ping.action for ping in receiver.pings] == ["0", "start", "fail", "log"]
    assert "its time was over before a worker was free" in receiver.pings[2].body


def test_runs_that_never_end_are_forgotten() -> None:
    recent: Recent[int, str] = Recent(most=2)
    for key in range(3):
        recent.put(key, str(key))
    assert [recent.pop(key) for key in (0, 1, 2, 2)] == [None, "1", "2", None]


@pytest.mark.parametrize(
    ("text", "name"),
    [("Morning digest", "morning-digest"), ("shop.tasks.report", "shop-tasks-report"), ("—", "job")],
)
def test_a_name_of_another_program_becomes_that_of_a_job(text: str, name: str) -> None:
    assert slug(text) == name
