"""Medians over cycles by a sorting network."""

import numpy as np
import pytest

from specter_detector.models.medians import cycle_columns, median_of_cycles


@pytest.mark.parametrize("cycles", [1, 2, 3, 7, 8, 13, 28])
def test_medians_are_those_of_numpy(cycles: int) -> None:
    rng = np.random.default_rng(cycles)
    whole = rng.normal(size=(5, cycles, 24)).astype(np.float32)
    holes = np.where(rng.random(whole.shape) < 0.3, np.float32(np.nan), whole)
    np.testing.assert_allclose(median_of_cycles(whole.copy()), np.median(whole, axis=1), rtol=1e-6)
    holes[:, 0, 1:] = whole[:, 0, 1:]  # one at least, but for the first phase
    holes[:, :, 0] = np.nan
    result = median_of_cycles(holes.copy())
    assert np.isnan(result[:, 0]).all()
    np.testing.assert_allclose(result[:, 1:], np.nanmedian(holes[:, :, 1:], axis=1), rtol=1e-6)


def test_every_column_stands_at_its_phase_and_gaps_at_the_end() -> None:
    phase = np.array([2, 3, 0, 1, 2, 3, 0])
    table = cycle_columns(phase, 4)
    assert table.tolist() == [[2, 3, 0, 1], [6, 7, 4, 5]]  # 7: the second of phase 1 is missing
