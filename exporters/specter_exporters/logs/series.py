"""Counters and histograms that one thread fills fast, and that are saved and restored with the read offsets.

prometheus_client's children take a lock for each increment and cannot be set back to what they were. Here
a series is a list with one number in it, whoever counts keeps that list, and the exporter's one lock is held
for a whole batch of lines.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from specter_core.metrics import LOG_LABEL_OVERFLOW, Metric

OTHER = "other"
MAX_LABEL_VALUES = 100
MAX_SERIES = 2000

Cell = list[float]
Saved = Mapping[str, Any]


class HistogramCell:
    """One histogram: how many values fell into each bucket, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count `value`, finite, in the metric's unit."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Bounds:
    """Which label values have series of their own.

    Args:
        labels: names of the labels.
        limits: distinct values by label; `MAX_LABEL_VALUES` where nothing is said.
        max_series: combinations of values.
    """

    def __init__(self, labels: Sequence[str], limits: Mapping[str, int], max_series: int) -> None:
        self._limits = [limits.get(label, MAX_LABEL_VALUES) for label in labels]
        self._seen: list[set[str]] = [set() for _ in labels]
        self._max_series = max_series

    def admit(self, values: tuple[str, ...], series: int) -> tuple[str, ...]:
        """Return `values`, with `other` for those beyond a limit; `series` is how many there are."""
        if series >= self._max_series:
            return (OTHER,) * len(values)
        return tuple(
            self._one(value, seen, limit)
            for value, seen, limit in zip(values, self._seen, self._limits, strict=True)
        )

    def know(self, values: tuple[str, ...]) -> None:
        """Take up the values of a series that was saved."""
        for value, seen in zip(values, self._seen, strict=True):
            seen.add(value)

    @staticmethod
    def _one(value: str, seen: set[str], limit: int) -> str:
        if value in seen:
            return value
        if len(seen) >= limit:
            return OTHER
        seen.add(value)
        return value


class Counters:
    """A family of counters, bounded; made by `Store.counters`."""

    def __init__(
        self, metric: Metric, prefix: tuple[str, ...], bounds: Bounds, overflow: Callable[[], None]
    ) -> None:
        self.metric = metric
        self._prefix = prefix
        self._bounds = bounds
        self._overflow = overflow
        self.cells: dict[tuple[str, ...], Cell] = {}

    def find(self, *values: str) -> tuple[Cell, bool]:
        """Return the series of the label values, and whether it is theirs and not that of `other`.

        A caller may keep a series that is its own. What is `other` must be asked for again each time, so that
        it is counted as such, and so that a cache does not grow by what the limit keeps out.
        """
        cell = self.cells.get(values)
        if cell is not None:
            return cell, True
        admitted = self._bounds.admit(values, len(self.cells))
        own = admitted == values
        if not own:
            self._overflow()
        cell = self.cells.get(admitted)
        if cell is None:
            cell = self.cells[admitted] = [0]
        return cell, own

    def add(self, amount: float, *values: str) -> None:
        """Add `amount` to the series of the label values."""
        self.find(*values)[0][0] += amount

    def restore(self, saved: Saved) -> None:
        """Take over the values that `save` returned."""
        for labels, value in saved["series"]:
            values = tuple(labels)
            self._bounds.know(values)
            self.cells[values] = [value]

    def save(self) -> dict[str, Any]:
        """Return everything as JSON's types."""
        return {
            "labels": [*self.metric.labels],
            "series": [[values, cell[0]] for values, cell in self.cells.items()],
        }

    def add_to(self, family: CounterMetricFamily) -> None:
        """Add every series to the exposed family."""
        for values, cell in self.cells.items():
            family.add_metric((*self._prefix, *values), cell[0])


