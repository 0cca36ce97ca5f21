"""Counts near zero: exact tails, edges, dispersion, and which series are counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats  # type: ignore[import-untyped]

from specter_detector.models.arrays import Floats
from specter_detector.models.counts import (
    dispersion,
    is_count,
    lower_edge,
    predictive,
    upper_edge,
    z_score,
)

MEANS = st.floats(1e-6, 1e4)
DISPERSIONS = st.floats(0.0, 3.0)


def exact_z(counts: Floats, mu: float, alpha: float) -> Floats:
    """The z of the mid-p tail by scipy's distributions, in logarithms."""
    law = stats.poisson(mu) if alpha == 0 else stats.nbinom(1 / alpha, 1 / (1 + alpha * mu))
    half = law.logpmf(counts) - np.log(2)
    above, below = np.logaddexp(law.logsf(counts), half), np.logaddexp(law.logcdf(counts - 1), half)
    z: Floats = np.where(above < below, -special.ndtri_exp(above), special.ndtri_exp(below))
    return z


@pytest.mark.parametrize(
    ("alpha", "tail_error"), [(0.0, 0.04), (0.1, 0.04), (0.5, 0.04), (2.0, 0.04), (10.0, 0.12)]
)
def test_the_approximation_agrees_with_the_exact_tail(alpha: float, tail_error: float) -> None:
    for mu in (1e-5, 1e-3, 0.01, 0.1, 0.5, 1.0, 3.0, 10.0, 40.0, 200.0):
        counts = np.arange(0.0, mu + 12 * np.sqrt(mu + alpha * mu * mu) + 20)
        exact, approximate = exact_z(counts, mu, alpha), z_score(counts, mu, alpha)
        tail = (np.abs(exact) > 2.5) & (np.abs(exact) < 30)
        assert np.max(np.abs(approximate - exact)[tail]) < tail_error, mu
        if alpha <= 0.1:
            assert np.max(np.abs(approximate - exact)[~tail & (np.abs(exact) < 30)]) < 0.2, mu


def test_far_tails_neither_underflow_nor_overflow() -> None:
    far = z_score([1e3, 1e6, 0.0], [1e-3, 1.0, 1e6], 0.0)
    assert np.isfinite(far).all()
    assert far[0] > 100
    assert far[1] > 1000
    assert far[2] < -1000
    assert np.isfinite(z_score(np.inf, 1.0, 0.5))
    assert z_score(1.0, 0.0, 0.0) == pytest.approx(7.1, abs=0.1)  # mu = 0 counts as 1e-12
    assert z_score(0.0, 0.0, 0.0) == pytest.approx(0.0, abs=1e-5)


def test_nan_and_negative_counts_are_unknown_and_arguments_broadcast() -> None:
    assert np.isnan(z_score([np.nan, -1.0], 1.0, 0.0)).all()
    assert np.isnan(z_score(1.0, np.nan, 0.0))
    table = z_score(np.zeros((3, 1)), np.ones(20_000), 0.1)
    assert table.shape == (3, 20_000)
    assert np.ptp(table) == 0.0  # the same in every chunk


@given(MEANS, DISPERSIONS)
@settings(deadline=None, max_examples=150)
def test_more_counts_never_score_lower(mu: float, alpha: float) -> None:
    counts = np.arange(0.0, 200.0)
    assert np.all(np.diff(z_score(counts, mu, alpha)) >= -1e-4)  # a smooth curve, to the digits of r


@given(MEANS, DISPERSIONS, st.floats(2.0, 8.0))
@settings(deadline=None, max_examples=150)
def test_the_edges_are_the_last_normal_counts(mu: float, alpha: float, z: float) -> None:
    upper, lower = upper_edge(mu, alpha, z), lower_edge(mu, alpha, z)
    assert lower <= np.ceil(mu)
    assert upper >= np.floor(mu)
    assert z_score(upper, mu, alpha) <= z < z_score(upper + 1, mu, alpha)
    assert z_score(lower, mu, alpha) >= -z
    assert lower == 0 or z_score(lower - 1, mu, alpha) < -z


def test_a_known_band() -> None:
    # Poisson(4): P(K > 17) is 6e-7 and P(K > 18) 1.5e-7, around the 2.9e-7 of z = 5.
    assert upper_edge(4.0, 0.0, 5.0) == 17
    assert lower_edge([4.0, 100.0], 0.0, 5.0).tolist() == [0.0, 55.0]
    assert exact_z(np.array([54.0, 55.0]), 100.0, 0.0) == pytest.approx([-5.02, -4.90], abs=0.01)
    assert upper_edge(4.0, 1.0, 5.0) > 50


