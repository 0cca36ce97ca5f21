"""Calls to other servers: how long they take, how they fail, what is left of their limits."""

from collections.abc import Callable, Iterator, Mapping

from specter_core import metrics
from specter_exporters.app.bounds import BoundedLabel
from specter_exporters.app.rate_limits import rate_limit
from specter_exporters.app.recorder import METHODS, OTHER_METHOD, Recorder

MAX_SERVERS = 50
LIMITS = (
    metrics.HTTP_CLIENT_RATELIMIT_REMAINING,
    metrics.HTTP_CLIENT_RATELIMIT_LIMIT,
    metrics.HTTP_CLIENT_RATELIMIT_RESET,
)

# What went wrong, by the names of the classes in an error's chain, the most telling first. By
# name, because requests, urllib3, httpx and httpcore each have classes of their own.
ERROR_TYPES = (
    ("tls", frozenset({"SSLError", "CertificateError"})),
    ("dns", frozenset({"gaierror", "NameResolutionError"})),
    ("proxy", frozenset({"ProxyError"})),
    ("connection", frozenset({"NewConnectionError"})),  # which urllib3 derives from its time-out
    ("timeout", frozenset({"Timeout", "TimeoutError", "TimeoutException"})),
    ("protocol", frozenset({"ProtocolError", "ChunkedEncodingError", "DecodeError", "DecodingError",
                            "ContentDecodingError", "TooManyRedirects"})),
    ("connection", frozenset({"ConnectionError", "NetworkError"})),
)  # fmt: skip
OTHER_ERROR = "_OTHER"  # OpenTelemetry's word
CANCELLED = "cancelled"  # the caller has given up


class Outgoing:
    """Hold the metrics of a process' calls to other servers.

    Args:
        recorder: the server's, whose registry exposes these as well.
        max_servers: how many server addresses get series of their own, the rest are `other`.

    Raises:
        ValueError: the recorder's registry already holds metrics of these names.
    """

    def __init__(self, recorder: Recorder, *, max_servers: int = MAX_SERVERS) -> None:
        self.timer: Callable[[], float] = recorder.timer
        self._store = recorder.store
        self._servers = BoundedLabel(max_servers)
        self._store.on_fork(self._servers.renew)
        limits = {metrics.SERVER_ADDRESS: max_servers}
        self._store.declare([metrics.HTTP_CLIENT_REQUEST_DURATION], limits)
        self._store.declare(LIMITS, limits, newest=True)

    def call(self, method: str, server: str | None) -> "Call":
        """Begin to measure a call; `server` is a host's name or address without port."""
        label = method if method in METHODS else OTHER_METHOD
        return Call(self, label, self._servers.admit((server or "").lower()))

    def observe(self, method: str, server: str, status: str, error: str, seconds: float) -> None:
        """Record a call that is over."""
        labels = (method, server, status, error)
        self._store.observe(metrics.HTTP_CLIENT_REQUEST_DURATION, labels, seconds)

    def note_limits(self, server: str, headers: Mapping[str, str], status: int) -> None:
        """Keep what a response says about what is left."""
        now = self._store.wall()
        found = rate_limit(headers, status, now)
        if found is None:
            return
        for metric, value in zip(LIMITS, found, strict=True):
            if value is not None:
                self._store.set_newest(metric, (server,), value, found.until(now))


class Call:
    """One call: its duration is the time spent waiting for the server, to the body's last byte.

    What the caller does between two chunks of a body that it streams is not part of it.
    """

    _status = ""
    _error = ""
    _done = False

    def __init__(self, outgoing: Outgoing, method: str, server: str) -> None:
        self._outgoing = outgoing
        self._method = method
        self._server = server
        self._waited = 0.0
        self._since: float | None = None
        self.wait()

    def wait(self) -> None:
        """The caller waits for the server from now on."""
        self._since = self._outgoing.timer()

    def rest(self) -> None:
        """The caller has got what it waited for."""
        if self._since is not None:
            self._waited += self._outgoing.timer() - self._since
            self._since = None

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Note the response's beginning."""
        self.rest()
        self._status = str(status)
        if status >= 400:
            self._error = self._status  # as OpenTelemetry's conventions say
        self._outgoing.note_limits(self._server, headers, status)

    def failed(self, error: BaseException) -> None:
        """Record the call as failed."""
        self._error = error_type(error)
        self.finish()

    def finish(self) -> None:
        """Record the call; later calls do nothing."""
        if self._done:
            return
        self._done = True
        self.rest()
        self._outgoing.observe(self._method, self._server, self._status, self._error, self._waited)


def error_type(error: BaseException) -> str:
    """Return what kind of failure an error is: one of `ERROR_TYPES`, `cancelled` or `_OTHER`."""
    if not isinstance(error, Exception):
        return CANCELLED
    names = {kind.__name__ for link in _chain(error) for kind in type(link).__mro__}
    return next((kind for kind, classes in ERROR_TYPES if names & classes), OTHER_ERROR)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from, as Python, requests and urllib3 keep it.

    Not `__context__`: the call may be made while another error is handled.
    """
    todo, seen = [error], set[int]()
    while todo:
        link = todo.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        causes = [link.__cause__, getattr(link, "reason", None), *link.args[:2]]
        todo.extend(cause for cause in causes if isinstance(cause, BaseException))
