"""When an alert fires, from when its expression holds: pending, firing, resolved as in Prometheus. Pure."""

import numpy as np

from specter_detector.models.arrays import Bools, Floats


def firing(times: Floats, holds: Bools, pending: float, keep: float) -> Bools:
    """Return at which evaluations the alert fires.

    It fires once its expression has held for `pending` seconds without a break, at the evaluation at which
    that is reached, and goes on for `keep` seconds after the expression last held: until the first
    evaluation at which the expression has not held for that long, as Prometheus 2.42 counts it, from the
    first one at which it no longer did.

    Args:
        times: (n,) Unix seconds of the evaluations, ascending.
        holds: (n,) whether the expression returned the series.
        pending: `for`, seconds.
        keep: `keep_firing_for`, seconds.
    """
    fires = np.zeros(holds.size, np.bool_)
    active: float | None = None
    kept: float | None = None
    burning = False
    for index, (at, held) in enumerate(zip(times.tolist(), holds.tolist(), strict=True)):
        if held:
            active = at if active is None else active
            kept = None
            burning = burning or at - active >= pending
        elif burning and keep > 0:
            kept = at if kept is None else kept
            burning = at - kept < keep
        else:
            burning = False
        if not held and not burning:
            active = kept = None
        fires[index] = burning
    return fires


def episodes(times: Floats, fires: Bools) -> list[tuple[float, float]]:
    """Return (first, last) evaluation of each time the alert fired."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], fires, [False])).astype(np.int8)))
    return [(float(times[a]), float(times[b - 1])) for a, b in edges.reshape(-1, 2).tolist()]
