"""What the exporter says of itself."""

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from specter_core import metrics
from specter_exporters.jobs.book import StoreCounts


class StoreMetrics(Collector):
    """How the store does.

    Args:
        counts: what it did.
    """

    def __init__(self, counts: StoreCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Family]:
        """Yield the families."""
        up = GaugeMetricFamily(metrics.JOB_STORE_UP.name, metrics.JOB_STORE_UP.help)
        up.add_metric((), float(self._counts.up))
        yield up
        commits = SummaryMetricFamily(metrics.JOB_COMMITS.name, metrics.JOB_COMMITS.help)
        commits.add_metric((), self._counts.writes, self._counts.seconds)
        yield commits