class Histograms:
    """A family of histograms, bounded; made by `Store.histograms`."""

    def __init__(
        self, metric: Metric, prefix: tuple[str, ...], bounds: Bounds, overflow: Callable[[], None]
    ) -> None:
        self.metric = metric
        self._prefix = prefix
        self._bounds = bounds
        self._overflow = overflow
        self._ends = [*(str(float(bound)) for bound in metric.buckets), "+Inf"]
        self.cells: dict[tuple[str, ...], HistogramCell] = {}

    def find(self, *values: str) -> tuple[HistogramCell, bool]:
        """See `Counters.find`."""
        cell = self.cells.get(values)
        if cell is not None:
            return cell, True
        admitted = self._bounds.admit(values, len(self.cells))
        own = admitted == values
        if not own:
            self._overflow()
        cell = self.cells.get(admitted)
        if cell is None:
            cell = self.cells[admitted] = HistogramCell(self.metric.buckets)
        return cell, own

    def restore(self, saved: Saved) -> None:
        """Take over what `save` returned, unless it has other buckets."""
        if saved.get("buckets") != [*self.metric.buckets]:
            return
        for labels, counts, total in saved["series"]:
            values = tuple(labels)
            self._bounds.know(values)
            cell = self.cells[values] = HistogramCell(self.metric.buckets)
            cell.counts, cell.total = [*counts], total

    def save(self) -> dict[str, Any]:
        """Return everything as JSON's types."""
        return {
            "labels": [*self.metric.labels],
            "buckets": [*self.metric.buckets],
            "series": [[values, cell.counts, cell.total] for values, cell in self.cells.items()],
        }

    def add_to(self, family: HistogramMetricFamily) -> None:
        """Add every series to the exposed family."""
        for values, cell in self.cells.items():
            buckets, below = [], 0
            for end, count in zip(self._ends, cell.counts, strict=True):
                below += count
                buckets.append((end, float(below)))
            family.add_metric((*self._prefix, *values), buckets=buckets, sum_value=cell.total)


class Store:
    """Every counter and histogram of the exporter.

    Args:
        saved: what `save` returned before a restart. A family takes its part when it is made; what belongs
            to no family any more, or has other labels now, is dropped.
    """

    def __init__(self, saved: Saved | None = None) -> None:
        self._saved = dict(saved or {})
        self._families: dict[tuple[str, str], Counters | Histograms] = {}
        self._overflow = self.counters(LOG_LABEL_OVERFLOW, limits={"metric": 1000})

    def counters(self, metric: Metric, log: str = "", *, limits: Mapping[str, int] | None = None) -> Counters:
        """Return the counters `metric` of a log; the same each time.

        Args:
            metric: its first label is `log` where a log is named.
            log: the value of that label, which callers leave out from then on.
            limits: distinct values by label.
        """
        key = (metric.name, log)
        found = self._families.get(key)
        if not isinstance(found, Counters):
            found = self._families[key] = Counters(*self._parts(metric, log, limits))
            self._restore(found, key)
        return found

    def histograms(
        self, metric: Metric, log: str = "", *, limits: Mapping[str, int] | None = None
    ) -> Histograms:
        """Return the histograms `metric` of a log; see `counters`."""
        key = (metric.name, log)
        found = self._families.get(key)
        if not isinstance(found, Histograms):
            found = self._families[key] = Histograms(*self._parts(metric, log, limits))
            self._restore(found, key)
        return found

    def _parts(
        self, metric: Metric, log: str, limits: Mapping[str, int] | None
    ) -> tuple[Metric, tuple[str, ...], Bounds, Callable[[], None]]:
        labels = metric.labels[1:] if log else metric.labels
        bounds = Bounds(labels, limits or {}, MAX_SERIES)
        return metric, (log,) if log else (), bounds, self.overflow_of(metric)

    def overflow_of(self, metric: Metric) -> Callable[[], None]:
        """Return what counts an entry of `metric` under `other`."""
        return lambda: self._overflow.add(1, metric.name)

    def _restore(self, family: Counters | Histograms, key: tuple[str, str]) -> None:
        saved = self._saved.pop("/".join(key), None)
        if saved is not None and saved.get("labels") == [*family.metric.labels]:
            family.restore(saved)

    def save(self) -> dict[str, Any]:
        """Return every value as JSON's types."""
        return {"/".join(key): family.save() for key, family in self._families.items()}

    def collect(self) -> Iterator[Family]:
        """Yield the exposed families, each once."""
        by_name: dict[str, list[Counters | Histograms]] = {}
        for (name, _), family in self._families.items():
            by_name.setdefault(name, []).append(family)
        for parts in by_name.values():
            yield _exposed(parts[0].metric, parts)


def _exposed(metric: Metric, parts: Iterable[Counters | Histograms]) -> Family:
    if metric.kind == "counter":
        counters = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
        for part in parts:
            if isinstance(part, Counters):
                part.add_to(counters)
        return counters
    histograms = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for part in parts:
        if isinstance(part, Histograms):
            part.add_to(histograms)
    return histograms
