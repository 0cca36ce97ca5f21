"""When ticks and fits are due, what a job makes of a tick, and what an outage costs."""

import os
import signal
import threading
import time
from dataclasses import replace
from random import Random

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from specter_core.config import parse_config
from specter_detector.availability import Availability
from specter_detector.config import resolve
from specter_detector.fitting import FitError, ProcessFitter
from specter_detector.jobs import FORGET_AFTER, Job
from specter_detector.models.seasonal import FitOptions, FittedModel, fit
from specter_detector.reader import fresh
from specter_detector.scheduler import TickSchedule
from specter_detector.schema import DetectorSchema
from specter_detector.series import Vector, labels_of
from specter_detector.telemetry import Telemetry

OPTIONS = FitOptions(300.0, (86400.0,))
TIMES = np.arange(0, 86400.0, 300.0)


def job() -> Job:
    config = resolve(parse_config("reader: {queries: {q: {expr: x}}}", DetectorSchema, file="d.yml"))
    return Job(
        config.reader.queries["q"],
        config.models["default"],
        config.schedulers["default"],
        config.writer.metric_format,
    )


def learnt(level: float) -> FittedModel:
    model = fit(TIMES, np.full(TIMES.size, level), OPTIONS)
    assert model is not None
    return model


def test_ticks_are_multiples_of_the_interval_each_run_once() -> None:
    schedule = TickSchedule(15.0)
    schedule.start(1003.0)
    assert schedule.wait(1003.0) == 2.0
    assert schedule.wait(1005.0) == 0.0
    assert schedule.take(1005.2) == (1005.0, 0)
    assert schedule.wait(1005.2) == pytest.approx(14.8)


def test_ticks_that_came_too_late_are_counted_and_not_made_up_for() -> None:
    schedule = TickSchedule(15.0)
    schedule.start(1000.0)
    assert schedule.take(1061.0) == (1050.0, 3)
    assert schedule.take(1066.0) == (1065.0, 0)


def test_a_clock_set_back_by_hours_does_not_stop_the_ticks_for_hours() -> None:
    schedule = TickSchedule(15.0)
    schedule.start(100_000.0)
    assert schedule.wait(90_000.0) == 15.0
    assert schedule.take(90_015.0) == (90_015.0, 0)


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=50))
def test_no_tick_is_ever_in_the_future_or_run_twice(steps: list[float]) -> None:
    schedule = TickSchedule(15.0)
    now, ran = 1000.0, []
    schedule.start(now)
    for step in steps:
        now += step
        if schedule.wait(now) == 0:
            at, _ = schedule.take(now)
            assert at <= now
            ran.append(at)
    assert ran == sorted(set(ran))


def test_a_series_that_vanishes_is_ended_once_and_remembered_for_a_day() -> None:
    subject = job()
    here, gone = labels_of({"i": "1"}), labels_of({"i": "2"})
    for labels in (here, gone):
        subject.install(labels, learnt(5.0))
    samples, _ = subject.observe(100_000, Vector({here: 5.0, gone: 5.0}))
    assert len(samples) == 8
    samples, _ = subject.observe(100_015, Vector({here: 5.0}))
    ended = [sample for sample in samples if sample.value is None]
    assert len(ended) == 4
    assert all(dict(sample.labels)["i"] == "2" for sample in ended)
    assert subject.counts == {"scored": 1, "warming": 0, "absent": 1, "invalid": 0, "over_limit": 0}
    samples, _ = subject.observe(100_030, Vector({here: 5.0}))
    assert len(samples) == 4
    subject.observe(100_000 + FORGET_AFTER + 1, Vector({here: 5.0}))
    assert subject.counts["absent"] == 0
    assert subject.fitted(gone) is None
    assert subject.fitted(here) is not None


def test_an_unknown_value_ends_the_output_and_is_no_zero() -> None:
    subject = job()
    labels = labels_of({"i": "1"})
    subject.install(labels, learnt(5.0))
    subject.observe(100_000, Vector({labels: 5.0}))
    samples, _ = subject.observe(100_015, Vector({labels: float("nan")}))
    assert [sample.value for sample in samples] == [None] * 4
    assert subject.counts["invalid"] == 1


def test_a_query_without_an_answer_ends_its_outputs() -> None:
    subject = job()
    subject.install((), learnt(5.0))
    subject.observe(100_000, Vector({(): 5.0}))
    assert [sample.value for sample in subject.close(100_015)] == [None] * 4
    assert subject.close(100_030) == []


def test_labels_that_cannot_be_written_cost_their_series_alone() -> None:
    subject = job()
    good, bad = labels_of({"i": "1"}), labels_of({"not-a-name": "1"})
    for labels in (good, bad):
        subject.install(labels, learnt(5.0))
    samples, unwritable = subject.observe(100_000, Vector({good: 5.0, bad: 5.0}))
    assert (len(samples), unwritable) == (4, 1)


