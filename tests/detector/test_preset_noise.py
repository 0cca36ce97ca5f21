"""Presets on generated days: quiet ones stay quiet, and the fault that a query is for is found.

Series, windows and samples are made as the query would return them; model and policy are the preset's.
"""

from dataclasses import replace

import numpy as np
import pytest

from specter_core.metrics import WEB_VITALS_LCP
from specter_detector.models.arrays import Bools, Floats
from specter_detector.models.replay import replay
from specter_detector.presets.catalogue import QUERIES
from specter_detector.presets.frontend import VIEWS

pytestmark = pytest.mark.prove

STEP, A_DAY, DAYS, SERIES = 300.0, 288, 14, 4
N = DAYS * A_DAY
TIMES: Floats = np.asarray(1_700_006_400.0 + np.arange(N) * STEP, np.float64)
FAULT = N - 60
JUDGED = N - 2 * A_DAY
LOAD = 1 + 0.8 * np.sin(2 * np.pi * (TIMES % 86400) / 86400)


def judged(alias: str, quiet: Floats, faulty: Floats, since: int = FAULT) -> tuple[float, Bools]:
    """Return the share of quiet samples above 1, and of which series the fault was found."""
    query = QUERIES[alias]
    policy = replace(query.policy, data_range=query.data_range)
    score = replay(TIMES, np.vstack([quiet, faulty]), STEP, policy=policy, begin=JUDGED).score
    return float(np.mean(score[:SERIES, JUDGED:] > 1)), np.any(score[SERIES:, since:] > 1, axis=1)


def counted(rng: np.random.Generator, rate: Floats, steps: int = 1) -> Floats:
    """Return events of Poisson's distribution at `rate` (1/s) as a rate over the last `steps`."""
    events = rng.poisson(np.tile(rate * STEP, (SERIES, 1)))
    window = np.ones(steps) / (steps * STEP)
    return np.stack([np.convolve(row, window)[:N] for row in events])


def share(part: Floats, whole: Floats, least: float) -> Floats:
    return part / np.maximum(whole, least)


def runs(rng: np.random.Generator, period: float, jitter: float, window: float, end: float) -> Floats:
    """Return the runs within `window` (s) before each sample, of a job that stops at `end` (Unix s)."""
    found = np.empty((SERIES, N))
    for row in range(SERIES):
        at = np.arange(TIMES[0] - 2 * 86400, TIMES[-1] + period, period) + 7200
        at = np.sort(at + rng.normal(0, jitter, at.size))
        at = at[at < end]
        found[row] = np.searchsorted(at, TIMES, "right") - np.searchsorted(at, TIMES - window, "right")
    return found


@pytest.mark.parametrize("rate", [0.02, 0.2])
@pytest.mark.parametrize(
    ("alias", "steps", "least", "usual", "bad"),
    [("business_failure_ratio", 3, 0.05, 0.08, 0.7), ("signin_failure_ratio", 1, 0.2, 0.1, 0.8)],
)
def test_a_share_is_quiet_at_any_traffic_and_found_where_there_is_some(
    alias: str, steps: int, least: float, usual: float, bad: float, rate: float
) -> None:
    rng = np.random.default_rng(1)
    good, fails = counted(rng, rate * LOAD * (1 - usual), steps), counted(rng, rate * LOAD * usual, steps)
    worse = np.where(np.arange(N) >= FAULT, bad, usual)
    bad_good, bad_fails = (
        counted(rng, rate * LOAD * (1 - worse), steps),
        counted(rng, rate * LOAD * worse, steps),
    )
    alarms, found = judged(
        alias, share(fails, good + fails, least), share(bad_fails, bad_good + bad_fails, least)
    )
    assert alarms == 0
    assert found.all() or rate < 0.1


