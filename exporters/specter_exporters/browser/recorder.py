"""What browsers measured, as histograms by page template and device class, and the beacon's own counts."""

from collections.abc import Iterable, Sequence
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

from specter_core import metrics
from specter_core.clock import Clock, SystemClock
from specter_core.metrics import Metric
from specter_exporters.browser.measurements import REASONS, Measurement
from specter_exporters.browser.pages import OTHER
from specter_exporters.browser.settling import Settling
from specter_exporters.vitals import DEVICES, OTHER_DEVICE, VITALS

HOLD_SECONDS = 60.0
REMEMBER_SECONDS = 1800.0
CAPACITY = 20_000
# An id is a hash and a time: of 100 new ones a second, all of half an hour.
REMEMBERED = 180_000

REFUSALS = (
    "origin",
    "client_rate",
    "total_rate",
    "too_large",
    "content_type",
    "unreadable",
    "invalid",
    "defect",
)


class Vitals:
    """Counts measurements, each view's last value once; shared by all threads.

    Args:
        registry: where the metrics are exposed; one of its own by default.
        hold_seconds: how long a later value of the same id takes the place of the one before.
        clock: the time.
        templates: of pages, whose series are there from the start: the first views are an increase from 0.
    """

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        *,
        hold_seconds: float = HOLD_SECONDS,
        clock: Clock | None = None,
        templates: Sequence[str] = (),
    ) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self._settling: Settling[Measurement] = Settling(
            self._observe,
            hold_seconds=hold_seconds,
            remember_seconds=REMEMBER_SECONDS,
            capacity=CAPACITY,
            remembered=REMEMBERED,
            monotonic=(clock or SystemClock()).monotonic,
        )
        # Before the histograms: a scrape settles what is due, and then reads them.
        self.registry.register(self)
        self._vitals = {
            name: Histogram(
                vital.metric.name,
                vital.metric.help,
                vital.metric.labels,
                buckets=vital.metric.buckets,
                registry=self.registry,
            )
            for name, vital in VITALS.items()
        }
        for histogram in self._vitals.values():
            for page, device in product((*templates, OTHER), (*sorted(DEVICES), OTHER_DEVICE)):
                histogram.labels(page, device)
        self._requests = self._counter(metrics.BEACON_REQUESTS)
        self._taken = self._counter(metrics.BEACON_TAKEN)
        self._unknown = self._counter(metrics.BEACON_UNKNOWN_PAGES)
        self._refused = self._counter(metrics.BEACON_REFUSED, REFUSALS)
        self._measurements_refused = self._counter(metrics.BEACON_MEASUREMENTS_REFUSED, REASONS)

    def add(self, measurement: Measurement) -> None:
        """Count a measurement, unless a later one of its id takes its place."""
        self._settling.add(measurement.key, measurement)

    def request(self) -> None:
        """Count a request."""
        self._requests.inc()

    def take(self) -> None:
        """Count a request of which something is taken."""
        self._taken.inc()

    def refuse(self, reason: str) -> None:
        """Count a request that is refused; `reason` is one of `REFUSALS`."""
        self._refused.labels(reason).inc()

    def refuse_measurement(self, reason: str) -> None:
        """Count a measurement that is refused; `reason` is one of `measurements.REASONS`."""
        self._measurements_refused.labels(reason).inc()

    def collect(self) -> Iterable[Family]:
        """Count what is due, and yield what is known of values that came more than once."""
        self._settling.settle_due()
        counts = self._settling.counts()
        gauge = GaugeMetricFamily(metrics.BEACON_HELD.name, metrics.BEACON_HELD.help)
        gauge.add_metric((), counts.held)
        yield gauge
        for metric, value in (
            (metrics.BEACON_REPLACED, counts.replaced),
            (metrics.BEACON_LATE, counts.late),
            (metrics.BEACON_EARLY, counts.early),
            (metrics.BEACON_FORGOTTEN, counts.forgotten),
        ):
            family = CounterMetricFamily(metric.name.removesuffix("_total"), metric.help)
            family.add_metric((), value)
            yield family

    def _observe(self, seen: Measurement) -> None:
        if seen.page == OTHER:
            self._unknown.inc()
        self._vitals[seen.name].labels(seen.page, seen.device).observe(seen.value)

    def _counter(self, metric: Metric, reasons: Sequence[str] = ()) -> Counter:
        counter = Counter(metric.name, metric.help, metric.labels, registry=self.registry)
        for reason in reasons:
            counter.labels(reason)  # so that the first one is an increase from 0
        return counter
