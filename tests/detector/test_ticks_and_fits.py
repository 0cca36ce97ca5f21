"""When ticks and fits are due, what a job makes of a tick, and what an outage costs."""

import os
import signal
import threading
import time
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
from specter_detector.fitting import FitError, FitRequest, PoolFitter
from specter_detector.identities import Identities
from specter_detector.jobs import Job
from specter_detector.models.arrays import Floats
from specter_detector.models.fit import FitOptions, Fitted, fit
from specter_detector.pools import LocalPool
from specter_detector.reader import UnreachableError, fresh
from specter_detector.scheduler import TickSchedule
from specter_detector.schema import DetectorSchema
from specter_detector.series import Labels, Vector, labels_of
from specter_detector.telemetry import Telemetry
from specter_detector.verdict import Verdict
from tests.detector.fitted import constant_history, named
from tests.detector.odd_fit import ODD, fit_unless_odd
from tests.detector.records import samples_of, scores_of

NOW = 100_200.0
OPTIONS = FitOptions(step=300.0)
TIMES, (ROW, *_) = constant_history(5.0, until=86_100.0)


def job(extra: str = "") -> Job:
    text = f"reader: {{queries: {{q: {{expr: x}}}}}}\n{extra}"
    config = resolve(parse_config(text, DetectorSchema, file="d.yml"))
    return Job(
        config.reader.queries["q"],
        config.models["default"],
        config.schedulers["default"],
        config.writer.form,
        max_bands=config.writer.max_bands,
        identities=Identities(),
    )


def install(subject: Job, *labels: Labels, level: float = 5.0, until: float = NOW) -> None:
    """Let a fit of a day with the value `level` come to its end."""
    times, values = constant_history(level, until=until)
    fitted = fit(times, np.repeat(values, len(labels), axis=0), subject.options, with_state=True)
    subject.install(labels, fitted)


def request(values: Floats, times: Floats = TIMES, known: int = 0) -> FitRequest:
    """Return a request for series that are new, but for the first `known`."""
    rows = np.arange(len(values))
    return FitRequest(times, values.__getitem__, OPTIONS, rows[:known], rows[known:])


def fit_all(fitter: PoolFitter, values: Floats, times: Floats = TIMES) -> list[tuple[list[int], Fitted]]:
    """Return rows and what was learnt of each batch, all series being new."""
    return [(batch.tolist(), fitted) for batch, fitted in fitter.fit_all(request(values, times))]


def test_ticks_are_multiples_of_the_interval_each_run_once() -> None:
    schedule = TickSchedule(15.0)
    schedule.start(1003.0)
    assert schedule.wait(1003.0) == 2.0
    assert schedule.wait(1005.0) == 0.0
    assert schedule.take(1005.2) == 1005.0
    assert schedule.wait(1005.2) == pytest.approx(14.8)


def test_of_ticks_that_are_late_the_newest_is_run() -> None:
    schedule = TickSchedule(15.0)
    schedule.start(1000.0)
    assert schedule.take(1061.0) == 1050.0
    assert schedule.wait(1061.0) == 4.0
    assert schedule.take(1066.0) == 1065.0


def test_the_schedule_that_is_due_for_longest_is_known() -> None:
    often, seldom = TickSchedule(10.0), TickSchedule(60.0)
    for schedule in (often, seldom):
        schedule.start(1000.0)
    ran = {"often": 0, "seldom": 0}
    now = 1000.0
    for _ in range(60):
        now += 13.0  # what each tick takes: longer than the interval of the first
        name, schedule = min((("often", often), ("seldom", seldom)), key=lambda item: item[1].due)
        if schedule.wait(now) == 0:
            schedule.take(now)
            ran[name] += 1
    assert ran["seldom"] >= 9  # of the 13 minutes
    assert ran["often"] >= 40


