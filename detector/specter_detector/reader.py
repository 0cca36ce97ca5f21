"""Read series through PromQL: the present at a tick, and history on a grid.

Large answers are taken apart as they arrive, raw samples come by remote read where
there is one, and prometheus-api-client asks the small questions. What goes wrong is
one of three errors: the server is out of reach, so that nothing else needs to be
tried, or it refused this one query, or did not answer it in time.
"""

import logging
import time
from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

import requests

from specter_detector.config import Query
from specter_detector.config import Reader as ReaderConfig
from specter_detector.datasource import DatasourceError, RefusedError, SlowError, UnreachableError
from specter_detector.freshness import fresh, lookback
from specter_detector.identity import Accepts, Identities, everything
from specter_detector.range_reader import RangeReader
from specter_detector.request_telemetry import ReadObserver
from specter_detector.rows import number, read_rows
from specter_detector.selection import Selection
from specter_detector.series import History, Labels, Vector
from specter_detector.transport import Transport

__all__ = [
    "DatasourceError",
    "PrometheusReader",
    "RefusedError",
    "SeriesReader",
    "SlowError",
    "UnreachableError",
    "fresh",
]

LOGGER = logging.getLogger(__name__)
LEAST_ANSWER = 16 * 2**20
ANSWER_PER_SERIES = 10 * 1024
"""Bytes of an answer for each series that may be watched: ten times as many series with long labels."""
MOST_WARNINGS = 1000
T = TypeVar("T")


class SeriesReader(Protocol):
    """What the rest of the detector needs of a data source."""

    def instant(
        self, query: Query, at: float, first: Collection[Labels] = (), *, timeout: float | None = None
    ) -> Vector:
        """Return the series of `query` at Unix time `at`."""

    def history(self, query: Query, start: float, end: float, first: Collection[Labels] = ()) -> History:
        """Return the series of `query` from `start` to `end` on multiples of its step."""

    def range(
        self, query: Query, start: float, end: float, step: float, first: Collection[Labels] = ()
    ) -> History:
        """Return the series of `query` from `start` to `end` on multiples of `step`."""


class PrometheusReader:
    """Reads from anything that speaks Prometheus' query API; any number of threads may call it.

    Args:
        settings: the server, and how much may be asked of it at a time.
        session: see `open_session`; belongs to the reader from now on.
        monotonic: returns seconds that never step back.
        accepts: which series of the configured queries are watched; the others are as if they were not there.
        observer: is told what each request costs.
    """

    def __init__(
        self,
        settings: ReaderConfig,
        session: requests.Session,
        monotonic: Callable[[], float] = time.monotonic,
        accepts: Accepts = everything,
        observer: ReadObserver | None = None,
    ) -> None:
        self._queries = settings.queries
        self._accepts = accepts
        self._transport = Transport(settings, session, monotonic, observer)
        self._ranges = RangeReader(settings, self._transport, self._warned, self._identities_of)
        self._identities: dict[tuple[str, str], Identities] = {}
        self._warnings: set[tuple[str, str]] = set()

    def close(self) -> None:
        """Close the connections; a call that still runs ends with an error, at its deadline at the latest."""
        self._transport.close()

    def probe(self) -> None:
        """Ask the cheapest question there is.

        Raises:
            RefusedError: it was answered with a refusal.
            UnreachableError: it was not answered.
        """
        try:
            self._transport.probe()
        except SlowError as error:
            # Who does not answer this in time answers nothing.
            raise UnreachableError(str(error)) from error

    def server_time_hint(self) -> float | None:
        """Return the server's Unix time (s) by the newest answer; None while there is none."""
        return self._transport.dates.now()

    def server_time(self) -> float:
        """Ask the server for its Unix time (s).

        Raises:
            DatasourceError: there is no answer.
        """
        return self._transport.server_time()

    def instant(
        self, query: Query, at: float, first: Collection[Labels] = (), *, timeout: float | None = None
    ) -> Vector:
        """Return the series of `query` at `at` minus its offset, none older than its `max_age`.

        With more series than allowed, those in `first` are kept before the others. Labels that were there
        at the last call are the same objects.

        Args:
            query: what to ask.
            at: Unix s.
            first: series that are kept before others.
            timeout: seconds after which there must be an answer; the connection's by default. Finding out
                whether the server answers anything at all may take `PROBE_TIMEOUT` more.

        Raises:
            DatasourceError: there is no answer; an empty one is no error.
        """
        return self._ask(lambda: self._instant(query, at, first, timeout))

    def history(self, query: Query, start: float, end: float, first: Collection[Labels] = ()) -> History:
        """Return the series of `query` from `start` to `end` on the multiples of its step; see `range`."""
        return self.range(query, start, end, query.step, first)

    def range(
        self, query: Query, start: float, end: float, step: float, first: Collection[Labels] = ()
    ) -> History:
        """Return the series of `query` between `start` and `end` (Unix s, both inclusive).

        The grid holds the multiples of `step` (s). What is asked for in one piece depends on how much comes
        and how long it takes: each piece has the connection's time-out, and one that is too slow or too large
        is asked for again in smaller ones. With more series than allowed, those in `first` are kept before
        the others. Takes 8 bytes a series and point, and 100 MB at most besides.

        Raises:
            DatasourceError: one of the pieces has no answer.
        """
        return self._ranges.read(query, start, end, step, first, self._ask)

    def _instant(self, query: Query, at: float, first: Collection[Labels], timeout: float | None) -> Vector:
        deadline = self._transport.deadline(timeout)
        params = {
            "query": fresh(query.expr, query.max_age),
            "time": f"{at - query.offset:.3f}",
            **lookback(query.max_age),
            **self._transport.patience(deadline),
        }
        limit = LEAST_ANSWER + ANSWER_PER_SERIES * query.max_series
        identities = self._identities_of(query)
        selection = Selection[float](first, query.max_series)
        seen: dict[bytes, Labels] = {}

        def take(text: bytes, value: bytes) -> None:
            labels = identities.find(text)
            if labels is not None and selection.wants(labels):
                seen[text] = labels
                selection.put(labels, number(value))

        with self._transport.get("/api/v1/query", params, deadline=deadline, limit=limit) as pieces:
            self._warned(query.alias, read_rows(pieces, "vector", take))
        samples = selection.rows()
        identities.keep((text, labels) for text, labels in seen.items() if labels in samples)
        return Vector(samples, selection.cut)

    def _identities_of(self, query: Query) -> Identities:
        known = self._identities.get((query.alias, query.expr))
        if known is not None:
            return known
        # A limit is asked for under its query's alias, with another expression: its series are all wanted.
        configured = self._queries.get(query.alias)
        if configured is None or query.expr not in {configured.expr, configured.limit}:
            # What somebody asks once is not remembered.
            return Identities()
        own = configured.expr == query.expr
        return self._identities.setdefault(
            (query.alias, query.expr), Identities(self._accepts if own else everything)
        )

    def _warned(self, alias: str, warnings: tuple[str, ...]) -> None:
        """Log what the server warns of, once each."""
        for warning in warnings:
            if (alias, warning) not in self._warnings and len(self._warnings) < MOST_WARNINGS:
                self._warnings.add((alias, warning))
                LOGGER.warning("query %s: the server warns: %s", alias, warning)

    def _ask(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except SlowError:
            # One slow query or a server that hangs? Only the second must stop the other queries.
            try:
                self.probe()
            except RefusedError as refusal:
                LOGGER.debug("the probe was refused, so the server answers: %s", refusal)
            raise
