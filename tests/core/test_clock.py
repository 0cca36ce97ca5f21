"""Time as a value."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specter_core.clock import SystemClock, align_down


@pytest.mark.parametrize(
    ("timestamp", "step", "expected"),
    [
        (1_700_000_000.7, 15.0, 1_699_999_995.0),
        (1_699_999_995.0, 15.0, 1_699_999_995.0),
        (14.999, 15.0, 0.0),
        (0.0, 300.0, 0.0),
        (-1.0, 15.0, -15.0),
    ],
)
def test_align_down_is_the_last_multiple(timestamp: float, step: float, expected: float) -> None:
    assert align_down(timestamp, step) == expected


@given(st.integers(0, 4_000_000_000_000), st.integers(1, 86_400))
def test_align_down_is_at_most_one_step_back_and_stays_there(milliseconds: int, step: int) -> None:
    timestamp = milliseconds / 1000
    aligned = align_down(timestamp, step)
    assert timestamp - step < aligned <= timestamp
    assert aligned % step == 0
    assert align_down(aligned, step) == aligned


def test_the_system_clock_is_the_machines_and_does_not_sleep_backwards() -> None:
    clock = SystemClock()
    assert abs(clock.time() - time.time()) < 5
    before = clock.monotonic()
    clock.sleep(-60)
    clock.sleep(0.001)
    assert 0.001 <= clock.monotonic() - before < 5
