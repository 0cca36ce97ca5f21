"""Series as the cells hold them: their kinds, how two processes' are merged, what a scrape makes of them.

A key is JSON, `[kind, family, label value, …]`, with one letter for the kind:

    c  counter: one number; added up, kept when a process ends
    h  histogram: the sum, then the count of each bucket (not cumulative); added up, kept
    g  gauge of a process: one number; added up over the living
    l  newest of a value that all processes see: value, when it was seen, when it is out of date; newest wins
    i  info: nothing but its labels
    e  exemplars of a histogram: EXEMPLAR words a bucket; newest wins
"""

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple
from zlib import crc32

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from specter_core.metrics import Metric
from specter_exporters.app.bounds import OTHER
from specter_exporters.app.cells import Cells, Record

COUNTER, HISTOGRAM, GAUGE, NEWEST, INFO, EXEMPLARS = "chglie"
KEPT = frozenset((COUNTER, HISTOGRAM))
NEWEST_CELLS = 3

# Trace and span identifiers in ASCII, the value, Unix time, and the identifiers' checksum,
# because seven words are not stored at once.
_EXEMPLAR = struct.Struct("=32s16sddd")
EXEMPLAR = _EXEMPLAR.size // 8
SEEN = 7  # which word of it is the time

Values = list[float]
Key = tuple[str, ...]


class Declared(NamedTuple):
    """A family, and the most distinct values of its labels that are exposed, by the label's place."""

    metric: Metric
    kind: str
    limits: Mapping[int, int]


