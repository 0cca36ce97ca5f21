"""Counters and histograms of the catalogue's events: fixed series, plain arithmetic, no locks."""

from bisect import bisect_left
from collections.abc import Iterator

from specter_core.catalogue import Catalogue, Unit
from specter_core.metrics import SUCCESS
from specter_exporters.business.validation import Observation

Labels = tuple[str, ...]


class Distribution:
    """One series of a histogram: observations by bucket, and their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count `value` in the first bucket whose upper bound is not below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def cumulative(self) -> list[tuple[str, float]]:
        """Return (upper bound, observations up to it) as the exposition has it, `+Inf` last."""
        total = 0
        result: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            result.append((bound, float(total)))
        return result

    def copy(self) -> "Distribution":
        """Return one that further observations do not change."""
        twin = Distribution(self.bounds)
        twin.counts, twin.sum = list(self.counts), self.sum
        return twin


class Tally:
    """What has been counted since the start; its owner serialises access.

    Every series of the catalogue begins at 0, so that the first failure is an
    increase that `rate()` sees.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._measures = {name: event.measures for name, event in catalogue.events.items()}
        self.events: dict[Labels, int] = {
            (event.name, outcome, reason): 0
            for event in catalogue.events.values()
            for outcome, reason in event.series
        }
        self.overflow: dict[Labels, int] = {
            (event.name,): 0 for event in catalogue.events.values() if event.reasons
        }
        self.features: dict[Labels, int] = {(feature,): 0 for feature in catalogue.features}
        self.steps: dict[Labels, int] = {}
        self._steps_of: dict[str, list[Labels]] = {}
        for funnel in catalogue.funnels:
            for number, step in enumerate(funnel.steps, 1):
                labels = (funnel.name, f"{number:02}", step)
                self.steps[labels] = 0
                self._steps_of.setdefault(step, []).append(labels)
        self.quantities: dict[Unit, dict[Labels, Distribution]] = {unit: {} for unit in Unit}

    def add(self, seen: Observation) -> None:
        """Count one event."""
        key = (seen.event, seen.outcome, seen.reason)
        self.events[key] = self.events.get(key, 0) + 1
        if seen.overflow:
            self.overflow[seen.event,] = self.overflow.get((seen.event,), 0) + 1
        for unit, value, currency in seen.quantities:
            self._observe(seen, unit, value, currency)
        if seen.outcome != SUCCESS:
            return
        if seen.feature:
            self.features[seen.feature,] += 1
        for labels in self._steps_of.get(seen.event, ()):
            self.steps[labels] += 1

    def _observe(self, seen: Observation, unit: Unit, value: float, currency: str) -> None:
        labels = (seen.event, seen.outcome, currency) if currency else (seen.event, seen.outcome)
        known = self.quantities[unit].get(labels)
        if known is None:
            known = Distribution(self._measures[seen.event][unit].buckets)
            self.quantities[unit][labels] = known
        known.observe(value)

    def distributions(self) -> Iterator[tuple[Unit, list[tuple[Labels, Distribution]]]]:
        """Yield each unit with a copy of its series."""
        for unit, series in self.quantities.items():
            yield unit, [(labels, one.copy()) for labels, one in series.items()]