def test_a_clock_set_back_by_hours_does_not_stop_the_ticks_for_hours() -> None:
    schedule = TickSchedule(15.0)
    schedule.start(100_000.0)
    assert schedule.wait(90_000.0) == 15.0
    assert schedule.take(90_015.0) == 90_015.0


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=50))
def test_no_tick_is_ever_in_the_future_or_run_twice(steps: list[float]) -> None:
    schedule = TickSchedule(15.0)
    now, ran = 1000.0, []
    schedule.start(now)
    for step in steps:
        now += step
        if schedule.wait(now) == 0:
            at = schedule.take(now)
            assert at <= now
            ran.append(at)
    assert ran == sorted(set(ran))


def test_a_series_that_vanishes_is_ended_then_absent_and_forgotten_after_a_day() -> None:
    subject = job()
    here, gone = named("1", "2")
    install(subject, here, gone)
    seen = subject.observe(NOW, Vector({here: 5.0, gone: 5.0}))
    assert len(samples_of(seen.written)) == 8
    seen = subject.observe(NOW + 15, Vector({here: 5.0}))
    ended = [sample for sample in samples_of(seen.written) if sample.value is None]
    assert len(ended) == 4
    assert all(dict(sample.labels)["i"] == "2" for sample in ended)
    assert subject.counts == {"scored": 1, "warming": 0, "absent": 1, "invalid": 0, "over_limit": 0}
    assert len(samples_of(subject.observe(NOW + 30, Vector({here: 5.0})).written)) == 4
    scores, told = {}, []
    for at in np.arange(NOW + 45, NOW + 3 * 86400, 300.0).tolist():
        seen = subject.observe(at, Vector({here: 5.0}))
        told += [(alarm.labels, alarm.reason) for alarm in seen.alarms]
        for sample in samples_of(seen.written):
            names = dict(sample.labels)
            if names["__name__"] == "anomaly_score" and names["i"] == "2":
                scores[at] = sample.value
    # Missed after two steps and for a day, then forgotten.
    assert min(scores) - NOW == pytest.approx(600, abs=300)
    ended = [at for at, score in scores.items() if score is None]
    assert ended == [max(scores)]
    assert max(scores) - NOW == pytest.approx(86400, abs=600)
    assert all(score is None or score > 1 for score in scores.values())
    assert told == [(gone, "absent")]
    assert subject.counts["absent"] == 0
    assert subject.known == {here}


def test_what_vanishes_while_the_detector_is_away_is_ended_by_the_next_one() -> None:
    before = job()
    here, gone = named("1", "2")
    install(before, here, gone)
    before.observe(NOW, Vector({here: 5.0, gone: 5.0}))
    learnt = before.learnt()
    assert learnt is not None
    after = job()
    after.restore(learnt)
    written = samples_of(after.observe(NOW + 15, Vector({here: 5.0})).written)
    ended = [dict(sample.labels) for sample in written if sample.value is None]
    assert sorted(labels["__name__"] for labels in ended) == [
        "anomaly_score", "yhat", "yhat_lower", "yhat_upper",
    ]  # fmt: skip
    assert {labels["i"] for labels in ended} == {"2"}
    assert len(written) == 8
    # Ended by the one before, it is not ended again.
    before.close(NOW + 1)
    ended_before = before.learnt()
    assert ended_before is not None
    after = job()
    after.restore(ended_before)
    assert len(samples_of(after.observe(NOW + 15, Vector({here: 5.0})).written)) == 4


def test_a_series_that_comes_back_is_scored_at_once() -> None:
    subject = job()
    (labels,) = named("1")
    install(subject, labels)
    for tick in range(100):
        vector = Vector({} if 10 <= tick < 90 else {labels: 5.0})
        seen = subject.observe(NOW + 15.0 * tick, vector)
    assert scores_of(seen.written) == [0.0]


def test_an_outage_of_the_data_source_is_no_absence() -> None:
    subject = job()
    (labels,) = named("1")
    install(subject, labels)
    subject.observe(NOW, Vector({labels: 5.0}))
    subject.close(NOW + 15)
    seen = subject.observe(NOW + 6 * 3600, Vector({}))
    assert [sample for sample in samples_of(seen.written) if sample.value is not None] == []
    assert subject.counts["absent"] == 1


