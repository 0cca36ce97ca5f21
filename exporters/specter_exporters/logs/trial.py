"""Show what a configuration makes of some lines, without a server and without saving."""

from collections.abc import Iterator
from typing import BinaryIO

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric as Family

from specter_core.clock import SystemClock
from specter_exporters.logs.build import build
from specter_exporters.logs.rules.signin import CountedAttempts
from specter_exporters.logs.schema import LogsSchema
from specter_exporters.logs.secrets import mask_secrets
from specter_exporters.logs.series import Store
from specter_exporters.logs.tail.followed import Buffers
from specter_exporters.logs.tail.joining import Joiner
from specter_exporters.logs.tail.lines import LineSplitter
from specter_exporters.logs.watch import Watch

SHOWN = 5


def trial(config: LogsSchema, name: str, lines: BinaryIO) -> tuple[str, list[str]]:
    """Return the exposition of a log's lines, and the first malformed ones, their secrets masked."""
    log = next(each for each in config.logs if each.name == name)
    store, watch, clock = Store(), Watch(), SystemClock()
    built = build(log, config.templates, store, watch, CountedAttempts(store))
    limit = config.limits.max_line_bytes
    buffers = Buffers(LineSplitter(limit), Joiner(built.format, limit, log.wrapper))
    problems: list[str] = []

    def take(entries: list[bytes]) -> None:
        for entry in entries:
            reason = built.format.parse(entry) if len(problems) < SHOWN else {}
            if isinstance(reason, str):
                shown = mask_secrets(entry[:200].decode("utf-8", "replace"))
                problems.append(f"malformed ({reason}): {shown!r}")
        built.pipeline.process(entries, clock.time())

    watch.start()
    try:
        while data := lines.read(limit):
            take(buffers.feed(data))
        take(buffers.finish())
    finally:
        watch.stop()
    registry = CollectorRegistry()
    registry.register(_Collector(store))
    return generate_latest(registry).decode(), problems


class _Collector:
    """A store as a registry takes it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Family]:
        yield from self._store.collect()
