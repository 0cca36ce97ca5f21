"""What the exporter says of itself."""

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from specter_core import metrics
from specter_exporters.jobs.book import StoreCounts


class OwnMetrics(Collector):
    """How the store and the listener of pings do.

    Args:
        counts: what the store did.
    """

    def __init__(self, counts: StoreCounts) -> None:
        self._counts = counts
        self.pings_up: bool | None = None
        """Whether the listener of pings answered when it was last asked."""

    def collect(self) -> Iterable[Family]:
        """Yield the families."""
        pings = GaugeMetricFamily(metrics.JOB_PINGS_UP.name, metrics.JOB_PINGS_UP.help)
        if self.pings_up is not None:
            pings.add_metric((), float(self.pings_up))
        yield pings
        up = GaugeMetricFamily(metrics.JOB_STORE_UP.name, metrics.JOB_STORE_UP.help)
        up.add_metric((), float(self._counts.up))
        yield up
        commits = SummaryMetricFamily(metrics.JOB_COMMITS.name, metrics.JOB_COMMITS.help)
        commits.add_metric((), self._counts.writes, self._counts.seconds)
        yield commits
