"""Members of one entity judged together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from specter_detector.models.arrays import Floats
from specter_detector.models.forest import IsolationForestGroup
from specter_detector.models.groups import GroupModel, RobustDistance
from specter_detector.models.replay import replay

NAN = float("nan")
TICKS = 2016
CORRELATION = np.array([[1.0, 0.95, 0.2], [0.95, 1.0, 0.2], [0.2, 0.2, 1.0]])
MODELS: list[type[GroupModel]] = [RobustDistance, IsolationForestGroup]


def residuals(seed: int, groups: int = 1, ticks: int = TICKS, freedom: float | None = None) -> Floats:
    """Correlated residuals of rate, latency and errors, (groups, members, ticks)."""
    rng = np.random.default_rng(seed)
    normal = np.linalg.cholesky(CORRELATION) @ rng.standard_normal((groups, 3, ticks))
    if freedom is not None:  # a common divisor: extremes come together, as in an incident
        normal = normal / np.sqrt(rng.chisquare(freedom, (groups, 1, ticks)) / freedom)
    return np.asarray(normal, np.float64)


def independent_t4(seed: int, groups: int, ticks: int) -> Floats:
    return np.random.default_rng(seed).standard_t(4, (groups, 3, ticks))


def score(model: GroupModel, *members: float) -> float:
    return float(model.score(np.array([members])).score[0])


@pytest.mark.parametrize("kind", MODELS)
def test_a_broken_correlation_inside_every_band_is_seen(kind: type[GroupModel]) -> None:
    model = kind.learn(residuals(1))
    assert score(model, 2.5, -2.5, 0.0) > 1.0
    assert score(model, 2.5, 2.5, 0.0) < 0.9
    assert score(model, 0.0, 0.0, 0.0) < 0.2
    assert score(model, 0.0, 0.0, 12.0) > 1.0


def test_distances_are_unbounded_and_0_at_the_centre() -> None:
    model = RobustDistance.learn(residuals(1))
    centre = model.score(model.location)
    assert centre.score[0] == pytest.approx(0.0, abs=1e-12)
    assert centre.contributions[0] == pytest.approx([1 / 3] * 3)
    assert score(model, 2.5, -2.5, 0.0) == pytest.approx(2.9, abs=0.5)
    assert score(model, 2500.0, -2500.0, 0.0) > 1000


@pytest.mark.parametrize("freedom", [None, 4.0])
def test_false_alarms_of_clean_ticks_are_below_a_thousandth(freedom: float | None) -> None:
    history, live = residuals(2, 40, freedom=freedom), residuals(3, 40, 5000, freedom)
    scores = RobustDistance.learn(history).score(np.moveaxis(live, -1, 0)).score
    assert np.mean(scores > 1) < 1e-3
    assert np.max(np.mean(scores > 1, axis=0)) < 5e-3  # the unluckiest of 40 groups


def test_false_alarms_with_independent_heavy_tails_too() -> None:
    model = RobustDistance.learn(independent_t4(4, 40, TICKS))
    assert np.mean(model.score(np.moveaxis(independent_t4(5, 40, 5000), -1, 0)).score > 1) < 1e-3


@pytest.mark.parametrize("freedom", [None, 4.0])
def test_false_alarms_of_forests(freedom: float | None) -> None:
    model = IsolationForestGroup.learn(residuals(6, 2, freedom=freedom))
    scores = model.score(np.moveaxis(residuals(7, 2, 5000, freedom), -1, 0)).score
    assert np.mean(scores > 1) < 1e-3


def test_an_incident_in_the_history_changes_little() -> None:
    clean = residuals(8)
    dirty = clean.copy()
    dirty[:, :, 900:972] += np.array([20.0, -20.0, 30.0])[:, np.newaxis]
    expected, found = RobustDistance.learn(clean), RobustDistance.learn(dirty)
    assert found.correlation == pytest.approx(expected.correlation, abs=0.05)
    assert score(found, 2.5, -2.5, 0.0) == pytest.approx(score(expected, 2.5, -2.5, 0.0), rel=0.25)


@pytest.mark.parametrize("kind", MODELS)
def test_contributions_say_who_carries_it(kind: type[GroupModel]) -> None:
    model = kind.learn(residuals(9))
    found = model.score(
        np.array([[[0.0, 0.0, 9.0]], [[3.0, -3.0, 0.0]], [[NAN, 0.5, 9.0]], [[NAN, NAN, NAN]]])
    )
    shares = found.contributions[:, 0]
    assert shares[:3].sum(axis=1) == pytest.approx(np.ones(3))
    assert shares[0, 2] > 0.8
    assert shares[1, 2] < 0.2
    assert shares[1, :2].min() > 0.1
    assert shares[2, 0] == 0.0
    assert shares[2, 2] > 0.7
    assert np.isnan(shares[3]).all()
    assert np.isnan(found.score[:, 0]).tolist() == [False, False, False, True]


def test_a_missing_member_leaves_the_marginal_distance_of_the_others() -> None:
    model = RobustDistance.learn(residuals(10))
    z = np.array([1.5, -1.0])
    expected = z @ np.linalg.inv(model.correlation[0, :2, :2]) @ z
    moved = model.location[0, :2] + z * model.scale[0, :2]
    quantile = 17.034  # chi-squared, 2 degrees, 2e-4
    assert score(model, moved[0], moved[1], NAN) == pytest.approx(
        np.sqrt(expected / quantile) / model.widening[0], rel=1e-3
    )
    assert score(model, moved[0], moved[1], float("inf")) == score(model, moved[0], moved[1], NAN)


@pytest.mark.parametrize("kind", MODELS)
def test_the_warm_up_is_unknown_not_normal(kind: type[GroupModel]) -> None:
    short = kind.learn(residuals(11, ticks=287))
    assert np.isnan(score(short, 9.0, -9.0, 0.0))
    holes = residuals(11, ticks=400)
    holes[:, 1:, ::2] = NAN
    assert np.isnan(score(kind.learn(holes), 9.0, -9.0, 0.0))
    assert score(kind.learn(residuals(11, ticks=288)), 9.0, -9.0, 0.0) > 1


@pytest.mark.parametrize("kind", MODELS)
def test_a_group_that_began_lately_is_judged_after_the_warm_up(kind: type[GroupModel]) -> None:
    history = residuals(18, 2)
    history[0, :, :-300] = NAN
    history[1, :, ::2] = NAN
    found = kind.learn(history).score(np.array([[9.0, -9.0, 0.0], [9.0, -9.0, 0.0]])).score
    assert (found > 1).all()


def test_a_member_never_seen_and_one_that_never_moved() -> None:
    history = residuals(12)
    history[:, 1] = NAN
    history[:, 2] = 0.0
    model = RobustDistance.learn(history)
    assert np.isfinite(score(model, 1.0, 5.0, 0.0))
    assert score(model, 0.0, NAN, 3.0) > 1
    assert score(model, 9.0, NAN, 0.0) > 1


def test_groups_of_a_batch_do_not_see_each_other() -> None:
    history = residuals(13, 5)
    history[2] *= 40
    history[3, :, 100:200] = NAN
    tick = residuals(14, 5, 1)[..., 0]
    together = RobustDistance.learn(history).score(tick).score
    alone = [RobustDistance.learn(history[[g]]).score(tick[[g]]).score[0] for g in range(5)]
    assert together == pytest.approx(alone)


def test_forests_are_the_same_on_every_run() -> None:
    history, tick = residuals(15), residuals(16, 1, 1)[..., 0]
    first, second = (IsolationForestGroup.learn(history).score(tick) for _ in range(2))
    assert first.score == pytest.approx(second.score, abs=0.0)


MODEL = RobustDistance.learn(residuals(17))


@given(arrays(np.float64, (1, 3), elements=st.floats(-1e6, 1e6) | st.just(NAN)))
@settings(deadline=None)
def test_any_tick_has_a_score_of_at_least_0_and_shares_of_1(tick: Floats) -> None:
    found = MODEL.score(tick)
    if np.isnan(tick).all():
        assert np.isnan(found.score[0])
    else:
        assert found.score[0] >= 0
        assert found.contributions[0].sum() == pytest.approx(1.0)
        assert (found.contributions >= 0).all()


def test_a_combination_is_seen_though_each_series_stays_in_its_band() -> None:
    """Rate and latency of a service rise together; once latency rises while the rate falls."""
    rng = np.random.default_rng(30)
    n, day = 21 * 288, 288
    load = np.zeros(n)
    for tick in range(1, n):
        load[tick] = 0.7 * load[tick - 1] + rng.normal()
    season = 10 * np.sin(2 * np.pi * np.arange(n) / day)
    rate = 200 + 4 * season + 5 * load + rng.normal(size=n)
    latency = 0.2 + 0.002 * season + 0.01 * load + 0.002 * rng.normal(size=n)
    odd = n - 20
    rate[odd] -= 18
    latency[odd] += 0.035
    times: Floats = np.asarray(1.7e9 + 300.0 * np.arange(n), np.float64)
    replayed = replay(times, np.stack([rate, latency]), 300.0)
    assert (replayed.score[:, odd] < 1).all()
    z = replayed.z[:, 3 * day :].astype(np.float64)
    group = RobustDistance.learn(z[None, :, : odd - 3 * day])
    seen = group.score(z.T[:, None, :])
    assert seen.score[odd - 3 * day, 0] > 1
    assert seen.contributions[odd - 3 * day, 0].min() > 0.2  # both carry it
    assert np.mean(seen.score[: odd - 3 * day, 0] > 1) < 1e-3