def test_series_are_refitted_hourly_and_sooner_while_one_waits_for_its_model() -> None:
    subject = job()
    assert subject.fit_due(100_000)
    subject.fit_started(100_000)
    subject.observe(100_015, Vector({}))
    assert not subject.fit_due(100_000 + 3599)
    assert subject.fit_due(100_000 + 3600)
    subject.observe(100_030, Vector({labels_of({"new": "1"}): 1.0}))
    assert not subject.fit_due(100_000 + 299)
    assert subject.fit_due(100_000 + 300)


def test_a_series_that_never_gets_a_model_is_tried_ever_less_often() -> None:
    subject = job()
    subject.observe(100_000, Vector({labels_of({"never": "1"}): 1.0}))
    now, waits = 100_000.0, []
    for _ in range(6):
        subject.fit_started(now)
        waits.append(next(wait for wait in range(0, 3601, 300) if subject.fit_due(now + wait)))
        now += waits[-1]
        subject.fit_finished()
    assert waits == [300, 600, 1200, 2400, 3600, 3600]
    subject.observe(now, Vector({labels_of({"never": "1"}): 1.0, labels_of({"new": "1"}): 1.0}))
    assert subject.fit_due(now - waits[-1] + 300)


def test_only_a_bare_selector_is_asked_for_the_age_of_its_samples() -> None:
    for bare in ("up", 'up{job="a b",x=~"(c|d)}"}', '{__name__="x"}', " a:b:c "):
        assert fresh(bare, 90) == f"({bare}) and (time() - timestamp({bare}) <= 90)"
    for other in ("rate(up[1m])", "up + up", "up offset 5m", "sum(up)", "up[5m:1m]", 'up{a="b"} > 0'):
        assert fresh(other, 90) == other


def test_an_outage_is_logged_once_and_tried_again_ever_later(caplog: pytest.LogCaptureFixture) -> None:
    class Clock:
        now = 0.0

        def time(self) -> float:
            return self.now

        def monotonic(self) -> float:
            return self.now

        def sleep(self, seconds: float) -> None:
            self.now += seconds

    registry = CollectorRegistry()
    caplog.set_level("INFO")
    subject = Availability(clock=Clock(), random=Random(3), telemetry=Telemetry(registry))
    assert subject.wait == 0.0
    waits = []
    for _ in range(12):
        subject.lost(RuntimeError("gone"))
        waits.append(subject.wait)
    assert waits[0] <= 0.5
    assert min(waits) >= 0.125
    assert 2 < max(waits) <= 30
    assert registry.get_sample_value("specter_detector_datasource_up") == 0
    subject.reached()
    subject.reached()
    assert subject.wait == 0.0
    assert registry.get_sample_value("specter_detector_datasource_up") == 1
    assert [record.getMessage() for record in caplog.records] == [
        "data source is down, retrying: gone", "data source is up",
    ]  # fmt: skip


def workers() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def test_a_fitting_process_that_dies_is_replaced() -> None:
    fitter = ProcessFitter()
    try:
        rows = np.full((1, TIMES.size), 5.0)
        assert [model is not None for model in fitter.fit_all(TIMES, rows, OPTIONS)] == [True]
        (worker,) = workers()
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(timeout=10)
        with pytest.raises(FitError, match="a new one was started"):
            list(fitter.fit_all(TIMES, rows, OPTIONS))
        assert [model is not None for model in fitter.fit_all(TIMES, rows, OPTIONS)] == [True]
    finally:
        fitter.close()


def test_a_series_that_cannot_be_fitted_costs_the_others_nothing(caplog: pytest.LogCaptureFixture) -> None:
    fitter = ProcessFitter()
    try:
        odd, fine = np.full((2, TIMES.size), 5.0), np.full(TIMES.size, 5.0)
        models = list(fitter.fit_all(TIMES, [odd, fine], OPTIONS))
        assert [model is not None for model in models] == [False, True]
        assert "a series cannot be fitted" in caplog.text
    finally:
        fitter.close()


def test_fits_in_the_process_do_not_hold_up_this_one() -> None:
    fitter = ProcessFitter()
    times = np.arange(0, 28 * 86400.0 + 1, 300.0)
    rows = 20 + 10 * np.sin(2 * np.pi * times / 86400) + np.random.default_rng(0).normal(size=(8, times.size))
    options = replace(OPTIONS, periods=(86400.0, 604800.0))
    done = threading.Event()

    def fit_all() -> None:
        list(fitter.fit_all(times, rows, options))
        done.set()

    thread = threading.Thread(target=fit_all)
    thread.start()
    try:
        longest = 0.0
        while not done.is_set():
            before = time.monotonic()
            done.wait(0.001)
            longest = max(longest, time.monotonic() - before)
        assert longest < 0.5
    finally:
        thread.join(timeout=60)
        fitter.close()
