"""The store: every series of a process, alone or as one of a server's workers."""

import logging
import os
import threading
import time
import weakref
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family

from specter_core.metrics import Metric
from specter_exporters.app import series
from specter_exporters.app.cells import WORD, Area, Cells, CellsError, Record
from specter_exporters.app.series import Declared, Key
from specter_exporters.app.shared import DIRECTORY, PARENT, Joined, SharedError, WorkersFolder

logger = logging.getLogger(__name__)

_KINDS = {
    "counter": series.COUNTER,
    "histogram": series.HISTOGRAM,
    "gauge": series.GAUGE,
    "info": series.INFO,
}


class Store:
    """Hold the series of this process and expose those of all workers.

    A process alone holds them in its memory. When the environment names a workers'
    folder (`SPECTER_WORKERS_DIR`, which the gunicorn hooks set), they are in a file of that
    folder, and whichever worker is scraped exposes the totals of all, dead ones included.
    The environment is read at the first series, not before, and a forked process starts anew.

    Args:
        registry: where to register; the store is one collector of it.
        folder: the workers' folder; by default what the environment says once it is needed.
        wall: Unix time.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        folder: Path | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.registry = registry
        self.wall = wall
        self._given = folder
        self._declared: dict[str, Declared] = {}
        self._starting: list[Callable[[], None]] = []
        self._forgetting: list[Callable[[], None]] = []
        self._joined: Joined | None = None
        self._forget()
        os.register_at_fork(after_in_child=_forked(weakref.ref(self)))

    def _forget(self) -> None:
        # Reentrant: a garbage collection inside it may end a request, which records.
        self.lock = threading.RLock()
        if self._joined is not None:
            self._joined.close()
        self._joined = None
        self._area: Area | None = None
        self._known: dict[Key, Cells] = {}

    def declare(
        self, metrics: Iterable[Metric], limits: Mapping[str, int] | None = None, *, newest: bool = False
    ) -> None:
        """Expose these families.

        Args:
            metrics: the families.
            limits: the most distinct values of a label that are exposed, over all workers.
            newest: gauges of something that all workers see, of which the newest value is shown.

        Raises:
            ValueError: the registry already holds a family of one of these names.
        """
        before = self._declared
        added = {
            metric.name: Declared(
                metric,
                series.NEWEST if newest else _KINDS[metric.kind],
                {metric.labels.index(name): n for name, n in (limits or {}).items() if name in metric.labels},
            )
            for metric in metrics
        }
        if before:
            self.registry.unregister(self)
        self._declared = before | added
        try:
            self.registry.register(self)
        except ValueError:
            self._declared = before
            if before:
                self.registry.register(self)
            raise

    def on_start(self, start: Callable[[], None]) -> None:
        """Call `start` when the process begins to count."""
        self._starting.append(start)

    def on_fork(self, forget: Callable[[], None]) -> None:
        """Call `forget` in a process that is forked from this one."""
        self._forgetting.append(forget)

    # --- counting ---

    def cells(self, metric: Metric, labels: tuple[str, ...], kind: str = "") -> Cells:
        """Return the cells of a series; they may be kept until the process forks.

        Change them under `lock`. A series for which there is no room gets cells that nobody reads.
        """
        key = (kind or self._declared[metric.name].kind, metric.name, *labels)
        with self.lock:
            known = self._known.get(key)
            if known is None:
                area = self._area or self._start()
                known = self._known.get(key) or self._add(area, key, metric)
                self._known[key] = known
            return known

    def increment(self, metric: Metric, labels: tuple[str, ...] = (), by: float = 1.0) -> None:
        """Add to a counter, or to a gauge of this process."""
        words, at = self.cells(metric, labels)
        with self.lock:
            words[at] += by

    def set(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        """Set a gauge of this process; a scrape adds up those of the living processes."""
        words, at = self.cells(metric, labels)
        with self.lock:
            words[at] = value

    def set_newest(self, metric: Metric, labels: tuple[str, ...], value: float, until: float) -> None:
        """Set a gauge of which all processes together have one value; it is absent from `until` on."""
        words, at = self.cells(metric, labels)
        with self.lock:
            words[at + 2] = until
            words[at] = value
            words[at + 1] = self.wall()

    def observe(
        self,
        metric: Metric,
        labels: tuple[str, ...],
        value: float,
        exemplar: Mapping[str, str] | None = None,
    ) -> None:
        """Add a value to a histogram; `exemplar` has `trace_id` and `span_id`."""
        words, at = self.cells(metric, labels)
        bucket = bisect_left(metric.buckets, value)
        with self.lock:
            words[at] += value
            words[at + 1 + bucket] += 1
            if exemplar is not None:
                cells = self.exemplar_cells(metric, labels)
                series.write_exemplar(cells, bucket, exemplar, value, self.wall())

    def exemplar_cells(self, metric: Metric, labels: tuple[str, ...]) -> Cells:
        """Return where the newest exemplars of a histogram are; see `cells`."""
        return self.cells(metric, labels, series.EXEMPLARS)

    # --- as one of several workers ---

    def announce(self) -> None:
        """Begin to count: a worker is one from then on, before its first request."""
        with self.lock:
            if self._area is None:
                self._start()

    def announce_worker(self) -> None:
        """Begin to count if this process is a worker of the gunicorn that set the folder up."""
        if os.environ.get(PARENT) == str(os.getppid()):
            self.announce()

    def _folder(self) -> WorkersFolder | None:
        path = self._given or os.environ.get(DIRECTORY)
        return WorkersFolder(Path(path), self._kept) if path else None

    def _start(self) -> Area:
        folder = self._folder()
        try:
            if folder is not None:
                self._joined = folder.join()
        except SharedError:
            logger.exception("this worker's requests are not counted")
        self._area = Area(self._joined.descriptor if self._joined else None)
        for start in self._starting:
            start()
        return self._area

    def _add(self, area: Area, key: Key, metric: Metric) -> Cells:
        count = series.size(key[0], metric)
        try:
            return area.add(series.key_bytes(key), count)
        except CellsError:
            logger.exception("%s: a series is not counted", metric.name)
            return Cells(memoryview(bytearray(count * WORD)).cast("d"), 0)

    # --- exposing ---

    def collect(self) -> Iterable[Family]:
        """Yield the families, as all workers together have counted.

        Raises:
            SharedError: the workers' folder cannot be read. No totals are better than wrong ones.
        """
        folder = self._folder()
        if folder is None:
            self.announce()
            area = self._area
            records = list(area.records()) if area is not None else []
        else:
            records = [record for process in folder.read() for record in process]
        values = series.merged(records, series.folding(self._declared))
        yield from series.families(self._declared.values(), values, self.wall())

    def describe(self) -> Iterable[Family]:
        """Yield the families without series, so that a registry refuses a second of the same name."""
        return [series.empty(declared.metric) for declared in self._declared.values()]

    def _kept(self, records: Iterable[Record]) -> list[Record]:
        """Return what is left of dead workers: counters and histograms, added up."""
        values = series.merged(records, series.folding(self._declared))
        return [
            Record(series.key_bytes(key), numbers) for key, numbers in values.items() if key[0] in series.KEPT
        ]

    def _forked(self) -> None:
        self._forget()
        for forget in self._forgetting:
            forget()
        self.announce_worker()


def _forked(store: "weakref.ref[Store]") -> Callable[[], None]:
    def forked() -> None:
        found = store()
        if found is not None:
            found._forked()

    return forked
