"""What the reader of a score calls an anomaly, whatever the model thinks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specter_detector.models.policy import Direction, Policy


def one(value: float, yhat: float, half: float, policy: Policy) -> float:
    """Return what `policy` makes of the score of `value` against a band of `half` on both sides of `yhat`."""
    score = np.array([abs(value - yhat) / half])
    result, _ = policy.applied(score, np.array([float(value)]), np.array([float(yhat)]))
    return float(result[0])


def test_score_is_0_at_the_expectation_and_1_at_the_edge() -> None:
    assert [one(value, 10, 2, Policy()) for value in (10, 11, 12, 8, 20)] == [0, 0.5, 1, 1, 5]


def test_score_outside_the_data_range_is_above_1_whatever_the_direction() -> None:
    policy = Policy("below_expected", data_range=(0.0, 1.0))
    assert one(1.001, 0.9, 5, policy) == 1.01
    assert one(1.0, 0.9, 5, policy) == 0.0


def test_score_counts_one_direction_only_when_told() -> None:
    assert one(20, 10, 2, Policy("below_expected")) == 0
    assert one(0, 10, 2, Policy("below_expected")) == 5
    assert one(0, 10, 2, Policy("above_expected")) == 0
    assert one(20, 10, 2, Policy("above_expected")) == 5


def test_both_minimum_deviations_must_be_exceeded() -> None:
    policy = Policy(min_dev=(3, 4), min_rel_dev=(0.1, 0.5))
    assert one(14, 10, 1, policy) == 0  # 4 is not more than 4, and not more than half of 10
    assert one(15, 10, 1, policy) == 0
    assert one(15.5, 10, 1, policy) == pytest.approx(1.1)
    assert one(7, 10, 1, policy) == 0
    assert one(6.4, 10, 1, policy) == pytest.approx(1.2)
    assert one(6.4, 10, 9, policy) == pytest.approx(0.4)  # the band is wider than what matters


def test_the_published_band_is_cut_at_the_data_range_and_the_score_is_not() -> None:
    policy = Policy(data_range=(0.0, 2.0))
    yhat, lower, upper = policy.band(np.array([1.0, -1.0]), np.full(2, 2.0), np.full(2, 2.0))
    assert (list(yhat), list(lower), list(upper)) == ([1.0, 0.0], [0.0, 0.0], [2.0, 2.0])
    assert one(0.0, 1, 2, policy) == 0.5


@given(
    value=st.floats(-1e30, 1e30),
    yhat=st.floats(-1e12, 1e12),
    half=st.floats(1e-6, 1e12),
    direction=st.sampled_from(["both", "above_expected", "below_expected"]),
)
def test_a_policy_never_makes_a_score_negative_unknown_or_larger(
    value: float, yhat: float, half: float, direction: Direction
) -> None:
    result = one(value, yhat, half, Policy(direction, (1.0, 2.0), (0.1, 0.0)))
    assert 0 <= result <= abs(value - yhat) / half
