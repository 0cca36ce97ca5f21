"""Questions to the data source beside reading series: what is there, and what would it cost."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import requests

from specter_core.errors import SpecterError
from specter_detector.config import Connection
from specter_detector.durations import format_duration
from specter_detector.http import open_session, timeouts
from specter_detector.reader import DatasourceError, RefusedError, SlowError, UnreachableError

NAMES_A_REQUEST = 40
"""About 2 kB of address, which every proxy lets through."""

LOOK_BACK = 3600.0
"""A metric exists if it had samples in the last hour."""

MAX_ANSWER = 16_000_000
"""Bytes; a month of maintenance in ten places is less."""

GRACE = 1.0
"""Seconds beyond a query's time-out in which the server may say that it ran out."""

OVERLOADED = frozenset({429, 502, 503, 504})
UNKNOWN_ENDPOINT = frozenset({404, 405, 501})


@dataclass(frozen=True, slots=True)
class Cost:
    """How many series an expression has now, and how long the server took to say so (s)."""

    series: int
    seconds: float


class PrometheusApi:
    """Asks anything that speaks Prometheus' query API.

    Args:
        connection: the server.
        session: of one thread, see `http.open_session`.
        timer: seconds that only grow.
    """

    def __init__(
        self,
        connection: Connection,
        session: requests.Session,
        *,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._session = session
        self._timer = timer

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def existing(self, names: Collection[str], at: float) -> frozenset[str]:
        """Return those of the metrics `names` that had samples in the hour before Unix time `at` (s).

        The server answers with no more names than were asked for.

        Raises:
            DatasourceError: there is no answer.
        """
        found: set[str] = set()
        ordered = sorted(names)
        for start in range(0, len(ordered), NAMES_A_REQUEST):
            some = ordered[start : start + NAMES_A_REQUEST]
            params = {
                "match[]": f'{{__name__=~"{"|".join(some)}"}}',
                "start": f"{at - LOOK_BACK:.3f}",
                "end": f"{at:.3f}",
            }
            found.update(self._get("/api/v1/label/__name__/values", params))
        return frozenset(found & set(names))

    def cost(self, expr: str, at: float, timeout: float) -> Cost:
        """Return what `expr` costs at Unix time `at` (s), counted by the server.

        Raises:
            SlowError: it takes more than `timeout` seconds.
            DatasourceError: there is no answer.
        """
        started = self._timer()
        rows = self.query(f"count({expr})", at, timeout)
        return Cost(int(float(rows[0]["value"][1])) if rows else 0, self._timer() - started)

    def query(self, expr: str, at: float, timeout: float) -> list[Any]:
        """Return the rows of an instant query; for expressions with few of them.

        Raises:
            DatasourceError: there is no answer.
        """
        params = {"query": expr, "time": f"{at:.3f}", "timeout": format_duration(timeout)}
        data = self._get("/api/v1/query", params, timeout)
        if not isinstance(data, dict) or not isinstance(data.get("result"), list):
            raise RefusedError(f"{self._connection.url}: the answer has no result")
        rows: list[Any] = data["result"]
        return rows

    def query_range(self, expr: str, start: float, end: float, step: float, timeout: float) -> list[Any]:
        """Return the rows of a range query; for expressions with few of them.

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
        data = self._get("/api/v1/query_range", params, timeout)
        if not isinstance(data, dict) or not isinstance(data.get("result"), list):
            raise RefusedError(f"{self._connection.url}: the answer has no result")
        rows: list[Any] = data["result"]
        return rows

    def types(self, names: Iterable[str]) -> dict[str, str]:
        """Return the type of each metric of which the server knows it: counter, gauge, histogram, summary.

        Empty for servers that keep no metadata.

        Raises:
            DatasourceError: there is no answer.
        """
        found: dict[str, str] = {}
        for name in names:
            try:
                data = self._get("/api/v1/metadata", {"metric": name, "limit": "1"})
            except _UnknownEndpointError:
                return {}
            entries = data.get(name) if isinstance(data, dict) else None
            if entries and isinstance(entries, list) and entries[0].get("type") not in {None, "unknown"}:
                found[name] = str(entries[0]["type"])
        return found

    def _get(self, path: str, params: Mapping[str, str], timeout: float | None = None) -> Any:
        seconds = (timeout + GRACE) if timeout is not None else self._connection.timeout
        url = self._connection.url
        try:
            with self._session.get(
                url + path, params=params, timeout=timeouts(seconds), allow_redirects=False, stream=True
            ) as response:
                body = response.raw.read(MAX_ANSWER + 1, decode_content=True)
                status, reason = response.status_code, response.reason
        except requests.ReadTimeout as error:
            raise SlowError(f"{url}: no answer within {seconds:g} s") from error
        except DatasourceError:
            raise
        except SpecterError as error:  # a password file that cannot be read
            raise RefusedError(str(error)) from error
        except (requests.RequestException, OSError) as error:
            raise UnreachableError(f"{url}: {error.__class__.__name__}: {error}") from error
        if len(body) > MAX_ANSWER:
            raise RefusedError(f"{url}{path}: the answer is longer than {MAX_ANSWER} bytes")
        return _data(url + path, status, reason, body)


class _UnknownEndpointError(RefusedError):
    """The server has no such endpoint."""


def open_api(connection: Connection) -> PrometheusApi:
    """Return an API with a session of its own."""
    return PrometheusApi(connection, open_session(connection))


def _data(where: str, status: int, reason: str, body: bytes) -> Any:
    """Return what the answer holds, or raise what it says."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if isinstance(answer, dict) and answer.get("status") == "success":
        return answer.get("data")
    if isinstance(answer, dict) and answer.get("error"):
        message = f"{answer.get('errorType', status)}: {answer['error']}"
        raise (SlowError if answer.get("errorType") == "timeout" else RefusedError)(message)
    if status in UNKNOWN_ENDPOINT:
        raise _UnknownEndpointError(f"{where}: HTTP {status} {reason}")
    # Without a body of the API it comes from a proxy, or from a server that is starting.
    raise (UnreachableError if status in OVERLOADED else RefusedError)(f"{where}: HTTP {status} {reason}")
