"""What the reader of a score calls an anomaly, whatever the model thinks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specter_detector.models.online import ABSENT, DROP, NONE, SPIKE, Judged
from specter_detector.models.policed import under_policy
from specter_detector.models.policy import Direction, Policy


def judged(value: float, yhat: float, half: float, policy: Policy) -> Judged:
    """Return what `policy` makes of `value` against a band of `half` on both sides of `yhat`."""
    value, yhat, half = float(value), float(yhat), float(half)
    score = abs(value - yhat) / half if np.isfinite(value) else np.nan
    reason = NONE if not score > 1 else SPIKE if value > yhat else DROP
    raw = Judged(
        np.array([score]), np.array([int(np.sign(value - yhat)) if np.isfinite(value) else 0]),
        np.array([yhat]), np.array([yhat - half]), np.array([yhat + half]), np.array([reason]), np.ones(1),
    )  # fmt: skip
    return under_policy(raw, np.array([value]), policy)


def one(value: float, yhat: float, half: float, policy: Policy) -> float:
    return float(judged(value, yhat, half, policy).score[0])


def test_score_is_0_at_the_expectation_and_1_at_the_edge() -> None:
    assert [one(value, 10, 2, Policy()) for value in (10, 11, 12, 8, 20)] == [0, 0.5, 1, 1, 5]


def test_score_of_an_unknown_value_is_unknown() -> None:
    for value in (np.nan, np.inf, -np.inf):
        assert np.isnan(one(value, 10, 2, Policy(data_range=(0, 1))))


def test_an_absence_counts_in_every_direction() -> None:
    raw = Judged(
        np.array([1.2]), np.array([0]), np.array([5.0]), np.array([4.0]), np.array([6.0]),
        np.array([ABSENT]), np.ones(1),
    )  # fmt: skip
    for direction in ("both", "above_expected", "below_expected"):
        result = under_policy(raw, np.array([np.nan]), Policy(direction, (9.0, 9.0)))
        assert (result.score[0], result.reason[0]) == (1.2, ABSENT)


def test_score_outside_the_data_range_is_above_1_whatever_the_direction() -> None:
    policy = Policy("below_expected", data_range=(0.0, 1.0))
    assert one(1.001, 0.9, 5, policy) == 1.01
    assert one(1.0, 0.9, 5, policy) == 0.0


def test_score_counts_one_direction_only_when_told() -> None:
    assert one(20, 10, 2, Policy("below_expected")) == 0
    assert one(0, 10, 2, Policy("below_expected")) == 5
    assert one(0, 10, 2, Policy("above_expected")) == 0
    assert one(20, 10, 2, Policy("above_expected")) == 5
    assert judged(20, 10, 2, Policy("below_expected")).reason[0] == NONE


def test_both_minimum_deviations_must_be_exceeded() -> None:
    policy = Policy(min_dev=(3, 4), min_rel_dev=(0.1, 0.5))
    assert one(14, 10, 1, policy) == 0  # 4 is not more than 4, and not more than half of 10
    assert one(15, 10, 1, policy) == 0
    assert one(15.5, 10, 1, policy) == pytest.approx(1.1)
    assert one(7, 10, 1, policy) == 0
    assert one(6.4, 10, 1, policy) == pytest.approx(1.2)


def test_the_published_band_is_cut_at_the_data_range_and_the_score_is_not() -> None:
    result = judged(0.0, 1, 2, Policy(data_range=(0.0, 2.0)))
    assert (result.lower[0], result.upper[0], result.score[0]) == (0.0, 2.0, 0.5)
    assert judged(0.0, -1, 2, Policy(data_range=(0.0, 2.0))).yhat[0] == 0.0


@given(
    value=st.floats(allow_nan=True, allow_infinity=True),
    yhat=st.floats(-1e12, 1e12),
    half=st.floats(1e-6, 1e12),
    direction=st.sampled_from(["both", "above_expected", "below_expected"]),
)
def test_a_score_is_nan_exactly_for_unknown_values_and_never_negative(
    value: float, yhat: float, half: float, direction: Direction
) -> None:
    result = one(value, yhat, half, Policy(direction))
    assert np.isnan(result) != np.isfinite(value)
    assert not result < 0