def test_a_clock_that_is_set_back_neither_stops_the_scores_nor_makes_alarms() -> None:
    subject = job()
    (labels,) = named("1")
    install(subject, labels)
    for at in (NOW, NOW + 15, NOW - 7200, NOW - 7185, NOW - 7185):
        seen = subject.observe(at, Vector({labels: 5.0}))
        assert scores_of(seen.written) == [0.0]


def test_an_unknown_value_ends_the_output_and_is_no_zero() -> None:
    subject = job()
    (labels,) = named("1")
    install(subject, labels)
    subject.observe(NOW, Vector({labels: 5.0}))
    seen = subject.observe(NOW + 15, Vector({labels: float("nan")}))
    assert [sample.value for sample in samples_of(seen.written)] == [None] * 4
    assert subject.counts["invalid"] == 1


def test_a_query_without_an_answer_ends_its_outputs() -> None:
    subject = job()
    install(subject, ())
    subject.observe(NOW, Vector({(): 5.0}))
    assert [sample.value for sample in samples_of(subject.close(NOW + 15))] == [None] * 4
    assert samples_of(subject.close(NOW + 30)) == []


def test_labels_that_cannot_be_written_cost_their_series_alone() -> None:
    subject = job()
    good, bad = labels_of({"i": "1"}), labels_of({"not-a-name": "1"})
    install(subject, good, bad)
    seen = subject.observe(NOW, Vector({good: 5.0, bad: 5.0}))
    assert (len(samples_of(seen.written)), len(seen.written.unwritable)) == (4, 1)
    assert subject.counts["scored"] == 1


def test_direction_and_confidence_are_written_when_asked_for() -> None:
    subject = job("models: {default: {provide_series: [anomaly_direction, anomaly_confidence]}}")
    (labels,) = named("1")
    install(subject, labels)
    seen = subject.observe(NOW, Vector({labels: 9.0}))
    values = {dict(sample.labels)["__name__"]: sample.value for sample in samples_of(seen.written)}
    # A day of three that make it sure.
    assert values == {"anomaly_direction": 1.0, "anomaly_confidence": pytest.approx(1 / 3, abs=0.01)}


def test_a_later_fit_renews_the_season_and_leaves_the_state() -> None:
    subject = job()
    old, new = named("1", "2")
    install(subject, old)
    subject.observe(NOW, Vector({old: 5.0, new: 7.0}))
    assert subject.counts["warming"] == 1
    times = np.arange(NOW - 10 * 86400, NOW + 1, 300.0)
    values = np.full((2, times.size), 7.0)
    known, fresh = subject.to_fit((old, new), times[[-1, -1]], NOW)
    assert (known.tolist(), fresh.tolist()) == ([0], [1])
    subject.install([old], fit(times, values[known], subject.options, with_state=False))
    subject.install([new], fit(times, values[fresh], subject.options, with_state=True))
    seen = subject.observe(NOW + 15, Vector({old: 5.0, new: 7.0}))
    # The level is what the ticks made it, not what the history of the later fit says.
    assert scores_of(seen.written) == [
        0.0,
        0.0,
    ]
    assert subject.counts["scored"] == 2


def test_a_history_full_of_the_dead_is_not_replayed() -> None:
    subject = job()
    last_seen = np.array([NOW - 300.0, NOW - 2 * 86400.0, np.nan])
    known, new = subject.to_fit(named("alive", "dead", "never"), last_seen, NOW)
    assert (known.tolist(), new.tolist()) == ([], [0])


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


def test_a_bare_selector_is_asked_for_the_age_of_its_samples() -> None:
    for bare in ("up", 'up{job="a b",x=~"(c|d)}"}', '{__name__="x"}', " a:b:c "):
        assert fresh(bare, 90) == f"({bare}) and (timestamp({bare}) >= time() - 90)"
    for other in ("up + up", "up offset 5m", "sum(up)", "up[5m:1m]", 'up{a="b"} > 0'):
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
        subject.lost(UnreachableError("gone"))
        waits.append(subject.wait)
    assert waits[0] <= 0.5
    assert min(waits) >= 0.125
    assert 2 < max(waits) <= 30
    assert registry.get_sample_value("specter_detector_datasource_up") == 0
    subject.lost(UnreachableError("slow down", retry_after=90.0))
    assert subject.wait == 90.0
    subject.lost(UnreachableError("come back next year", retry_after=3e7))
    assert subject.wait == 300.0
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
    fitter = PoolFitter(LocalPool())
    try:
        assert [rows for rows, _ in fit_all(fitter, ROW[None])] == [[0]]
        (worker,) = workers()
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(timeout=10)
        with pytest.raises(FitError, match="a new one was started"):
            fit_all(fitter, ROW[None])
        assert [rows for rows, _ in fit_all(fitter, ROW[None])] == [[0]]
    finally:
        fitter.close()


