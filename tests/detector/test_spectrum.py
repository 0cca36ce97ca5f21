"""Seasons that are neither a day nor a week."""

import numpy as np
import pytest

from specter_detector.models.arrays import Floats, Singles
from specter_detector.models.replay import replay
from specter_detector.models.spectrum import BINS, cycle_over, find_cycles

STEP, DAY, N = 300.0, 288, 14 * 288
STEPS: Floats = np.arange(N, dtype=np.float64)


def noise(seed: int, series: int) -> Singles:
    return np.random.default_rng(seed).normal(size=(series, N)).astype(np.float32)


def pulses(every: float) -> Floats:
    """Return 1 for a twentieth of `every`, less their mean."""
    return np.asarray((STEPS % every < 0.05 * every) - 0.05, np.float64)


@pytest.mark.parametrize("every", [23.0, 37.3, 100.5])
def test_a_sine_and_a_pulse_are_found_with_their_period(every: float) -> None:
    sine = noise(1, 50) + 1.5 * np.sin(2 * np.pi * STEPS / every)
    pulse = noise(2, 50) + 15 * pulses(every)
    for rest in (sine, pulse):
        found = find_cycles(rest.astype(np.float32), 0.0)
        assert (found.period > 0).mean() > 0.95
        cycles = found.period[found.period > 0] / every  # two of a period are one too
        assert (np.abs(cycles / np.maximum(np.rint(cycles), 1) - 1) < 0.004).mean() > 0.95


def test_noise_has_none_whatever_its_colour() -> None:
    white = noise(3, 500)
    red = white.copy()
    for step in range(1, N):
        red[:, step] += 0.9 * red[:, step - 1]
    for rest in (white, red):
        assert (find_cycles(rest, 0.0).period > 0).sum() <= 1


def test_a_cycle_goes_on_from_where_it_began() -> None:
    first = 5_000_000.0
    truth = np.sin(2 * np.pi * (first + STEPS) / 50.5)
    found = find_cycles((0.3 * noise(4, 1) + truth).astype(np.float32), first)
    later: Floats = np.asarray(first + N + np.arange(300), np.float64)
    guess = cycle_over(found, np.array([0]), later)[0]
    assert np.abs(guess - np.sin(2 * np.pi * later / 50.5)).max() < 0.35


def test_a_gap_and_a_short_history_have_none_or_the_right_one() -> None:
    rest = (noise(5, 20) + 3 * np.sin(2 * np.pi * STEPS / 37)).astype(np.float32)
    rest[:, 1000:1600] = np.nan
    assert (np.abs(find_cycles(rest, 0.0).period / 37 - 1) < 0.01).all()
    assert not find_cycles(rest[:, :200], 0.0).period.any()
    assert not find_cycles(np.full((2, N), np.nan, np.float32), 0.0).period.any()
    assert not find_cycles(np.zeros((2, N), np.float32), 0.0).profile.any()
    assert find_cycles(rest, 0.0).profile.shape == (20, BINS)


def test_a_job_every_83_steps_is_expected_and_its_absence_is_not() -> None:
    steps = np.arange(15 * DAY, dtype=np.float64)
    values = 100 + np.random.default_rng(6).normal(size=steps.size) + 40 * (steps % 83 < 4)
    quiet = values.copy()
    missed = 52 * 83
    assert missed < steps.size
    quiet[missed : missed + 4] -= 40
    result = replay(steps * STEP, np.stack([values, quiet]), STEP)
    usual = result.score[0, missed - 300 :]
    assert (usual[np.isfinite(usual)] > 1).mean() < 0.01
    assert np.abs(result.shape.other.period[0] / 83 - 1) < 0.01
