"""Learn from a short burst of real requests how long each route takes on this machine.

The history must continue into the live series without a seam, so its latencies
are those of the shop as it runs here: the share of each histogram bucket, read
from the shop's own /metrics before and after the burst.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families

from specter_core.errors import SpecterError
from specter_core.metrics import (
    DURATION_BUCKETS,
    HTTP_SERVER_REQUEST_DURATION,
    METHOD,
    ROUTE,
    STATUS,
)
from specter_demo.history.views import Views

BOUNDS = np.array([*DURATION_BUCKETS, np.inf])


@dataclass(frozen=True, order=True, slots=True)
class Outcome:
    """One labelled histogram of the shop: a method on a route that ended with a status."""

    method: str
    route: str
    status: str


Counts = dict[Outcome, NDArray[np.float64]]


def bucket_counts(exposition: str) -> Counts:
    """Return requests by outcome and bucket (not cumulative, shape (15,)) from a scrape of the shop."""
    cumulative: dict[Outcome, dict[float, float]] = defaultdict(dict)
    for family in text_string_to_metric_families(exposition):
        if family.name != HTTP_SERVER_REQUEST_DURATION.name:
            continue
        for sample in family.samples:
            if sample.name == HTTP_SERVER_REQUEST_DURATION.bucket:
                labels = sample.labels
                outcome = Outcome(labels[METHOD], labels[ROUTE], labels[STATUS])
                cumulative[outcome][float(labels["le"])] = sample.value
    return {
        outcome: np.diff([by_bound[bound] for bound in BOUNDS], prepend=0.0)
        for outcome, by_bound in cumulative.items()
    }


@dataclass(frozen=True, slots=True)
class Calibration:
    """For each route: its outcomes, and the probability of each (outcome, bucket) cell.

    `probabilities[route]` has shape (outcomes, 15) and sums to 1. `views` are those of the pages that
    browsers measure.
    """

    outcomes: Mapping[str, tuple[Outcome, ...]]
    probabilities: Mapping[str, NDArray[np.float64]]
    views: tuple[Views, ...] = ()

    @property
    def routes(self) -> tuple[str, ...]:
        """The routes that were measured, sorted."""
        return tuple(sorted(self.outcomes))


def calibrate(before: str, after: str) -> Calibration:
    """Return what happened between two scrapes of the shop.

    Raises:
        SpecterError: no request was served in between.
    """
    earlier = bucket_counts(before)
    served: dict[str, dict[Outcome, NDArray[np.float64]]] = defaultdict(dict)
    for outcome, counts in bucket_counts(after).items():
        delta = _increase(earlier.get(outcome), counts)
        # Errors of the server belong to faults, and a route that nobody matched has no normal latency.
        if delta.sum() > 0 and outcome.route and not outcome.status.startswith("5"):
            served[outcome.route][outcome] = delta
    if not served:
        raise SpecterError("the shop served no request while its latencies were measured; see its log")
    outcomes = {route: tuple(sorted(cells)) for route, cells in served.items()}
    probabilities = {}
    for route, keys in outcomes.items():
        cells = np.array([served[route][key] for key in keys])
        probabilities[route] = cells / cells.sum()
    return Calibration(outcomes, probabilities)


def _increase(before: NDArray[np.float64] | None, after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what was counted in between; a counter that fell began again at zero, as rate() sees it."""
    if before is None or (after < before).any():
        return after
    return after - before
