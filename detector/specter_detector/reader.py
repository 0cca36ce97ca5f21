"""Read series through PromQL: the present at a tick, and history on a grid.

prometheus-api-client does the talking. What it answers with becomes arrays, and
what goes wrong one of three errors: the server is out of reach, so that nothing
else needs to be tried, or it refused this one query, or did not answer it in time.
"""

import datetime as dt
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import requests
from prometheus_api_client import PrometheusConnect
from urllib3.exceptions import ReadTimeoutError
from urllib3.util.retry import Retry

from specter_core.clock import align_down
from specter_core.errors import SpecterError
from specter_detector.config import Query
from specter_detector.config import Reader as ReaderConfig
from specter_detector.http import timeouts
from specter_detector.models.arrays import Floats
from specter_detector.promql import BARE_SELECTOR
from specter_detector.series import History, Labels, Vector, labels_of

LOGGER = logging.getLogger(__name__)


class DatasourceError(SpecterError):
    """A query has no answer."""


class UnreachableError(DatasourceError):
    """The server cannot be reached, is starting, or is overloaded: the same query may work later."""


class RefusedError(DatasourceError):
    """The server answered that it will not run this query."""


class SlowError(DatasourceError):
    """The server did not answer this query in time, and does answer another."""


class SeriesReader(Protocol):
    """What the rest of the detector needs of a data source."""

    def instant(self, query: Query, at: float, first: Collection[Labels] = ()) -> Vector:
        """Return the series of `query` at Unix time `at`."""

    def range(
        self, query: Query, start: float, end: float, step: float, first: Collection[Labels] = ()
    ) -> History:
        """Return the series of `query` from `start` to `end` on multiples of `step` (s)."""

    def history(self, query: Query, start: float, end: float, first: Collection[Labels] = ()) -> History:
        """Return the series of `query` from `start` to `end` on multiples of its step."""


