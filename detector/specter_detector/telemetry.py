"""The detector's metrics about itself."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from specter_core import metrics
from specter_core.metrics import Metric

STATES = ("scored", "warming", "absent", "invalid", "over_limit")
READ_OUTCOMES = ("ok", "empty", "error", "unreachable")
DROP_REASONS = (
    "invalid", "duplicate", "future", "too_old", "out_of_order", "conflict", "rejected",
    "expired", "spool_full", "corrupt",
)  # fmt: skip


def _counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    return Counter(metric.name.removesuffix("_total"), metric.help, metric.labels, registry=registry)


def _gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    return Gauge(metric.name, metric.help, metric.labels, registry=registry)


class Telemetry:
    """Counts what happens; one object a process, on a registry of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._newest: dict[str, float] = {}
        self._queries: set[str] = set()
        self._last_tick = _gauge(metrics.DETECTOR_LAST_TICK, registry)
        self._tick_duration = Histogram(
            metrics.DETECTOR_TICK_DURATION.name,
            metrics.DETECTOR_TICK_DURATION.help,
            buckets=metrics.DETECTOR_TICK_DURATION.buckets,
            registry=registry,
        )
        self._skipped = _counter(metrics.DETECTOR_TICKS_SKIPPED, registry)
        self._caught_up = _counter(metrics.DETECTOR_TICKS_CAUGHT_UP, registry)
        self._fit_duration = _gauge(metrics.DETECTOR_FIT_DURATION, registry)
        self._fits = _counter(metrics.DETECTOR_FITS, registry)
        self._series = _gauge(metrics.DETECTOR_SERIES, registry)
        self._reads = _counter(metrics.DETECTOR_READS, registry)
        self._writes = _counter(metrics.DETECTOR_WRITES, registry)
        self._written = _counter(metrics.DETECTOR_SAMPLES_WRITTEN, registry)
        self._dropped = _counter(metrics.DETECTOR_SAMPLES_DROPPED, registry)
        self._reload_ok = _gauge(metrics.DETECTOR_RELOAD_SUCCESSFUL, registry)
        self._reload_at = _gauge(metrics.DETECTOR_RELOAD_TIMESTAMP, registry)
        self._storage_errors = _counter(metrics.DETECTOR_STORAGE_ERRORS, registry)
        for what in ("history", "state", "spool"):
            self._storage_errors.labels(what)
        self._saves = _counter(metrics.DETECTOR_SAVES, registry)
        self._saved_at = _gauge(metrics.DETECTOR_LAST_SAVE, registry)
        self._save_duration = _gauge(metrics.DETECTOR_SAVE_DURATION, registry)
        for outcome in ("ok", "error"):
            self._saves.labels(outcome)
        self._spool_samples = _gauge(metrics.DETECTOR_SPOOL_SAMPLES, registry)
        self._spool_bytes = _gauge(metrics.DETECTOR_SPOOL_BYTES, registry)
        self._spool_persistent = _gauge(metrics.DETECTOR_SPOOL_PERSISTENT, registry)
        self._up = _gauge(metrics.DETECTOR_DATASOURCE_UP, registry)
        self._clock_ahead = _gauge(metrics.DETECTOR_CLOCK_AHEAD, registry)

    def prepare(self, queries: Sequence[str]) -> None:
        """Show every counter at 0 from the start, so that its first increase is seen by `rate`.

        Queries that are not configured any more are not shown any more.
        """
        gone, self._queries = self._queries - set(queries), set(queries)
        for query in gone:
            self._forget(query)
        for outcome in ("ok", "rejected", "unreachable"):
            self._writes.labels(outcome)
        for reason in DROP_REASONS:
            self._dropped.labels(reason)
        for query in queries:
            for outcome in READ_OUTCOMES:
                self._reads.labels(query, outcome)
            for outcome in ("ok", "error"):
                self._fits.labels(query, outcome)

    def _forget(self, query: str) -> None:
        """Remove what is shown of one query."""
        self._newest.pop(query, None)
        for metric in (self._last_tick, self._fit_duration):
            metric.remove(query)
        for state in STATES:
            self._series.remove(query, state)
        for outcome in READ_OUTCOMES:
            self._reads.remove(query, outcome)
        for outcome in ("ok", "error"):
            self._fits.remove(query, outcome)

    def reloaded(self, ok: bool, at: float) -> None:
        """The configuration was read again at Unix time `at` (s)."""
        self._reload_ok.set(1 if ok else 0)
        if ok:
            self._reload_at.set(at)

    def storage_failed(self, what: str) -> None:
        """The disk refused; `what` is history, state or spool."""
        self._storage_errors.labels(what).inc()

    def saved(self, ok: bool, at: float, seconds: float) -> None:
        """What has been learnt was saved at Unix time `at` (s), which took `seconds`, or could not be."""
        self._saves.labels("ok" if ok else "error").inc()
        if ok:
            self._saved_at.set(at)
            self._save_duration.set(seconds)

    def ticked(self, seconds: float) -> None:
        """One tick took `seconds`."""
        self._tick_duration.observe(seconds)

    def scores_written(self, query: str, at: float) -> None:
        """The server took scores of `query` at `at`; an older tick, delivered late, changes nothing."""
        if at > self._newest.get(query, 0.0):
            self._newest[query] = at
            self._last_tick.labels(query).set(at)

    def skipped(self, ticks: int) -> None:
        """`ticks` ticks were not run, or not to their end."""
        self._skipped.inc(ticks)

    def caught_up(self, ticks: int) -> None:
        """`ticks` ticks that had been missed were run later."""
        self._caught_up.inc(ticks)

    def fitted(self, query: str, seconds: float, outcome: str) -> None:
        """A fit of `query` took `seconds`; `outcome` is ok or error."""
        self._fits.labels(query, outcome).inc()
        if outcome == "ok":
            self._fit_duration.labels(query).set(seconds)

    def series(self, query: str, counts: dict[str, int]) -> None:
        """Set the number of series of `query` in each state; a state not named has none."""
        for state in STATES:
            self._series.labels(query, state).set(counts.get(state, 0))

    def read(self, query: str, outcome: str) -> None:
        """A query was answered; `outcome` is ok, empty, error or unreachable."""
        self._reads.labels(query, outcome).inc()

    def wrote(self, outcome: str) -> None:
        """A remote-write request was answered."""
        self._writes.labels(outcome).inc()

    def written(self, samples: int) -> None:
        """The server took `samples`."""
        self._written.inc(samples)

    def dropped(self, reason: str, samples: int) -> None:
        """`samples` were given up."""
        self._dropped.labels(reason).inc(samples)

    def spooled(self, samples: int, nbytes: int, *, persistent: bool) -> None:
        """What waits for the server, and whether it would survive this process."""
        self._spool_samples.set(samples)
        self._spool_bytes.set(nbytes)
        self._spool_persistent.set(1 if persistent else 0)

    def datasource(self, up: bool) -> None:
        """The data source is reachable or not."""
        self._up.set(1 if up else 0)

    def clock_ahead(self, seconds: float) -> None:
        """This machine's clock is ahead of the server's by `seconds`."""
        self._clock_ahead.set(seconds)
