"""Everything the log exporter holds: follow, count, save, expose."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

from specter_core import metrics
from specter_core.clock import Clock
from specter_core.metrics import Metric
from specter_exporters.logs.build import Built, build
from specter_exporters.logs.rules.signin import Attempts, CountedAttempts
from specter_exporters.logs.schema import LogSchema, LogsSchema
from specter_exporters.logs.series import Store
from specter_exporters.logs.state import StateFolder, encode
from specter_exporters.logs.stdin import StandardInput
from specter_exporters.logs.tail.content import Place
from specter_exporters.logs.tail.followed import Buffers, Followed
from specter_exporters.logs.tail.joining import Joiner
from specter_exporters.logs.tail.lines import LineSplitter
from specter_exporters.logs.tail.open_files import OpenFiles
from specter_exporters.logs.tail.tailer import Settings, Tailer
from specter_exporters.logs.templates import Miner
from specter_exporters.logs.watch import Watch

LOGGER = logging.getLogger(__name__)
T = TypeVar("T")
MAX_FILE_SERIES = 100
SAVED_WITHIN = 5.0
"""Seconds for which a scrape waits for a save that another thread has begun."""


@dataclass(frozen=True, slots=True)
class Log:
    """A log that is read."""

    name: str
    built: Built
    source: "Tailer | StandardInput"


class Exporter:
    """The log exporter without its threads, signals and server.

    Args:
        config: what it does.
        folder: where it remembers; None for nowhere.
        clock: the time.
        attempts: is told of attempts to sign in; they are counted by outcome if None.
    """

    def __init__(
        self,
        config: LogsSchema,
        folder: StateFolder | None,
        clock: Clock,
        *,
        attempts: Attempts | None = None,
    ) -> None:
        saved = (folder.load() if folder is not None else None) or {}
        self.config = config
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._store = Store(saved.get("series"))
        self._watch = Watch()
        if attempts is None and any(log.signin for log in config.logs):
            attempts = CountedAttempts(self._store)
        self._attempts = attempts
        self._state_errors = self._store.counters(metrics.LOG_STATE_ERRORS).find()[0]
        self._saved_at: float | None = None
        self._open = OpenFiles(config.limits.max_open_files)
        self.ready = False
        self.logs = [self._log(log, saved) for log in config.logs]
        # At once: killed before the first save, a first start would begin anew, behind a rotation even.
        self.save()

    def _log(self, log: LogSchema, saved: dict[str, Any]) -> Log:
        templates = self.config.templates
        known = saved.get("miners", {}).get(log.name)
        miner = None
        if known is not None:
            miner = Miner(templates.max, addresses=templates.mask_addresses, saved=known)
        built = build(log, templates, self._store, self._watch, self._attempts, miner)
        limit = self.config.limits.max_line_bytes

        def buffers() -> Buffers:
            return Buffers(LineSplitter(limit), Joiner(built.format, limit, log.wrapper))

        def sink(entries: list[bytes]) -> None:
            if entries:
                built.pipeline.process(entries, self._clock.time())

        if log.stdin:
            source = StandardInput(log.name, buffers(), sink, self._store, self._clock)
            return Log(log.name, built, source)
        return Log(log.name, built, self._tailer(log, buffers, sink, saved))

    def _tailer(
        self,
        log: LogSchema,
        buffers: Callable[[], Buffers],
        sink: Callable[[list[bytes]], None],
        saved: dict[str, Any],
    ) -> Tailer:
        places = None
        if log.name in saved.get("logs", ()):
            places = [Place.from_json(each) for each in saved["places"] if each["log"] == log.name]
        settings = Settings(
            log=log.name,
            globs=log.files,
            rotated=log.rotated,
            start=log.start,
            max_files=self.config.limits.max_files,
            join_timeout=self.config.join_timeout,
            rotated_timeout=self.config.rotated_timeout,
        )
        return Tailer(settings, buffers, sink, self._store, self._clock, places)

    def step(self) -> bool:
        """Look at every log once and read one stretch of each file; return whether there may be more."""
        more = False
        self._watch.start()
        try:
            for log in self.logs:
                more = self._step_log(log) or more
        finally:
            self._watch.stop()
        self._open.sweep()
        self.ready = True
        return more

    def _step_log(self, log: Log) -> bool:
        source = log.source
        if isinstance(source, StandardInput):
            return self._throttled(source.pump) > 0
        with self._lock:
            ready = source.poll()
        return sum([self._throttled(partial(self._pump, source, file)) for file in ready]) > 0

    def _pump(self, source: Tailer, file: Followed) -> int:
        size = source.pump(file)
        self._open.used(file)
        return size

    def _throttled(self, read: Callable[[], int]) -> int:
        """Read a stretch, and rest; a scrape waits for one stretch at most, and never for a rest."""
        share = self.config.limits.max_cpu_share
        with self._lock:
            started = self._clock.monotonic()
            size = read()
            took = self._clock.monotonic() - started
        if share < 1:
            self._clock.sleep(took * (1 / share - 1))
        return size

    def drain(self) -> None:
        """Read until nothing is new."""
        while self.step():
            pass

    def save(self) -> None:
        """Save offsets, counters and templates; what fails is counted and logged."""
        self._save_and(lambda: None)

    def collect(self) -> Iterable[Family]:
        """Save, and return what was saved: nobody ever sees a figure that a restart would take back.

        Where a disk hangs, it is told what has not been saved, as where a disk is full.
        """
        return self._save_and(lambda: list(self._families()), within=SAVED_WITHIN)

    def describe(self) -> Iterable[Family]:
        """Return nothing: a registry would collect once only to learn the names."""
        return ()

    def _save_and(self, look: Callable[[], T], within: float = -1) -> T:
        """Save what `look` sees, unless another thread is still saving after `within` seconds."""
        if not self._saving.acquire(timeout=within):
            with self._lock:
                self._state_errors[0] += 1
                return look()
        try:
            with self._lock:
                found = look()
                data = self._encoded() if self._folder is not None else b""
            if self._folder is not None:
                self._write(self._folder, data)
        finally:
            self._saving.release()
        return found

    def _write(self, folder: StateFolder, data: bytes) -> None:
        try:
            folder.save(data)
        except OSError as error:
            LOGGER.warning("%s: offsets and counters cannot be saved: %s", folder.path, error.strerror)
            with self._lock:
                self._state_errors[0] += 1
            return
        self._saved_at = self._clock.time()

    def _encoded(self) -> bytes:
        tailers = [log.source for log in self.logs if isinstance(log.source, Tailer)]
        return encode(
            {
                "logs": [log.name for log in self.logs],
                "places": [place.as_json() for tailer in tailers for place in tailer.places()],
                "series": self._store.save(),
                "miners": {
                    log.name: log.built.miner.save() for log in self.logs if log.built.miner is not None
                },
            }
        )

    def templates(self) -> list[dict[str, object]]:
        """Return the error templates of all logs, the newest first, as JSON's types."""
        with self._lock:
            found = [
                {
                    "log": log.name,
                    "template_id": each.template_id,
                    "template": log.built.miner.text(each),
                    "first_seen": each.first_seen,
                    "last_seen": each.last_seen,
                    "count": each.count,
                    "level": each.level,
                    "example": each.example,
                }
                for log in self.logs
                if log.built.miner is not None
                for each in log.built.miner
            ]
        return sorted(found, key=lambda each: -float(str(each["first_seen"])))

    def close(self) -> None:
        """Save for the last time, and close every file."""
        self.save()
        for log in self.logs:
            log.source.close()
        if self._folder is not None:
            self._folder.close()

    def _families(self) -> Iterator[Family]:
        yield from self._store.collect()
        up, files, ignored = (
            _gauge(metrics.LOG_UP),
            _gauge(metrics.LOG_FILES),
            _gauge(metrics.LOG_FILES_IGNORED),
        )
        backlog, last = _gauge(metrics.LOG_BACKLOG), _gauge(metrics.LOG_FILE_LAST_READ)
        newest, known = _gauge(metrics.LOG_NEWEST_ENTRY), _gauge(metrics.LOG_TEMPLATES)
        for log in self.logs:
            up.add_metric([log.name], float(log.source.up))
            if log.built.pipeline.newest is not None:
                newest.add_metric([log.name], log.built.pipeline.newest)
            if log.built.miner is not None:
                known.add_metric([log.name], len(log.built.miner))
            if isinstance(log.source, Tailer):
                followed = list(log.source.files)
                files.add_metric([log.name], len(followed))
                ignored.add_metric([log.name], log.source.ignored)
                backlog.add_metric([log.name], sum(file.backlog() for file in followed))
                live = sorted(
                    (each for each in followed if each.last_read and not each.rotated),
                    key=lambda each: -each.last_read,
                )
                for file in live[:MAX_FILE_SERIES]:
                    last.add_metric([log.name, str(file.path)], file.last_read)
        yield from (up, files, ignored, backlog, last, newest, known)
        yield from self._template_families()
        saved = _gauge(metrics.LOG_STATE_SAVED)
        if self._saved_at is not None:
            saved.add_metric([], self._saved_at)
        yield saved

    def _template_families(self) -> Iterator[Family]:
        first = _gauge(metrics.LOG_TEMPLATE_FIRST_SEEN)
        counted = metrics.LOG_TEMPLATE_LINES
        lines = CounterMetricFamily(counted.name, counted.help, labels=counted.labels)
        for log in self.logs:
            if log.built.miner is None:
                continue
            for each in log.built.miner.newest(self.config.templates.exposed):
                first.add_metric([log.name, each.template_id], each.first_seen)
                lines.add_metric([log.name, each.template_id], each.count)
        yield from (first, lines)


def _gauge(metric: Metric) -> GaugeMetricFamily:
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
