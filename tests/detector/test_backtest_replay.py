"""A replay is causal, and the same whatever is replayed beside it and wherever."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from specter_detector.backtesting.chunk import Row, Scored, Setting, Task, chunks, score, task_of
from specter_detector.backtesting.executor import Dask, Executor, ExecutorError, Processes, Serial
from specter_detector.models.arrays import Floats
from specter_detector.models.calendar import Holidays
from specter_detector.models.fit import FitOptions
from specter_detector.models.learners import Kind
from specter_detector.models.policy import Policy

STEP, DAY = 3600.0, 24
MONDAY = 1_767_571_200.0  # 2026-01-05, 00:00 UTC
N = 24 * DAY


def setting(fit_every: float = 6 * STEP, fit_window: float = 14 * 86400.0, **options: object) -> Setting:
    return Setting("q", "m", "s", FitOptions(step=STEP, **options), fit_every, fit_window)  # type: ignore[arg-type]


def odd_series() -> Floats:
    """Series of all sorts: gaps, counts, constants, late, early, dead, weekly, every other sample."""
    random = np.random.default_rng(7)
    index = np.arange(N)
    values = 100 + 20 * np.sin(2 * np.pi * index / DAY) + random.normal(size=(12, N))
    values[1, 200:260] = np.nan
    values[2] = random.poisson(3, N)
    values[3] = 7.0
    values[4] *= np.exp(0.1 * random.normal(size=N))
    values[5, :400] = np.nan
    values[6, 300:] = np.nan
    values[7] = np.nan
    values[8] *= np.where(index // DAY % 7 > 4, 0.5, 1.0)
    values[9, ::2] = np.nan
    values[10, 500] += 40
    values[11] = 1e9 + values[11]
    return np.asarray(values, np.float64)


def clock(length: int, first: float = MONDAY) -> Floats:
    return np.asarray(first + STEP * np.arange(length), np.float64)


def task(values: Floats, setting_: Setting | None = None) -> Task:
    return Task(clock(values.shape[1]), values, setting_ or setting())


def assert_same(one: Scored, other: Scored, rows: object = slice(None), length: int = N) -> None:
    for field in dataclasses.fields(Scored):
        left = getattr(one, field.name)[rows, :length]
        np.testing.assert_array_equal(left, getattr(other, field.name)[:, :length], err_msg=field.name)


@pytest.fixture(scope="module")
def whole() -> Scored:
    return score(task(odd_series()))


@pytest.mark.parametrize("length", [1, 23, 24, 100, 337, 401, N - 1])
def test_the_scores_of_a_prefix_are_the_prefix_of_the_scores(whole: Scored, length: int) -> None:
    assert_same(whole, score(task(odd_series()[:, :length])), length=length)


@pytest.mark.parametrize("rows", [[0], [1], [2], [5], [7], [8], [9], [11], [0, 7], list(range(11, -1, -1))])
def test_a_series_has_the_same_scores_alone_and_among_others(whole: Scored, rows: list[int]) -> None:
    assert_same(whole, score(task(odd_series()[rows])), rows)


@pytest.mark.parametrize("kind", ["stl", "mstl"])
def test_so_has_the_reference(kind: Kind) -> None:
    values, how = odd_series()[:4], setting(fit_every=4 * 86400.0, kind=kind)
    together = score(task(values, how))
    assert_same(together, score(task(values[2:3], how)), [2])
    assert_same(together, score(task(values[:, :300], how)), length=300)


def test_what_comes_later_changes_nothing_before(whole: Scored) -> None:
    values = odd_series()
    values[:, 450:] = -1e6
    assert_same(whole, score(task(values)), length=450)


def test_refits_come_as_often_and_look_as_far_back_as_configured() -> None:
    # A day that changes its shape: who never refits, and who looks back for long, goes on expecting the old.
    index = np.arange(N)
    day = np.sin(2 * np.pi * (index + np.where(index < 15 * DAY, 0, DAY // 2)) / DAY)
    values = 100 + 20 * day + np.random.default_rng(3).normal(size=(1, N))

    def error(how: Setting) -> float:
        late = slice(20 * DAY, None)
        return float(np.abs(values - score(task(values, how)).yhat)[:, late].mean())

    usual = error(setting(fit_every=STEP, fit_window=3 * 86400.0))
    assert usual < 2.5
    assert error(setting(fit_every=14 * 86400.0)) > 2 * usual
    assert error(setting(fit_every=STEP, fit_window=28 * 86400.0)) > 2 * usual


def test_the_settings_of_a_query_are_those_of_the_replay() -> None:
    values = odd_series()[:1]
    values[0, 400], values[0, 450] = 300, 20

    def scored(**options: object) -> list[bool]:
        found = score(task(values, setting(86400.0, **options)))  # type: ignore[arg-type]
        return [bool(each > 1) for each in found.score[0, [400, 450]]]

    assert scored() == [True, True]
    assert scored(policy=Policy("above_expected")) == [True, False]
    assert scored(policy=Policy("below_expected")) == [False, True]
    assert scored(policy=Policy(min_dev=(100, 100))) == [True, False]
    assert scored(policy=Policy(min_rel_dev=(5.0, 5.0))) == [False, False]
    ranged = score(task(values, setting(86400.0, policy=Policy(data_range=(0, 200)))))
    assert ranged.upper[np.isfinite(ranged.upper)].max() <= 200


def test_time_zone_and_holidays_are_those_of_the_query() -> None:
    # Two weeks before and after Berlin's clocks go forward on 2026-03-29.
    times = clock(42 * DAY, 1_772_409_600.0)  # 2026-03-02
    local = np.arange(times.size) + np.where(times >= 1_774_746_000.0, 2, 1)
    values = 100 + 20 * np.sign(np.sin(2 * np.pi * local / DAY + 0.1))
    values = (values + np.random.default_rng(1).normal(size=values.size))[None]

    def alarms(**options: object) -> int:
        found = score(Task(times, values, setting(86400.0, 28 * 86400.0, **options)))
        return int((found.score[0, 27 * DAY : 30 * DAY] > 1).sum())

    assert alarms(tz="Europe/Berlin") == 0
    assert alarms(tz="UTC") > 0


def test_a_holiday_is_expected_to_be_like_a_sunday() -> None:
    length = 35 * DAY
    index = np.arange(length)
    quiet = (index // DAY % 7 == 6) | (index // DAY == 29)  # Sundays, and a Tuesday
    values = 100 + 40 * np.sin(2 * np.pi * index / DAY) * np.where(quiet, 0.25, 1.0)
    values = (values + np.random.default_rng(2).normal(size=length))[None]

    def highest(**options: object) -> float:
        found = score(task(values, setting(86400.0, 28 * 86400.0, **options)))
        return float(found.score[0, 29 * DAY : 30 * DAY].max())

    assert highest(holidays=Holidays(dates=("2026-02-03",))) < highest()


def rows_of(values: Floats, how: Setting) -> list[Row]:
    times = clock(values.shape[1])
    return [Row("f.csv", str(n), (), times, row, None, how) for n, row in enumerate(values)]


def test_rows_on_one_clock_go_together_and_others_apart() -> None:
    one, other = setting(), setting(fit_every=86400.0)
    rows = [
        *rows_of(np.zeros((3, 50)), one),
        *rows_of(np.zeros((1, 60)), one),  # a little longer: together, padded
        *rows_of(np.zeros((1, 200)), one),  # much longer
        *rows_of(np.zeros((130, 50)), other),  # another setting, and more than go together
    ]
    sizes = [len(chunk) for chunk in chunks(rows)]
    assert sizes == [4, 1, 128, 2]
    first = task_of(next(chunks(rows)))
    assert first.values.shape == (4, 60)
    assert np.isnan(first.values[0, 50:]).all()


def test_a_year_of_a_short_step_is_replayed_in_small_parts() -> None:
    rows = [Row("f.csv", str(n), (), np.arange(700_000.0), np.empty(0), None, setting()) for n in range(5)]
    assert [len(chunk) for chunk in chunks(rows)] == [2, 2, 1]


def squared(number: int) -> int:
    return number * number


def counted(seen: list[int]) -> Iterator[int]:
    for number in range(20):
        seen.append(number)
        yield number


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order_and_little_is_taken_ahead(jobs: int) -> None:
    with Serial() if jobs == 1 else Processes(jobs) as executor:
        seen: list[int] = []
        found = executor.map(squared, counted(seen))
        assert next(iter(found)) == 0
        assert len(seen) <= 2 * jobs
        assert list(found) == [n * n for n in range(1, 20)]


def test_processes_give_what_this_process_gives(whole: Scored) -> None:
    with Processes(2) as executor:
        parts = list(executor.map(score, [task(odd_series()[:5]), task(odd_series()[5:])]))
    assert_same(whole, parts[0], slice(0, 5))
    assert_same(whole, parts[1], slice(5, 12))


def killed(number: int) -> int:
    import os  # noqa: PLC0415

    os._exit(number)


def test_a_worker_that_dies_is_said_so() -> None:
    with Processes(2) as executor, pytest.raises(ExecutorError, match="a worker process died"):
        list(executor.map(killed, [1, 2]))


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_dask_cluster_gives_what_this_process_gives(whole: Scored) -> None:
    from distributed import LocalCluster  # noqa: PLC0415

    with LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        executor: Executor = Dask(cluster.scheduler_address)
        with executor:
            parts = list(executor.map(score, [task(odd_series()[:5]), task(odd_series()[5:])]))
    assert_same(whole, parts[0], slice(0, 5))
    assert_same(whole, parts[1], slice(5, 12))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_cluster_that_is_not_there_is_said_so() -> None:
    with pytest.raises(ExecutorError, match="cannot be reached"):
        Dask("tcp://127.0.0.1:9", timeout=0.5)