class PrometheusReader:
    """Reads from anything that speaks Prometheus' query API."""

    def __init__(self, settings: ReaderConfig, session: requests.Session) -> None:
        self._settings = settings
        session.hooks["response"].append(_raise_typed)
        self._client = PrometheusConnect(
            url=settings.connection.url,
            session=session,
            # The schedule is the retry: a tick that waits for a retry is a tick that comes late.
            retry=Retry(total=0, redirect=0),
            timeout=timeouts(settings.connection.timeout),
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def probe(self) -> None:
        """Ask the cheapest question there is.

        Raises:
            RefusedError: it was answered with a refusal.
            UnreachableError: it was not answered.
        """
        try:
            self._try(lambda: self._client.custom_query("vector(1)"))
        except SlowError as error:
            # Who does not answer this in time answers nothing.
            raise UnreachableError(str(error)) from error

    def instant(self, query: Query, at: float, first: Collection[Labels] = ()) -> Vector:
        """Return the series of `query` at `at` minus its offset, none older than its `max_age`.

        With more series than allowed, those in `first` are kept before the others.

        Raises:
            DatasourceError: there is no answer; an empty one is no error.
        """
        params = {"time": at - query.offset, **_lookback(query.max_age)}
        expr = fresh(query.expr, query.max_age)
        rows = self._ask(lambda: self._client.custom_query(expr, params=params))
        samples = {labels_of(row["metric"]): float(row["value"][1]) for row in _rows(rows, "value")}
        kept = self._limited(samples, first)
        return Vector({labels: samples[labels] for labels in kept}, len(samples) - len(kept))

    def range(self, query, start, end, step, first=()):
        return self.history(
            replace(query, step=step, expr=fresh(query.expr, query.max_age)), start, end, first
        )

    def history(self, query: Query, start: float, end: float, first: Collection[Labels] = ()) -> History:
        """Return the series of `query` between `start` and `end` (Unix s, both inclusive).

        The grid holds the multiples of the query's step; long ranges are asked for
        in pieces, because the server limits the points of one answer. With more
        series than allowed, those in `first` are kept before the others.

        Raises:
            DatasourceError: one of the pieces has no answer.
        """
        step = query.step
        origin = -align_down(-start, step)
        times = np.arange(origin, align_down(end, step) + step / 2, step)
        rows: dict[Labels, Floats] = {}
        for piece in pieces(times, self._settings.max_points):
            for labels, stamps, values in self._range(query, piece):
                row = rows.setdefault(labels, np.full(times.size, np.nan))
                row[np.rint((stamps - origin) / step).astype(np.int64)] = values
        kept = self._limited(rows, first)
        values = np.vstack([rows[labels] for labels in kept]) if kept else np.empty((0, times.size))
        return History(times, tuple(kept), values)

    def _range(self, query: Query, times: Floats) -> Iterator[tuple[Labels, Floats, Floats]]:
        first, last = (
            dt.datetime.fromtimestamp(float(edge) - query.offset, tz=dt.UTC) for edge in (times[0], times[-1])
        )
        # History may have been recorded more coarsely than it is scored.
        max_age = max(query.max_age, query.step)
        # Not `fresh`: over four weeks timestamp() takes Prometheus 2.42 half a minute (34 s for four series
        # scraped every 15 s, 0.03 s without), and all it could remove are the five minutes, one step by
        # default, after a series has vanished.
        rows = self._ask(
            lambda: self._client.custom_query_range(
                query.expr, first, last, str(query.step), params=_lookback(max_age)
            )
        )
        for row in _rows(rows, "values"):
            pairs = np.array([(float(at), float(value)) for at, value in row["values"]])
            yield labels_of(row["metric"]), pairs[:, 0] + query.offset, pairs[:, 1]

    def _limited(self, rows: Mapping[Labels, object], first: Collection[Labels]) -> list[Labels]:
        """Keep `first`, then the first by label, the same at each call, when there are too many.

        Four weeks of history hold every pod there was; by label alone the dead could take all places.
        """
        return sorted(rows, key=lambda labels: (labels not in first, labels))[: self._settings.max_series]

    def _ask(self, question: Any) -> Any:
        try:
            return self._try(question)
        except SlowError:
            # One slow query or a server that hangs? Only the second must stop the other queries.
            try:
                self.probe()
            except RefusedError as refusal:
                LOGGER.debug("the probe was refused, so the server answers: %s", refusal)
            raise

    def _try(self, question: Any) -> Any:
        try:
            return question()
        except DatasourceError:
            raise
        except SpecterError as error:  # a password file that cannot be read
            raise RefusedError(str(error)) from error
        except requests.exceptions.JSONDecodeError as error:
            raise RefusedError(f"{self._settings.connection.url} did not answer with JSON") from error
        except KeyError as error:
            raise RefusedError(f"{self._settings.connection.url}: the answer has no {error}") from error
        except (requests.RequestException, OSError) as error:
            if any(isinstance(cause, requests.ReadTimeout | ReadTimeoutError) for cause in _causes(error)):
                seconds = self._settings.connection.timeout
                message = f"{self._settings.connection.url}: no answer within {seconds:g} s"
                raise SlowError(message) from error
            raise UnreachableError(f"{self._settings.connection.url}: {_reason(error)}") from error


def fresh(expr: str, max_age: float) -> str:
    """Return `expr`, limited to samples younger than `max_age` seconds where that can be said.

    Without it a series that stopped without a staleness marker repeats its last
    value for five minutes. Only a bare selector knows the time of its samples;
    for other expressions `_lookback` asks the server to look back less far.
    """
    if not BARE_SELECTOR.fullmatch(expr):
        return expr
    return f"({expr}) and (time() - timestamp({expr}) <= {max_age:g})"


def pieces(times: Floats, size: int) -> Iterable[Floats]:
    """Split `times` into runs of at most `size`."""
    return (times[start : start + size] for start in range(0, times.size, size))


def _lookback(seconds: float) -> dict[str, str]:
    """Shorten the look-back: Prometheus from 2.43 and Thanos, and VictoriaMetrics; others ignore it."""
    return {"lookback_delta": f"{seconds:g}s", "max_lookback": f"{seconds:g}s"}


def _rows(rows: Any, key: str) -> list[dict[str, Any]]:
    if not isinstance(rows, list) or any(not isinstance(row, dict) or key not in row for row in rows):
        raise RefusedError("the expression must return a vector; a scalar or a string has no labels")
    return rows


def _raise_typed(response: requests.Response, *_args: object, **_kwargs: object) -> None:
    """Turn an error answer into one of our errors before the client makes text of it."""
    if response.ok:
        return
    try:
        body = response.json()
    except requests.exceptions.JSONDecodeError:
        body = {}
    message = body.get("error") if isinstance(body, dict) else None
    if message:
        raise RefusedError(f"{body.get('errorType', response.status_code)}: {message}")
    answer = f"HTTP {response.status_code} {response.reason}"
    # Without a body of the API it comes from a proxy, or from a server that is starting.
    raise (UnreachableError if response.status_code in {429, 502, 503, 504} else RefusedError)(answer)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and what is below it, down to the innermost cause."""
    inner: BaseException | None = error
    while inner is not None:
        yield inner
        inner = inner.__cause__ or inner.__context__


def _reason(error: BaseException) -> str:
    """Return the innermost cause: `Connection refused`, not the tower of exceptions above it."""
    *_, innermost = _causes(error)
    return str(getattr(innermost, "strerror", None) or innermost)
