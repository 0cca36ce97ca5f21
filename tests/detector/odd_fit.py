"""A fit that fails; in a module of its own, because the worker process has to find it."""

import numpy as np

from specter_detector.models.arrays import Floats
from specter_detector.models.fit import FitOptions, Fitted, fit

ODD = -12345.0


def fit_unless_odd(
    times: Floats, values: Floats, options: FitOptions, *, with_state: bool, **others: object
) -> Fitted:
    """Fit as ever, unless a series has the value `ODD`.

    Raises:
        ValueError: one has.
    """
    if np.any(values == ODD):
        raise ValueError("odd")
    assert not any(others.values())
    return fit(times, values, options, with_state=with_state)