def test_the_worker_ends_with_its_fitter_even_while_it_is_busy() -> None:
    fitter = PoolFitter(LocalPool())
    times, values = constant_history(5.0, until=200 * 86_400.0, days=60)
    fit_all(fitter, ROW[None])
    (worker,) = workers()
    batches = fitter.fit_all(request(values, times))
    failures: list[str] = []

    def ask() -> None:
        try:
            next(batches)
        except FitError as error:
            failures.append(str(error))

    thread = threading.Thread(target=ask)
    before = sum(worker.cpu_times()[:2])
    thread.start()
    deadline = time.monotonic() + 20
    while sum(worker.cpu_times()[:2]) < before + 0.2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    fitter.close()
    worker.wait(timeout=2)
    thread.join(timeout=2)
    assert failures == ["the detector is stopping"]


def test_a_fit_gives_batch_by_batch_and_new_series_first() -> None:
    fitter = PoolFitter(LocalPool())
    try:
        values = np.repeat(ROW[None], 70, axis=0)
        batches = list(fitter.fit_all(request(values, known=3)))
        assert [(batch[0], batch[-1], fitted.state is None) for batch, fitted in batches] == [
            (3, 66, False), (67, 69, False), (0, 2, True),
        ]  # fmt: skip
    finally:
        fitter.close()


def test_a_series_that_cannot_be_fitted_costs_the_others_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("specter_detector.fitting.fit", fit_unless_odd)
    fitter = PoolFitter(LocalPool())
    try:
        values = np.repeat(ROW[None], 9, axis=0)
        values[4] = ODD
        batches = fit_all(fitter, values)
        assert [rows for rows, _ in batches] == [
            [0, 1, 2],
            [3],
            [5, 6, 7, 8],
        ]  # halves of the batch, of the half, and so on
        messages = [record.getMessage() for record in caplog.records]
        assert messages == ["a series cannot be fitted: ValueError: odd"]
        with pytest.raises(FitError, match="none of 1 series"):
            fit_all(fitter, values[4:5])
    finally:
        fitter.close()


def test_fits_in_the_process_do_not_hold_up_this_one() -> None:
    fitter = PoolFitter(LocalPool())
    times = np.arange(0, 28 * 86400.0 + 1, 300.0)
    rows = 20 + 10 * np.sin(2 * np.pi * times / 86400) + np.random.default_rng(0).normal(size=(8, times.size))
    done = threading.Event()

    def fit_in_thread() -> None:
        fit_all(fitter, rows, times)
        done.set()

    thread = threading.Thread(target=fit_in_thread)
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


def last_tick(subject: Job) -> tuple[float | None, list[Verdict]]:
    return subject.latest_at, subject.latest()


def test_the_last_tick_can_be_asked_for_with_the_series_that_wait_for_their_first_fit() -> None:
    subject = job()
    fitted, waiting = named("1", "2")
    assert last_tick(subject) == (None, [])
    install(subject, fitted)
    subject.observe(NOW, Vector({fitted: 5.0, waiting: 7.0}))
    assert subject.latest_at == NOW
    judged, unjudged = subject.latest()
    assert (judged.labels, judged.value, judged.score) == (fitted, 5.0, 0.0)
    assert (unjudged.labels, unjudged.value, unjudged.confidence) == (waiting, 7.0, 0.0)
    assert np.isnan([unjudged.score, unjudged.yhat, unjudged.lower, unjudged.upper]).all()
    subject.close(NOW + 15)
    assert last_tick(subject) == (None, [])
