"""Questions to the data source beside reading series: what is there, and what would it cost."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from specter_core.durations import format_duration
from specter_detector.config import Reader
from specter_detector.datasource import RefusedError
from specter_detector.http import open_session
from specter_detector.request_telemetry import ReadObserver
from specter_detector.transport import Transport

LONGEST_NAMES = 1_200
"""Characters of names in a request: an address that every proxy lets through, and below `LONGEST_URL`."""

LOOK_BACK = 3600.0
"""A metric exists if it had samples in the last hour."""

MAX_ANSWER = 16_000_000
"""Bytes; a month of maintenance in ten places is less."""

GRACE = 1.0
"""Seconds beyond a query's time-out in which the server may say that it ran out."""


@dataclass(frozen=True, slots=True)
class Cost:
    """How many series an expression has now, and how long the server took to say so (s)."""

    series: int
    seconds: float


class PrometheusApi:
    """Asks anything that speaks Prometheus' query API; any number of threads may call it.

    Args:
        transport: to the server; belongs to the API from now on.
        timeout: of a question that has none of its own (s).
    """

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        self._transport = transport
        self._timeout = timeout

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def existing(self, names: Collection[str], at: float) -> frozenset[str]:
        """Return those of the metrics `names` that had samples in the hour before Unix time `at` (s).

        The server answers with no more names than were asked for.

        Raises:
            DatasourceError: there is no answer.
        """
        found: set[str] = set()
        for some in _portions(sorted(names)):
            params = {
                "match[]": f'{{__name__=~"{"|".join(some)}"}}',
                "start": f"{at - LOOK_BACK:.3f}",
                "end": f"{at:.3f}",
            }
            answer = self._get("/api/v1/label/__name__/values", params, self._timeout)
            found.update(name for name in _list(answer, "names") if isinstance(name, str))
        return frozenset(found & set(names))

    def cost(self, expr: str, at: float, timeout: float) -> Cost:
        """Return what `expr` costs at Unix time `at` (s), counted by the server.

        Raises:
            SlowError: it takes more than `timeout` seconds.
            DatasourceError: there is no answer.
        """
        started = self._transport.monotonic()
        rows = self.query(f"count({expr})", at, timeout)
        series = int(float(rows[0]["value"][1])) if rows else 0
        return Cost(series, self._transport.monotonic() - started)

    def query(self, expr: str, at: float, timeout: float) -> list[Any]:
        """Return the rows of an instant query; for expressions with few of them.

        Raises:
            DatasourceError: there is no answer.
        """
        params = {"query": expr, "time": f"{at:.3f}", "timeout": format_duration(timeout)}
        return _rows(self._get("/api/v1/query", params, timeout + GRACE))

    def query_range(self, expr: str, start: float, end: float, step: float, timeout: float) -> list[Any]:
        """Return the rows of a range query (Unix s, both edges inclusive); for expressions with few of them.

        Raises:
            DatasourceError: there is no answer.
        """
        params = {
            "query": expr,
            "start": f"{start:.3f}",
            "end": f"{end:.3f}",
            "step": f"{step:g}",
            "timeout": format_duration(timeout),
        }
        return _rows(self._get("/api/v1/query_range", params, timeout + GRACE))

    def types(self, names: Iterable[str]) -> dict[str, str]:
        """Return the type of each metric of which the server knows it: counter, gauge, histogram, summary.

        Empty for servers that keep no metadata.

        Raises:
            UnreachableError, SlowError: there is no answer.
        """
        found: dict[str, str] = {}
        for name in names:
            try:
                data = self._get("/api/v1/metadata", {"metric": name, "limit": "1"}, self._timeout)
            except RefusedError:  # no such endpoint
                return {}
            entries = data.get(name) if isinstance(data, dict) else None
            if entries and isinstance(entries, list) and entries[0].get("type") not in {None, "", "unknown"}:
                found[name] = str(entries[0]["type"])
        return found

    def _get(self, path: str, params: Mapping[str, str], seconds: float) -> Any:
        deadline = self._transport.deadline(seconds)
        return self._transport.document(path, params, deadline=deadline, limit=MAX_ANSWER)


def open_api(
    reader: Reader, monotonic: Callable[[], float] = time.monotonic, observer: ReadObserver | None = None
) -> PrometheusApi:
    """Return an API to the reader's server, with connections of its own; `observer` is told of requests."""
    connection = reader.connection
    transport = Transport(reader, open_session(connection), monotonic, observer)
    return PrometheusApi(transport, timeout=connection.timeout)


def _portions(names: Iterable[str]) -> Iterator[list[str]]:
    """Yield `names` in lists of `LONGEST_NAMES` characters at most, one name at least."""
    some: list[str] = []
    size = 0
    for name in names:
        if some and size + len(name) > LONGEST_NAMES:
            yield some
            some, size = [], 0
        some.append(name)
        size += len(name) + 1
    if some:
        yield some


def _rows(data: Any) -> list[Any]:
    return _list(data.get("result") if isinstance(data, dict) else None, "result")


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise RefusedError(f"the answer has no {what}: this is not Prometheus' query API")
    return value
