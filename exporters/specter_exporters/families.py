"""Metric families made afresh for each scrape, so that no label outlives its cause."""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

from specter_core import metrics as vocabulary
from specter_core.metrics import Metric


def named(*prefixes: str) -> tuple[Metric, ...]:
    """Return the metrics whose names in the vocabulary's module begin so, such as `SQL_`, in its order."""
    return tuple(
        value
        for name, value in vars(vocabulary).items()
        if name.startswith(prefixes) and isinstance(value, Metric)
    )


class Families:
    """The families of one scrape, in one order.

    Prometheus drops a second series of the same labels without a word, so it is left out here
    and `add` says so.

    Args:
        metrics: every metric that can be added; one without samples is exposed with its HELP alone.
    """

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._families = {metric.name: _family(metric) for metric in metrics}
        self._seen: set[tuple[str, tuple[str, ...]]] = set()

    def add(self, metric: Metric, labels: Sequence[str], value: float) -> bool:
        """Add a sample; return False, and add nothing, if its labels are there already."""
        key = (metric.name, tuple(labels))
        if key in self._seen:
            return False
        self._seen.add(key)
        self._families[metric.name].add_metric(list(labels), float(value))
        return True

    def maybe(self, metric: Metric, labels: Sequence[str], value: float | None) -> None:
        """Add a sample unless its value is not known."""
        if value is not None:
            self.add(metric, labels, value)

    def __iter__(self) -> Iterator[Family]:
        """Yield the families."""
        yield from self._families.values()


def _family(metric: Metric) -> GaugeMetricFamily | CounterMetricFamily:
    if metric.kind == "counter":
        return CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