def key_bytes(key: Key) -> bytes:
    """Return a key as the cells hold it; half of a surrogate pair, which no scrape could show, is a `?`."""
    return json.dumps(key, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def parsed_key(key: bytes) -> Key | None:
    """Return (kind, family, label values…); None for what is no key."""
    try:
        parts = json.loads(key)
    except (ValueError, RecursionError):
        return None
    fits = isinstance(parts, list) and len(parts) >= 2 and all(isinstance(part, str) for part in parts)
    return tuple(parts) if fits else None


def size(kind: str, metric: Metric) -> int:
    """Return how many numbers a series has."""
    sizes = {
        HISTOGRAM: len(metric.buckets) + 2,
        EXEMPLARS: (len(metric.buckets) + 1) * EXEMPLAR,
        NEWEST: NEWEST_CELLS,
    }
    return sizes.get(kind, 1)


def folding(declared: Mapping[str, Declared]) -> Callable[[Record], Key | None]:
    """Return what reads a record's key, with each label's first distinct values only, else `other`.

    Every process bounds its own labels; without this, many workers, or the archive of
    many dead ones, could hold more. A record has no key where it is not whole, as a machine that lost its
    power leaves one, or where another version wrote it with other labels or buckets.
    """
    admitted: dict[tuple[str, int], set[str]] = {}

    def fold(record: Record) -> Key | None:
        key = parsed_key(record.key)
        family = declared.get(key[1]) if key else None
        if key is None or family is None:
            return key
        if len(key) != 2 + len(family.metric.labels) or len(record.values) != size(key[0], family.metric):
            return None
        for place, limit in family.limits.items():
            value = key[2 + place]
            known = admitted.setdefault((key[1], place), {"", OTHER})
            if value in known:
                continue
            if len(known) < limit + 2:
                known.add(value)
            else:
                key = (*key[: 2 + place], OTHER, *key[3 + place :])
        return key

    return fold


def merged(records: Iterable[Record], fold: Callable[[Record], Key | None]) -> dict[Key, Values]:
    """Return the values of each key over all processes, in the order in which keys first come."""
    result: dict[Key, Values] = {}
    for record in records:
        key = fold(record)
        if key is None:
            continue
        values = result.get(key)
        if values is None:
            result[key] = list(record.values)
        elif len(values) == len(record.values):  # which may differ where this process has no such family
            result[key] = _both(key[0], values, record.values)
    return result


def _both(kind: str, first: Values, second: Values) -> Values:
    if kind == NEWEST:
        return second if second[1] > first[1] else first
    if kind == EXEMPLARS:
        newest = Values()
        for at in range(0, len(first), EXEMPLAR):
            winner = second if second[at + SEEN - 1] > first[at + SEEN - 1] else first
            newest += winner[at : at + EXEMPLAR]
        return newest
    return [one + other for one, other in zip(first, second, strict=True)]


def write_exemplar(cells: Cells, bucket: int, labels: Mapping[str, str], value: float, now: float) -> None:
    """Store the newest exemplar of a bucket."""
    words, at = cells
    trace, span = labels["trace_id"].encode(), labels["span_id"].encode()
    start = at + bucket * EXEMPLAR
    packed = _EXEMPLAR.pack(trace, span, value, now, float(crc32(trace + span)))
    words[start : start + EXEMPLAR] = memoryview(packed).cast("d")


def read_exemplar(values: Values, bucket: int) -> Exemplar | None:
    """Return the exemplar of a bucket; None without one, or when it is just being written."""
    words = values[bucket * EXEMPLAR : (bucket + 1) * EXEMPLAR]
    trace, span, value, now, checksum = _EXEMPLAR.unpack(struct.pack(f"={EXEMPLAR}d", *words))
    if not now or crc32(trace + span) != checksum:
        return None
    return Exemplar({"trace_id": trace.decode(), "span_id": span.decode()}, value, now)


def families(declared: Iterable[Declared], values: Mapping[Key, Values], now: float) -> Iterator[Family]:
    """Yield the families, in the order of their declaration; those without series are left out."""
    series: dict[tuple[str, str], list[tuple[Key, Values]]] = {}
    for key, numbers in values.items():
        series.setdefault((key[0], key[1]), []).append((key[2:], numbers))
    for family in declared:
        found = series.get((family.kind, family.metric.name))
        if found is None:
            continue
        if family.kind == HISTOGRAM:
            exemplars = dict(series.get((EXEMPLARS, family.metric.name), ()))
            yield _histogram(family.metric, found, exemplars)
        elif family.kind == COUNTER:
            yield _counter(family.metric, found)
        elif family.kind == INFO:
            yield _info(family.metric, found)
        else:
            shown = [(labels, v) for labels, v in found if family.kind == GAUGE or v[2] > now]
            if shown:
                yield _gauge(family.metric, shown)


def empty(metric: Metric) -> Family:
    """Return the family without series, by which a registry knows its names."""
    kinds: dict[str, Callable[[], Family]] = {
        "counter": lambda: _counter(metric, ()),
        "histogram": lambda: _histogram(metric, (), {}),
        "info": lambda: _info(metric, ()),
        "gauge": lambda: _gauge(metric, ()),
    }
    return kinds[metric.kind]()


_Series = Iterable[tuple[Key, Values]]


def _counter(metric: Metric, series: _Series) -> Family:
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, values in series:
        family.add_metric(labels, values[0])
    return family


def _gauge(metric: Metric, series: _Series) -> Family:
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, values in series:
        family.add_metric(labels, values[0])
    return family


def _info(metric: Metric, series: _Series) -> Family:
    family = InfoMetricFamily(metric.name.removesuffix("_info"), metric.help)
    for labels, _ in series:
        family.add_metric((), dict(zip(metric.labels, labels, strict=True)))
    return family


def _histogram(metric: Metric, series: _Series, exemplars: Mapping[Key, Values]) -> Family:
    bounds = [*map(floatToGoString, metric.buckets), "+Inf"]
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, values in series:
        traced = exemplars.get(labels)
        total = 0.0
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        for place, bound in enumerate(bounds):
            total += values[1 + place]
            exemplar = read_exemplar(traced, place) if traced else None
            buckets.append((bound, total) if exemplar is None else (bound, total, exemplar))
        family.add_metric(labels, buckets, values[0])
    return family
