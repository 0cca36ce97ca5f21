"""Noise that changed, and a season that changed its shape."""

import numpy as np

from specter_detector.models.arrays import Singles
from specter_detector.models.changes import change_scores

DAY = 288
DAYS = 15


def noise(seed: int, series: int = 200, days: int = DAYS) -> Singles:
    return np.random.default_rng(seed).normal(size=(series, days * DAY)).astype(np.float32)


def found(rest: Singles) -> tuple[float, float]:
    """Return the shares of series whose noise and whose shape have changed."""
    scores = change_scores(rest, DAY) > 1
    return float(scores[:, 0].mean()), float(scores[:, 1].mean())


def test_steady_noise_hardly_ever_changes() -> None:
    assert max(found(noise(1, 2000))) <= 0.002


def test_a_quarter_of_a_day_of_three_times_the_noise_is_a_change() -> None:
    for factor in (3.0, 1 / 3):
        rest = noise(2)
        rest[:, -DAY // 4 :] *= factor
        assert found(rest)[0] > 0.9
        assert found(rest)[1] < 0.02


def test_an_incident_of_half_an_hour_is_no_change() -> None:
    rest = noise(3)
    rest[:, -6:] += 20.0
    assert max(found(rest)) < 0.02


def test_a_day_of_another_shape_is_a_change() -> None:
    rest = noise(4)
    rest[:, -DAY:] += 3 * np.sin(2 * np.pi * np.arange(DAY) / DAY).astype(np.float32)
    assert found(rest)[1] > 0.95


def test_a_day_at_another_level_is_none() -> None:
    rest = noise(5)
    rest[:, -DAY:] += 5.0
    assert found(rest)[1] < 0.02


def test_days_that_differ_by_themselves_widen_what_is_usual() -> None:
    rest = noise(6).reshape(200, DAYS, DAY)
    rest *= np.where(np.arange(DAYS) % 3 == 0, 2.0, 1.0).astype(np.float32)[:, None]
    assert found(rest.reshape(200, -1))[0] < 0.02  # twice the noise today, as every third day


def test_missing_hours_and_short_histories_are_unknown() -> None:
    holes = noise(7)
    holes[:, np.arange(holes.shape[1]) % 100 < 40] = np.nan
    assert max(found(holes)) < 0.02
    assert not change_scores(noise(8, days=5), DAY).any()
    assert not change_scores(np.zeros((2, DAYS * DAY), np.float32), DAY).any()
    assert not change_scores(np.full((2, DAYS * DAY), np.nan, np.float32), DAY).any()
