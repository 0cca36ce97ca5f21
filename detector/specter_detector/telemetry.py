"""The detector's metrics about itself."""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Gauge, Info, ProcessCollector

from specter_core import metrics
from specter_core.cli import DISTRIBUTION
from specter_detector.presets.model import PRESET_NAMES
from specter_detector.request_telemetry import RequestTelemetry
from specter_detector.vocabulary import counter, gauge, histogram

STATES = ("scored", "warming", "absent", "invalid", "over_limit")
READ_OUTCOMES = ("ok", "empty", "error", "unreachable")
DROP_REASONS = (
    "invalid", "duplicate", "future", "too_old", "out_of_order", "conflict", "rejected",
    "expired", "spool_full", "corrupt",
)  # fmt: skip
OUTCOMES = ("ok", "error")
EXCLUSIONS = ("deployment", "maintenance", "incident")
RESTARTS = ("died", "hung")
EXECUTORS = ("local", "dask")


@dataclass(frozen=True, slots=True)
class _Spool:
    """What waits for a server; in scrape mode there is none."""

    samples: Gauge
    nbytes: Gauge
    persistent: Gauge


class Telemetry:
    """Counts what happens; one object a process, on a registry of its own.

    Attributes:
        registry: where the metrics are.
        requests: counts what goes over the network.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.requests = RequestTelemetry(registry)
        self._newest: dict[str, float] = {}
        self._queries: set[str] = set()
        self._last_tick = gauge(metrics.DETECTOR_LAST_TICK, registry)
        self._last_loop = gauge(metrics.DETECTOR_LAST_LOOP, registry)
        self._tick_duration = histogram(metrics.DETECTOR_TICK_DURATION, registry)
        self._skipped = counter(metrics.DETECTOR_TICKS_SKIPPED, registry)
        self._caught_up = counter(metrics.DETECTOR_TICKS_CAUGHT_UP, registry)
        self._fit_duration = gauge(metrics.DETECTOR_FIT_DURATION, registry)
        self._last_fit = gauge(metrics.DETECTOR_LAST_FIT, registry)
        self._fits = counter(metrics.DETECTOR_FITS, registry)
        self._fit_workers = gauge(metrics.DETECTOR_FIT_WORKERS, registry)
        self._fit_restarts = counter(metrics.DETECTOR_FIT_POOL_RESTARTS, registry)
        self._series = gauge(metrics.DETECTOR_SERIES, registry)
        self._anomalous = gauge(metrics.DETECTOR_ANOMALOUS_RATIO, registry)
        self._model_runs = counter(metrics.DETECTOR_MODEL_RUNS, registry)
        self._model_seconds = counter(metrics.DETECTOR_MODEL_RUN_SECONDS, registry)
        self._query_count = gauge(metrics.DETECTOR_QUERIES, registry)
        self._model_count = gauge(metrics.DETECTOR_MODELS, registry)
        self._presets = gauge(metrics.DETECTOR_PRESET_QUERIES, registry)
        self._exclusions = gauge(metrics.DETECTOR_EXCLUSIONS, registry)
        self._reads = counter(metrics.DETECTOR_READS, registry)
        self._written = counter(metrics.DETECTOR_SAMPLES_WRITTEN, registry)
        self._dropped = counter(metrics.DETECTOR_SAMPLES_DROPPED, registry)
        self._reload_ok = gauge(metrics.DETECTOR_RELOAD_SUCCESSFUL, registry)
        self._reload_at = gauge(metrics.DETECTOR_RELOAD_TIMESTAMP, registry)
        self._storage_errors = counter(metrics.DETECTOR_STORAGE_ERRORS, registry)
        self._saves = counter(metrics.DETECTOR_SAVES, registry)
        self._saved_at = gauge(metrics.DETECTOR_LAST_SAVE, registry)
        self._save_duration = gauge(metrics.DETECTOR_SAVE_DURATION, registry)
        self._spool: _Spool | None = None
        self._up = gauge(metrics.DETECTOR_DATASOURCE_UP, registry)
        self._clock_ahead = gauge(metrics.DETECTOR_CLOCK_AHEAD, registry)
        self._show_zeros()
        _show_process(registry)

    def _show_zeros(self) -> None:
        """Show every counter that is not of a query at 0, so that its first increase is seen by `rate`."""
        for what in ("history", "state", "spool"):
            self._storage_errors.labels(what)
        for outcome in OUTCOMES:
            self._saves.labels(outcome)
        for reason in DROP_REASONS:
            self._dropped.labels(reason)
        for reason in RESTARTS:
            self._fit_restarts.labels(reason)
        for kind in EXCLUSIONS:
            self._exclusions.labels(kind)
        for preset in PRESET_NAMES:
            self._presets.labels(preset)

    def prepare(
        self, queries: Sequence[str], models: int = 0, presets: Mapping[str, int] | None = None
    ) -> None:
        """Show what is configured, and the counters of each query at 0 from the start.

        Queries that are not configured any more are not shown any more.

        Args:
            queries: their aliases.
            models: how many run.
            presets: how many queries of each are on.
        """
        gone, self._queries = self._queries - set(queries), set(queries)
        for query in gone:
            self._forget(query)
        self._query_count.set(len(self._queries))
        self._model_count.set(models)
        for preset in PRESET_NAMES:
            self._presets.labels(preset).set((presets or {}).get(preset, 0))
        for query in queries:
            for outcome in READ_OUTCOMES:
                self._reads.labels(query, outcome)
            for outcome in OUTCOMES:
                self._fits.labels(query, outcome)
                self._model_runs.labels(query, outcome)
            self._model_seconds.labels(query)

    def _forget(self, query: str) -> None:
        """Remove what is shown of one query."""
        self._newest.pop(query, None)
        for metric in (
            self._last_tick, self._fit_duration, self._last_fit, self._anomalous, self._model_seconds,
        ):  # fmt: skip
            metric.remove(query)
        for state in STATES:
            self._series.remove(query, state)
        for outcome in READ_OUTCOMES:
            self._reads.remove(query, outcome)
        for outcome in OUTCOMES:
            self._fits.remove(query, outcome)
            self._model_runs.remove(query, outcome)

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

    def looped(self, at: float) -> None:
        """The scheduler looked at Unix time `at` (s) whether a tick is due."""
        self._last_loop.set(at)

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

    def fitted(self, query: str, seconds: float, at: float) -> None:
        """A fit of `query` took `seconds` and ended at Unix time `at` (s)."""
        self._fits.labels(query, "ok").inc()
        self._fit_duration.labels(query).set(seconds)
        self._last_fit.labels(query).set(at)

    def fit_failed(self, query: str) -> None:
        """A fit of `query` taught nothing."""
        self._fits.labels(query, "error").inc()

    def fit_workers(self, executor: str, workers: int) -> None:
        """Who fits: `executor` is local or dask; `workers` processes, 0 while there is no connection."""
        for other in EXECUTORS:
            if other != executor:
                self._fit_workers.remove(other)
        self._fit_workers.labels(executor).set(workers)

    def fit_pool_restarted(self, reason: str) -> None:
        """The processes that fit were replaced; `reason` is of `RESTARTS`."""
        self._fit_restarts.labels(reason).inc()

    @contextmanager
    def judging(self, query: str, monotonic: Callable[[], float]) -> Iterator[None]:
        """Measure what is done inside as a run of a model of `query`; a defect goes on as it is."""
        started, outcome = monotonic(), "error"
        try:
            yield
            outcome = "ok"
        finally:
            self._model_runs.labels(query, outcome).inc()
            self._model_seconds.labels(query).inc(max(0.0, monotonic() - started))

    def judged(self, query: str, scores: int, anomalous: int) -> None:
        """At the newest tick `scores` series of `query` had a score, `anomalous` of them above 1."""
        if scores:
            self._anomalous.labels(query).set(anomalous / scores)
        else:
            self._anomalous.remove(query)

    def excluding(self, windows: Mapping[str, int]) -> None:
        """Set how many windows of each kind (`EXCLUSIONS`) hold now; a kind not named has none."""
        for kind in EXCLUSIONS:
            self._exclusions.labels(kind).set(windows.get(kind, 0))

    def series(self, query: str, counts: dict[str, int]) -> None:
        """Set the number of series of `query` in each state; a state not named has none."""
        for state in STATES:
            self._series.labels(query, state).set(counts.get(state, 0))

    def read(self, query: str, outcome: str) -> None:
        """A query was answered; `outcome` is ok, empty, error or unreachable."""
        self._reads.labels(query, outcome).inc()

    def written(self, samples: int) -> None:
        """The server took `samples`."""
        self._written.inc(samples)

    def dropped(self, reason: str, samples: int) -> None:
        """`samples` were given up."""
        self._dropped.labels(reason).inc(samples)

    def spooled(self, samples: int, nbytes: int, *, persistent: bool) -> None:
        """What waits for the server, and whether it would survive this process."""
        if self._spool is None:
            self._spool = _Spool(
                gauge(metrics.DETECTOR_SPOOL_SAMPLES, self.registry),
                gauge(metrics.DETECTOR_SPOOL_BYTES, self.registry),
                gauge(metrics.DETECTOR_SPOOL_PERSISTENT, self.registry),
            )
        self._spool.samples.set(samples)
        self._spool.nbytes.set(nbytes)
        self._spool.persistent.set(1 if persistent else 0)

    def datasource(self, up: bool) -> None:
        """The data source is reachable or not."""
        self._up.set(1 if up else 0)

    def clock_ahead(self, seconds: float) -> None:
        """This machine's clock is ahead of the server's by `seconds`."""
        self._clock_ahead.set(seconds)


def _show_process(registry: CollectorRegistry) -> None:
    """Show the process' CPU time, memory and start, and what it runs."""
    ProcessCollector(registry=registry)
    build = metrics.DETECTOR_BUILD
    Info(build.name.removesuffix("_info"), build.help, registry=registry).info(
        {"version": version(DISTRIBUTION), "python_version": platform.python_version()}
    )