@pytest.mark.parametrize("jitter", [300.0, 900.0])
def test_a_daily_job_that_stops_is_found_and_one_that_is_late_is_not(jitter: float) -> None:
    rng = np.random.default_rng(2)
    since = (DAYS - 1) * A_DAY
    quiet = runs(rng, 86400.0, jitter, 90_000.0, np.inf)
    stopped = runs(rng, 86400.0, jitter, 90_000.0, TIMES[since])
    alarms, found = judged("job_successes", quiet, stopped, since)
    assert alarms == 0
    assert found.all()


def test_users_who_stop_are_found_and_few_users_are_no_news() -> None:
    rng = np.random.default_rng(3)
    for rate, seen in ((0.002, False), (0.5, True)):
        stopped = counted(rng, rate * LOAD * (np.arange(N) < FAULT))
        alarms, found = judged("business_event_rate", counted(rng, rate * LOAD), stopped)
        assert alarms == 0
        assert found.all() == seen


# The last one is infinite, and nothing here gets as far.
BOUNDS = np.asarray([*WEB_VITALS_LCP.buckets, 600.0])


def p75(rng: np.random.Generator, views: Floats, seconds: Floats) -> Floats:
    """Return the p75 of a page's views out of buckets; over an hour where they are few."""
    found = np.full((SERIES, N), np.nan)
    for row in range(SERIES):
        counts = np.zeros((N, BOUNDS.size))
        for column, count in enumerate(rng.poisson(views)):
            durations = rng.lognormal(np.log(seconds[column]), 0.5, count)
            counts[column] = np.searchsorted(np.sort(durations), BOUNDS, "right")
        hour = np.cumsum(counts, axis=0)
        hour[12:] -= hour[:-12].copy()
        upto = np.where(counts[:, -1:] < VIEWS, hour, counts)
        for seen in np.flatnonzero(upto[:, -1]):
            found[row, seen] = np.interp(0.75 * upto[seen, -1], [0.0, *upto[seen]], [0.0, *BOUNDS])
    return found


@pytest.mark.parametrize("views", [40.0, 400.0])
def test_a_page_that_gets_slow_is_found_and_chance_in_few_views_is_not(views: float) -> None:
    rng = np.random.default_rng(4)
    usual = np.full(N, 1.2)
    slow = np.where(np.arange(N) >= FAULT, 2.4, usual)
    alarms, found = judged("frontend_lcp", p75(rng, views * LOAD, usual), p75(rng, views * LOAD, slow))
    assert alarms == 0
    assert found.all()


def probed(rng: np.random.Generator, fails: Floats, seconds: Floats) -> tuple[Floats, Floats]:
    """Return the share of fifteen probes, a minute apart, that succeed, and the median of their duration."""
    share_of, median_of = np.empty((SERIES, N)), np.empty((SERIES, N))
    minutes = np.arange(N * 5) // 5
    for row in range(SERIES):
        success = rng.random(N * 5) >= fails[minutes]
        duration = rng.lognormal(np.log(seconds[minutes]), 0.5)
        ends = np.maximum(np.arange(N) * 5 + 5, 15)
        share_of[row] = [success[end - 15 : end].mean() for end in ends]
        median_of[row] = [np.median(duration[end - 15 : end]) for end in ends]
    return share_of, median_of


def test_a_dependency_that_comes_and_goes_or_gets_slow_is_found_and_an_odd_probe_is_not() -> None:
    rng = np.random.default_rng(5)
    after = np.arange(N) >= FAULT
    share_of, median_of = probed(rng, np.full(N, 0.01), np.full(N, 0.15))
    flapping, slow = probed(rng, np.where(after, 0.4, 0.01), np.where(after, 0.6, 0.15))
    for alias, quiet, faulty in (
        ("dependency_probe_success", share_of, flapping),
        ("dependency_check_success", share_of, flapping),
        ("dependency_probe_duration", median_of, slow),
        ("dependency_check_duration", median_of, slow),
    ):
        alarms, found = judged(alias, quiet, faulty)
        assert alarms == 0, alias
        assert found.all(), alias
