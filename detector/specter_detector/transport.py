"""Ask one server over HTTP: a few calls at a time, each with a deadline and a bound on its answer."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import orjson
import requests
from prometheus_api_client import PrometheusConnect
from urllib3.response import BaseHTTPResponse
from urllib3.util.retry import Retry

from specter_detector.config import Reader as ReaderConfig
from specter_detector.datasource import RefusedError, SlowError, TooLargeError, UnreachableError
from specter_detector.failures import ANSWERED, EXPECTED, error_of, mapped, rounded
from specter_detector.gate import Gate
from specter_detector.http import timeouts
from specter_detector.request_telemetry import ObservedAdapter, ReadObserver, Unobserved
from specter_detector.server_clock import DateHeaders

LOGGER = logging.getLogger(__name__)
READ_SIZE = 256 * 1024
ERROR_SIZE = 64 * 1024
LONGEST_URL = 4096
"""Bytes of parameters in a GET; longer expressions are sent as a form, which read-only proxies may refuse."""
PROBE_TIMEOUT = 3.0


class Transport:
    """Calls to one server from any number of threads.

    The session is shared: what a call needs of it is read only, and connections come from urllib3's
    pool, which is made for threads. The pool has one connection for each call that the gate lets through.
    """

    def __init__(
        self,
        settings: ReaderConfig,
        session: requests.Session,
        monotonic: Callable[[], float],
        observer: ReadObserver | None = None,
    ) -> None:
        self.url = settings.connection.url
        self._timeout = settings.connection.timeout
        self._session = session
        self._observer = observer or Unobserved()
        self.monotonic = monotonic
        self._gate = Gate(settings.max_concurrent, monotonic)
        self.dates = DateHeaders(monotonic)
        session.hooks["response"] += [self._note_date, _raise_typed]
        # The schedule is the retry: a tick that waits for a retry is a tick that comes late.
        retry = Retry(total=0, redirect=0)
        self._client = PrometheusConnect(
            url=self.url, session=session, retry=retry, timeout=timeouts(self._timeout)
        )
        # The client mounted an adapter with a pool of its own size.
        pool = settings.max_concurrent + 1
        session.mount(self.url, ObservedAdapter(self._observer, monotonic, retry=retry, pool_maxsize=pool))

    def close(self) -> None:
        """Close the connections that rest; calls that run end at their next read, or their deadline."""
        self._gate.close()
        self._client.close()

    def deadline(self, timeout: float | None) -> float:
        """Return when a call that begins now has to end, in seconds of `monotonic`."""
        return self.monotonic() + (self._timeout if timeout is None else timeout)

    def patience(self, deadline: float) -> dict[str, str]:
        """Return the parameter that lets the server give up when nobody waits any more."""
        return {"timeout": f"{max(deadline - self.monotonic(), 0.001):.3f}"}

    def ask_small(self, expr: str, at: float) -> list[float]:
        """Return the values of an expression of a few series at Unix time `at`.

        Raises:
            DatasourceError: there is no answer.
        """
        try:
            with self._gate.place(self.deadline(None)):
                rows = self._client.custom_query(expr, params={"time": f"{at:.3f}"})
            return [float(row["value"][1]) for row in rows]
        except (*EXPECTED, *ANSWERED) as error:
            raise mapped(error, self.url, self._timeout) from error

    def probe(self) -> None:
        """Ask the cheapest question there is; see `PrometheusReader.probe`."""
        seconds = min(PROBE_TIMEOUT, self._timeout)
        try:
            self._client.custom_query("vector(1)", timeout=timeouts(seconds))
        except (*EXPECTED, *ANSWERED) as error:
            raise mapped(error, self.url, seconds) from error

    def server_time(self) -> float:
        """Ask the server for its Unix time (s).

        Raises:
            DatasourceError: there is no answer.
        """
        seconds = min(PROBE_TIMEOUT, self._timeout)
        try:
            rows = self._client.custom_query("vector(time())", timeout=timeouts(seconds))
            return float(rows[0]["value"][1])
        except (*EXPECTED, *ANSWERED) as error:
            raise mapped(error, self.url, seconds) from error

    @contextmanager
    def get(
        self, path: str, params: Mapping[str, str], *, deadline: float, limit: int
    ) -> Iterator[Iterator[bytes]]:
        """Ask `path` and yield the pieces of the answer's body.

        Args:
            path: begins with a slash.
            params: of the query.
            deadline: when all of the answer must be there, in seconds of `monotonic`.
            limit: bytes of the body.

        Raises:
            DatasourceError: here, or while the pieces are read.
        """
        size = sum(len(name) + 3 * len(value) for name, value in params.items())
        if size <= LONGEST_URL:
            with self._ask("GET", path, deadline, limit, params=params) as body:
                yield body
        else:
            with self._ask("POST", path, deadline, limit, data=params) as body:
                yield body

    def document(self, path: str, params: Mapping[str, str], *, deadline: float, limit: int) -> object:
        """Return `data` of a small JSON answer; see `get`."""
        with self.get(path, params, deadline=deadline, limit=limit) as pieces:
            body = b"".join(pieces)
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise RefusedError(f"{self.url}{path} did not answer with JSON") from error
        return document.get("data") if isinstance(document, dict) else None

    @contextmanager
    def post(
        self, path: str, content: bytes, headers: Mapping[str, str], *, deadline: float, limit: int
    ) -> Iterator[Iterator[bytes]]:
        """Send `content` to `path`; otherwise like `get`."""
        with self._ask("POST", path, deadline, limit, data=content, headers=headers) as body:
            yield body

    @contextmanager
    def _ask(
        self, method: str, path: str, deadline: float, limit: int, **request: object
    ) -> Iterator[Iterator[bytes]]:
        with self._gate.place(deadline):
            seconds = max(deadline - self.monotonic(), 0.001)
            try:
                response = self._session.request(
                    method,
                    self.url + path,
                    timeout=timeouts(seconds),
                    verify=self._session.verify,
                    cert=self._session.cert,
                    allow_redirects=False,
                    stream=True,
                    **request,  # type: ignore[arg-type]
                )
            except EXPECTED as error:
                raise mapped(error, self.url, seconds) from error
            with contextlib.closing(response):
                pieces = self._pieces(response.raw, deadline, seconds)
                if not 200 <= response.status_code < 300:
                    raise error_of(
                        response.status_code,
                        response.reason or "",
                        _first(pieces, ERROR_SIZE),
                        response.headers.get("Retry-After"),
                    )
                yield _bounded(pieces, limit)

    def _note_date(self, response: requests.Response, *_args: object, **_more: object) -> None:
        self.dates.note(response.headers)

    def _pieces(self, raw: BaseHTTPResponse, deadline: float, seconds: float) -> Iterator[bytes]:
        """Yield what has arrived, as it arrives: a server that drips must not outlast the deadline."""
        while True:
            left = deadline - self.monotonic()
            if left <= 0:
                raise SlowError(f"{self.url}: no whole answer within {rounded(seconds)} s")
            if self._gate.closed:
                raise UnreachableError("the reader has been closed")
            try:
                # None once the whole answer has arrived.
                sock = getattr(raw.connection, "sock", None)
                if sock is not None:
                    sock.settimeout(left)
                piece = raw.read1(READ_SIZE, decode_content=True)
            except EXPECTED as error:
                raise mapped(error, self.url, seconds) from error
            if not piece:
                return
            self._observer.received(len(piece))
            yield piece


def _bounded(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise TooLargeError(
                f"the answer is longer than {limit / 2**20:.0f} MiB, far more than max_series allows: "
                "narrow the expression, or raise max_series of the query"
            )
        yield piece


def _first(pieces: Iterator[bytes], size: int) -> bytes:
    read = bytearray()
    for piece in pieces:
        read += piece
        if len(read) >= size:
            break
    return bytes(read[:size])


def _raise_typed(response: requests.Response, *_args: object, **kwargs: object) -> None:
    """Turn an error answer into one of our errors before the client makes text of it."""
    if kwargs.get("stream") or 200 <= response.status_code < 300:
        return
    header = response.headers.get("Retry-After")
    raise error_of(response.status_code, response.reason or "", response.content, header)
