"""The detectors that ours is compared with."""

import math

import numpy as np
import pytest

from benchmarks.evaluation.baselines import AlwaysOn, Random, RollingZ, rolling_z
from benchmarks.evaluation.ours import Specter
from benchmarks.evaluation.series import Detector, LabelledSeries

NAN = math.nan
DETECTORS: list[Detector] = [AlwaysOn(), Random(), RollingZ(), Specter()]


def series(values: list[float]) -> LabelledSeries:
    count = len(values)
    return LabelledSeries(
        "a", np.arange(count, dtype=np.float64) * 3600, np.array(values), np.zeros(count, dtype=bool), 3600.0
    )


def test_rolling_z_looks_back_over_its_window_only() -> None:
    z = rolling_z(np.array([100.0, 4, 6, 8, NAN, 6]), 2)
    # 6 after (100, 4): 46 off, deviation 48; 8 after (4, 6): 3 off, deviation 1; the last knows one value.
    np.testing.assert_allclose(z, [NAN, NAN, 46 / 48, 3, NAN, NAN])


def test_rolling_z_after_a_constant_is_0_or_infinite() -> None:
    z = rolling_z(np.array([5.0, 5, 5, 6]), 3)
    np.testing.assert_array_equal(z, [NAN, NAN, 0, math.inf])


def test_long_series_are_cut_without_a_seam() -> None:
    values = np.random.default_rng(1).normal(size=9000)
    z = rolling_z(values, 24)
    for index in (4095, 4096, 4097, 8191, 8192):
        before = values[index - 24 : index]
        assert z[index] == pytest.approx(abs(values[index] - before.mean()) / before.std())


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda one: one.name)
def test_scores_use_nothing_after_the_sample(detector: Detector) -> None:
    values = np.random.default_rng(2).normal(size=200).tolist()
    whole, part = detector.scores([series(values)])[0], detector.scores([series(values[:150])])[0]
    np.testing.assert_array_equal(whole.score[:150], part.score)
    np.testing.assert_array_equal(whole.confidence[:150], part.confidence)
    assert not detector.scores([])


def test_random_is_the_same_on_every_run_and_of_other_seeds_another() -> None:
    first, again, other = (Random(seed).scores([series([1.0] * 50)])[0].score for seed in (0, 0, 1))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()