def test_the_first_error_after_a_month_of_zeros_is_news_but_no_anomaly() -> None:
    mu, alpha = predictive(0.0, 0.0, 8064)
    z = z_score([0.0, 1.0, 2.0], mu, alpha)
    assert z == pytest.approx([0.0, 4.0, 5.8], abs=0.05)


def test_few_samples_widen_the_band_and_many_do_not() -> None:
    few, many = predictive(2.0, 0.1, 4), predictive(2.0, 0.1, 1e6)
    assert z_score(15.0, *few) < z_score(15.0, 2.0, 0.1) - 0.5
    assert z_score(15.0, *many) == pytest.approx(float(z_score(15.0, 2.0, 0.1)), abs=1e-3)
    assert np.isnan(predictive(2.0, 0.1, 0)).all()


@pytest.mark.parametrize(
    ("mu", "alpha", "low", "high"),
    [(3.0, 0.0, 0.0, 0.02), (3.0, 0.3, 0.22, 0.33), (0.5, 1.0, 0.6, 1.1), (10.0, 1.0, 0.7, 1.05)],
)
def test_dispersion_is_found_despite_an_incident(mu: float, alpha: float, low: float, high: float) -> None:
    rng = np.random.default_rng(3)
    shape = (40, 4032)
    rates = rng.gamma(1 / alpha, alpha * mu, shape) if alpha else np.full(shape, mu)
    counts = rng.poisson(rates).astype(np.float64)
    clean = dispersion(counts, np.full(shape, mu))
    counts[:, 1000:1072] = rng.poisson(30 * mu + 20, (40, 72))
    counts[:, :50] = np.nan
    dirty = dispersion(counts, np.full(shape, mu))
    for found in (clean, dirty):
        assert low <= np.median(found) <= high
    assert np.isnan(dispersion(np.full((1, 4), np.nan), np.ones((1, 4)))).all()


@pytest.mark.parametrize(("mu", "alpha"), [(0.01, 0.0), (0.3, 0.0), (5.0, 0.0), (2.0, 0.5)])
def test_clean_counts_seldom_reach_the_threshold(mu: float, alpha: float) -> None:
    rng = np.random.default_rng(7)
    rates = rng.gamma(1 / alpha, alpha * mu, 400_000) if alpha else np.full(400_000, mu)
    z = z_score(rng.poisson(rates), mu, alpha)
    assert np.mean(np.abs(z) > 3.5) < 4e-4  # normal: 4.7e-4; counts have gaps between
    assert np.mean(np.abs(z) > 5) < 1e-5


def test_counts_are_told_from_measurements() -> None:
    rng = np.random.default_rng(11)
    m = 2016
    rows = {
        "counts": rng.poisson(2.0, m) * 1.0,
        "sparse rate": rng.poisson(0.02, m) / 300,
        "rate with extrapolation noise": rng.poisson(1.0, m) / 300 * (1 + 1e-5 * rng.standard_normal(m)),
        "mostly even": 2.0 * rng.poisson(3.0, m),
        "zeros": np.zeros(m),
        "busy": rng.poisson(500.0, m) * 1.0,
        "latency": rng.gamma(2.0, 0.1, m),
        "negative": rng.poisson(2.0, m) - 1.0,
        "constant": np.full(m, 3.0),
        "up": (rng.random(m) > 0.01) * 1.0,
        "nothing": np.full(m, np.nan),
        "half of it measured": np.where(rng.random(m) < 0.5, rng.poisson(2.0, m), rng.gamma(2.0, 1.0, m)),
    }
    values = np.array(list(rows.values()))
    values[:, ::17] = np.nan
    shape = is_count(values)
    assert dict(zip(rows, shape.is_count.tolist(), strict=True)) == {
        name: index < 5 for index, name in enumerate(rows)
    }
    assert shape.quantum[:5] == pytest.approx([1.0, 1 / 300, 1 / 300, 2.0, 1.0], rel=1e-4)


def test_a_few_odd_values_do_not_hide_the_quantum() -> None:
    values = np.random.default_rng(5).poisson(1.5, (1, 2000)) / 60.0
    values[0, 100:110] = 0.0123
    shape = is_count(values)
    assert shape.is_count[0]
    assert shape.quantum[0] == pytest.approx(1 / 60, rel=1e-4)
