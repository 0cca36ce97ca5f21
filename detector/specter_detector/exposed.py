"""The second way out: the newest outputs on the detector's own /metrics, for a Prometheus to scrape."""

import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import Metric
from prometheus_client.registry import Collector

from specter_core.clock import Clock
from specter_detector.encoding import MILLISECOND_BYTES, FixedBlock, fixed
from specter_detector.output import NAME
from specter_detector.outputs import Written
from specter_detector.protobuf import STALE_BITS, decode_record, timestamp_varint
from specter_detector.telemetry import Telemetry
from specter_detector.writer import Refusals

HELP = "Output of the anomaly detector."
_VALUE = struct.Struct("<d")
_STALE = STALE_BITS.to_bytes(_VALUE.size, "little")
_TAIL = _VALUE.size + 1 + MILLISECOND_BYTES
MAX_AGE = 300.0
"""Seconds after which the values of a tick are no longer shown: a detector that hangs must not look alive."""


@dataclass(frozen=True, slots=True)
class _Tick:
    at: float
    blocks: tuple[FixedBlock, ...]


@dataclass(frozen=True, slots=True)
class _Series:
    """What a record is of; its value is at byte `value` of it."""

    name: str
    labels: dict[str, str]
    value: int


class Exposed(Collector):
    """Shows the last tick of each scheduler, without timestamps; what is no longer written vanishes.

    Plugged in as the writer's replacement: `registry.register(exposed)`, and the engine is given `exposed`
    where it would be given a `Writer`.
    """

    def __init__(self, *, clock: Clock, telemetry: Telemetry, max_age: float = MAX_AGE) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._max_age = max_age
        self._refusals = Refusals(telemetry)
        self._ticks: dict[str, _Tick] = {}
        self._series: dict[bytes, _Series] = {}
        self._lock = threading.Lock()

    def enqueue(self, scheduler: str, at: float, written: Sequence[Written]) -> None:
        """Show what the jobs of `scheduler` have to say of the tick at Unix time `at` (s)."""
        for each in written:
            self._refusals.note(each)
        blocks = tuple(fixed(block) for each in written for block in each.blocks)
        with self._lock:
            self._ticks[scheduler] = _Tick(at, blocks)
        for query in {block.scores_of for block in blocks if block.scores_of}:
            self._telemetry.scores_written(query, at)

    def flush(self, budget: float) -> bool:
        """Return True: nothing has to be sent."""
        del budget
        return True

    def last_tick(self, scheduler: str) -> float | None:
        """Return the tick that is shown."""
        tick = self._ticks.get(scheduler)
        return None if tick is None else tick.at

    def close(self) -> None:
        """Show nothing any more."""
        with self._lock:
            self._ticks.clear()

    def describe(self) -> list[Metric]:
        """Return nothing: what is shown changes from tick to tick."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the outputs as gauges."""
        with self._lock:
            ticks = list(self._ticks.values())
        metrics: dict[str, Metric] = {}
        shown: dict[bytes, _Series] = {}
        for tick in ticks:
            if abs(self._clock.time() - tick.at) > self._max_age:
                continue
            for block in tick.blocks:
                self._add(block, metrics, shown)
        self._series = shown
        yield from metrics.values()

    def _add(self, block: FixedBlock, metrics: dict[str, Metric], shown: dict[bytes, _Series]) -> None:
        """Add the records of `block` to `metrics`, and their series to `shown`."""
        start = 0
        for end in block.ends.tolist():
            record = block.data[start:end]
            start = end
            # Without its value and time, nearly always: decoding labels at each scrape would take a second.
            key = record[:-_TAIL]
            series = self._series.get(key) or _series_of(record)
            shown[key] = series
            value = record[series.value : series.value + _VALUE.size]
            if value != _STALE:
                metric = metrics.setdefault(series.name, Metric(series.name, HELP, "gauge"))
                metric.add_sample(series.name, series.labels, _VALUE.unpack(value)[0])


def _series_of(record: bytes) -> _Series:
    decoded = decode_record(record)
    labels = dict(decoded.labels)
    value = len(record) - len(timestamp_varint(decoded.timestamp)) - 1 - _VALUE.size
    return _Series(labels.pop(NAME), labels, value)
