"""Array types shared by the models, and the robust statistics that several need."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Singles = NDArray[np.float32]

MAD_TO_SIGMA = 1.4826
"""A Gaussian's standard deviation over its median absolute deviation."""


LARGEST_VALUE = 1e36
"""Values from here on count as missing: float32 ends at 3e38."""

GOLDEN = (5**0.5 - 1) / 2


def some_columns(length: int, most: int) -> Ints:
    """Return up to `most` of `length` columns, ascending: golden steps fall into no pattern of gaps."""
    if length <= most:
        return np.arange(length)
    return np.sort((np.arange(most) * GOLDEN % 1.0 * length).astype(np.int64))


def nan_median(values: NDArray[np.floating[Any]]) -> Floats:
    """Return the median over the last axis without NaN, which a sort leaves at the end; NaN for none."""
    if values.shape[-1] == 0:
        return np.full(values.shape[:-1], np.nan)
    ranked = np.sort(values, axis=-1)
    known = np.isfinite(ranked).sum(axis=-1, keepdims=True)
    low = np.take_along_axis(ranked, np.maximum((known - 1) // 2, 0), axis=-1)
    high = np.take_along_axis(ranked, np.minimum(known // 2, values.shape[-1] - 1), axis=-1)
    # Half of each: the sum of two may overflow.
    return np.asarray(np.where(known > 0, low / 2 + high / 2, np.nan)[..., 0], np.float64)
