"""The replay process: its limits, its queue, its end and its successor."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import psutil
import pytest

from specter_core.errors import SpecterError
from specter_detector.models.arrays import Floats
from specter_detector.models.fit import FitOptions
from specter_detector.web.stretch import Task, judge
from specter_detector.web.worker import BusyError, CostlyError, ReplayWorker

STEP = 300.0
SHORT, LONG = 300, 40_000


def task(size: int) -> Task:
    times: Floats = np.arange(size, dtype=np.float64) * STEP
    values = np.random.default_rng(0).normal(10.0, 1.0, size)
    return Task(times, values, FitOptions(step=STEP), 0, 0, np.zeros(size, np.bool_))


@contextmanager
def closing(worker: ReplayWorker) -> Iterator[ReplayWorker]:
    try:
        yield worker
    finally:
        worker.close()


def children() -> list[psutil.Process]:
    found = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in found if "resource_tracker" not in " ".join(child.cmdline())]


def eventually(condition: object, what: str) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def test_it_says_what_judging_here_would_say_and_keeps_its_process_at_low_priority() -> None:
    before = set(children())
    with closing(ReplayWorker()) as worker:
        one, other = worker.run(task(SHORT)), worker.run(task(SHORT))
        (process,) = set(children()) - before
        assert process.nice() >= 10
        here = judge(task(SHORT))
        for name in ("score", "expected", "trend"):
            np.testing.assert_array_equal(getattr(one, name), getattr(here, name))
            np.testing.assert_array_equal(getattr(other, name), getattr(here, name))
    assert not process.is_running()


def test_a_replay_over_the_limit_of_processor_time_is_stopped_and_the_process_goes_on() -> None:
    with closing(ReplayWorker(cpu_seconds=2)) as worker:
        worker.run(task(SHORT))
        before = children()
        with pytest.raises(CostlyError, match="shorter stretch"):
            worker.run(task(LONG))
        assert children() == before
        # The limit is of each replay, not of all together.
        for _ in range(3):
            assert worker.run(task(SHORT)).times.size == SHORT


def test_a_replay_over_the_deadline_costs_the_process_and_the_next_has_a_new_one() -> None:
    with closing(ReplayWorker(cpu_seconds=100, deadline=3.0)) as worker:
        with pytest.raises(CostlyError, match="more than 3 s"):
            worker.run(task(LONG))
        assert worker.run(task(10)).times.size == 10


def used(process: psutil.Process) -> float:
    """Return the seconds that `process` has computed."""
    times = process.cpu_times()
    return float(times.user + times.system)


def test_a_process_that_is_killed_costs_one_request() -> None:
    before = set(children())
    with closing(ReplayWorker()) as worker:
        worker.run(task(SHORT))
        (process,) = set(children()) - before
        failed: list[SpecterError] = []

        def ask() -> None:
            try:
                worker.run(task(LONG))
            except SpecterError as error:
                failed.append(error)

        spent = used(process)
        thread = threading.Thread(target=ask)
        thread.start()
        # More than what it may still do for the one before.
        eventually(lambda: used(process) > spent + 0.2, "the replay runs")
        os.kill(process.pid, signal.SIGKILL)
        thread.join(30)
        assert "died" in str(failed[0])
        assert worker.run(task(SHORT)).times.size == SHORT


def test_an_idle_process_ends_by_itself_and_nobody_who_asks_later_notices() -> None:
    before = set(children())
    with closing(ReplayWorker(idle=0.3)) as worker:
        worker.run(task(10))
        eventually(lambda: set(children()) == before, "the idle process has ended")
        assert worker.run(task(10)).times.size == 10


def test_more_than_may_wait_are_told_to_come_back() -> None:
    with closing(ReplayWorker(cpu_seconds=100, deadline=60.0, waiting=1)) as worker:
        outcomes: list[str] = []
        started = threading.Barrier(4)

        def ask() -> None:
            started.wait()
            try:
                worker.run(task(4000))
            except BusyError:
                outcomes.append("busy")
            else:
                outcomes.append("done")

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(outcomes) == ["busy", "busy", "done", "done"]
