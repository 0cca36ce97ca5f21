"""Models: microseconds of processor time a series, beside the libraries they replace.

Every round times ours and the peer one after the other, because the machine is shared; the
medians over the rounds are reported. Products run on one thread: processor time counts the
waiting of idle threads too.
"""

import statistics
from collections.abc import Callable
from time import process_time

import click
import numpy as np
from statsmodels.tsa.seasonal import MSTL, STL
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks import report
from specter_detector.models.arrays import Floats
from specter_detector.models.batch import bytes_per_series
from specter_detector.models.mstl import mstl
from specter_detector.models.online import tick
from specter_detector.models.shape import learn_shape
from specter_detector.models.state import no_state
from specter_detector.models.stl import StlOperator, StlSettings, stl_operator
from specter_detector.models.stl_robust import robust_decompose

US = 1e6
MS = 1e3
DAY, WEEK = 288, 2016  # of five minutes
HOURS, WEEKS = (24, 168), 1344  # a day and a week of hours, eight weeks
JUMPS = {"trend_jump": 56, "low_pass_jump": 29}
SERIES = 1024
FEW = 128  # where a series takes long
PEER_SERIES = 2

Run = Callable[[], object]


@click.command()
@click.option("--rounds", default=9, show_default=True, help="Interleaved rounds.")
def suite(rounds: int) -> None:
    """Measure what the models cost a series."""
    with threadpool_limits(limits=1):
        report_stl(rounds)
        report_default_jumps(rounds)
        report_robust(rounds)
        report_mstl(rounds)
        report_operator(rounds)
        report_refit(rounds)
        report_ticks()
        report_state()


def report_stl(rounds: int) -> None:
    """Decompose a week of five minutes, with jumps: trend and season, then the trend alone."""
    values = some_series(SERIES, WEEK)
    operator = stl_operator(WEEK, StlSettings(DAY, **JUMPS))
    peer = "statsmodels STL, same jumps"

    def theirs() -> None:
        for row in values[:PEER_SERIES]:
            STL(row, period=DAY, **JUMPS).fit()

    ours, slow = interleaved(rounds, (lambda: operator.decompose(values), SERIES), (theirs, PEER_SERIES))
    report("stl_batched_us_per_series", ours, "us", baseline=slow, baseline_name=peer)
    single = stl_operator(WEEK, StlSettings(DAY, **JUMPS), np.float32)
    trend, quick = interleaved(
        rounds, (lambda: operator.trend(values), SERIES), (lambda: single.decompose(values), SERIES)
    )
    report("stl_batched_trend_us_per_series", trend, "us", baseline=slow, baseline_name=peer)
    report("stl_batched_float32_us_per_series", quick, "us", baseline=slow, baseline_name=peer)


def report_default_jumps(rounds: int) -> None:
    """Decompose the same evaluating every loess at every point."""
    values = some_series(FEW, WEEK)
    operator = stl_operator(WEEK, StlSettings(DAY))
    ours, slow = interleaved(
        min(rounds, 5),
        (lambda: operator.decompose(values), FEW),
        (lambda: STL(values[0], period=DAY).fit(), 1),
    )
    peer = "statsmodels STL, default"
    report("stl_batched_default_jumps_us_per_series", ours, "us", baseline=slow, baseline_name=peer)


def report_robust(rounds: int) -> None:
    """Decompose the same with outliers left out, which is not the peer's method but its purpose."""
    values = some_series(FEW, WEEK)
    operator = stl_operator(WEEK, StlSettings(DAY, **JUMPS))
    ours, slow = interleaved(
        min(rounds, 5),
        (lambda: robust_decompose(operator, values), FEW),
        (lambda: STL(values[0], period=DAY, robust=True, **JUMPS).fit(), 1),
    )
    peer = "statsmodels STL, robust, same jumps"
    report("stl_robust_us_per_series", ours, "us", baseline=slow, baseline_name=peer)


def report_mstl(rounds: int) -> None:
    """Decompose eight weeks of hours into a day and a week."""
    values = some_series(FEW, WEEKS)
    ours, slow = interleaved(
        min(rounds, 5),
        (lambda: mstl(values, HOURS), FEW),
        (lambda: MSTL(values[0], periods=HOURS).fit(), 1),
    )
    peer = "statsmodels MSTL, default"
    report("mstl_batched_us_per_series", ours, "us", baseline=slow, baseline_name=peer)


def report_operator(rounds: int) -> None:
    """Make the operator of `report_stl`, which is done once a shape."""
    (seconds,) = interleaved(rounds, (lambda: StlOperator(WEEK, StlSettings(DAY, **JUMPS)), 1))
    report("stl_operator_build_ms", seconds / US * MS, "ms")


def report_refit(rounds: int) -> None:
    """Learn the shapes of a week of five minutes: the default model's refit."""
    values, phases = some_series(SERIES, WEEK), np.arange(WEEK, dtype=np.float64)
    ours, slow = interleaved(
        rounds,
        (lambda: learn_shape(values, phases, DAY), SERIES),
        (lambda: STL(values[0], period=DAY, **JUMPS).fit(), 1),
    )
    report("refit_us_per_series", ours, "us", baseline=slow, baseline_name="statsmodels STL, same jumps")


def report_ticks() -> None:
    """Judge one sample of 10,000 and of 100,000 series and learn from it: means over many ticks."""
    for series, name, ticks in ((10_000, "score_10k_ms", DAY + 1), (100_000, "score_100k_ms", 25)):
        values = some_series(8, WEEK)
        shape = learn_shape(np.repeat(values, series // 8, axis=0), np.arange(WEEK, dtype=np.float64), DAY)
        state = no_state(series)
        samples = np.repeat(some_series(8, ticks), series // 8, axis=0).T.copy()
        tick(shape, state, 0.0, 0.0, samples[0])
        started = process_time()
        for number in range(1, ticks):
            tick(shape, state, float(number), float(number), samples[number])
        report(name, (process_time() - started) / (ticks - 1) * MS, "ms")


def report_state() -> None:
    """Add up what is kept of a series with a daily profile, and with a weekly one."""
    for n, name in ((WEEK, "state_kb_per_series_daily"), (3 * WEEK, "state_kb_per_series_weekly")):
        shape = learn_shape(some_series(FEW, n), np.arange(n, dtype=np.float64), DAY)
        kept = bytes_per_series(shape) + bytes_per_series(no_state(FEW))
        report(name, kept / 1000, "kB")


def some_series(count: int, n: int) -> Floats:
    """Return (count, n) of noise on a season of `DAY`."""
    noise = np.random.default_rng(7).normal(size=(count, n))
    values: Floats = noise + 5 * np.sin(2 * np.pi * np.arange(n) / DAY) + 100
    return values


def interleaved(rounds: int, *runs: tuple[Run, int]) -> list[float]:
    """Return the median microseconds of processor time a series of each of `runs`.

    Args:
        rounds: how often each is timed, in turn, after once to warm.
        runs: what to call, and how many series a call works on.
    """
    times: list[list[float]] = [[] for _ in runs]
    for round_ in range(rounds + 1):
        for (run, series), seen in zip(runs, times, strict=True):
            started = process_time()
            run()
            if round_:
                seen.append((process_time() - started) / series)
    return [US * statistics.median(seen) for seen in times]
