"""HTTP calls to third parties: one deadline a call, bounded answers, redirects without secrets."""

import http.client
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection

from specter_exporters.dependencies.connecting import Connector, is_public
from specter_exporters.dependencies.model import CallError, Reason
from specter_exporters.dependencies.searching import Found, Search, search_here

MAX_BODY_BYTES = 1024 * 1024
MAX_REDIRECTS = 5
PORTS = {"http": 80, "https": 443}
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# The body is read as it comes: an answer that is small when packed may be huge when unpacked.
OWN_HEADERS = {"User-Agent": "specter-dependencies", "Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, with its secrets in it, which are not shown."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    json: object = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the body is empty where nobody wanted it."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


class ConnectorAdapter(HTTPAdapter):
    """Requests' adapter, whose connections are made by a connector."""

    def __init__(self, connector: Connector) -> None:
        # `_new_conn` is the one place where a connection can be told how to connect.
        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return connector.connect(self.host, self.port)

            def connect(self) -> None:
                super().connect()
                connector.watch(self.sock)

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return connector.connect(self.host, self.port)

            def connect(self) -> None:
                super().connect()
                connector.watch(self.sock)

        class PlainPool(urllib3.HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(urllib3.HTTPSConnectionPool):
            ConnectionCls = Secure

        self._pools = {"http": PlainPool, "https": SecurePool}
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """Make the pools of connections through a proxy."""
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


class Caller:
    """Makes the calls of one run, which share their cookies. A context manager.

    Args:
        ca_file: certificates to trust instead of the usual ones.
        timer: seconds that never step back.
        public: whether an address is one of the internet.
        search: finds patterns in what is answered.
    """

    def __init__(
        self,
        ca_file: Path | None = None,
        timer: Callable[[], float] = monotonic,
        public: Callable[[str], bool] = is_public,
        search: Search = search_here,
    ) -> None:
        self._search = search
        self._connector = Connector(timer, public)
        self._session = requests.Session()
        # Nothing out of ~/.netrc: a password there is not meant for whom we ask.
        self._session.trust_env = False
        self._session.headers.clear()
        self._session.verify = True if ca_file is None else str(ca_file)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, ConnectorAdapter(self._connector))

    def __enter__(self) -> "Caller":
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def call(
        self, request: Request, timeout: float, *, wanted: Callable[[int], bool], body: bool = True
    ) -> Answer:
        """Send `request` and return the answer, after redirects.

        Args:
            request: it goes in full to its own origin only; another one gets a bare GET.
            timeout: seconds for everything, redirects and body included.
            wanted: whether a status is the expected one; then a redirect is not followed.
            body: whether the body is read.

        Raises:
            CallError: dns, connect, tls, timeout, redirect, invalid, or body (over 1 MiB).
        """
        with self._connector.running(timeout):
            try:
                answer = self._follow(request, wanted, body=body)
            except CallError:
                raise
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                raise CallError(self._reason(error)) from None  # its message holds the URL, maybe a header
        if self._connector.over:  # which looks like the end of the body
            raise CallError("timeout")
        return answer

    def search(self, pattern: re.Pattern[str], text: str) -> Found:
        """Return what `pattern` finds in an answer's text.

        Raises:
            CallError: it takes too long (`body`).
        """
        try:
            return self._search(pattern, text)
        except TimeoutError:
            raise CallError("body") from None

    def _follow(self, request: Request, wanted: Callable[[int], bool], *, body: bool) -> Answer:
        asked = _origin(request.url)
        for _ in range(MAX_REDIRECTS + 1):
            with closing(self._send(request)) as response:
                goes_on = response.status_code in REDIRECTS and "Location" in response.headers
                if not goes_on or wanted(response.status_code):
                    content = _read(response) if body else b""
                    return Answer(response.status_code, response.headers, content)
                request = _redirected(request, response.status_code, response.headers["Location"])
            # The list may name hosts of our own network; those who answer from the internet may not.
            away = _origin(request.url) != asked
            self._connector.public_only = away and self._connector.is_in_the_internet(*asked[1:])
        raise CallError("redirect")

    def _send(self, request: Request) -> requests.Response:
        proxies = get_environ_proxies(request.url, no_proxy=None)
        left = self._connector.left
        return self._session.request(
            request.method,
            request.url,
            headers={**OWN_HEADERS, **request.headers},
            json=request.json,
            data=request.form,
            timeout=(left, left),
            proxies=proxies,
            allow_redirects=False,
            stream=True,
        )

    def _reason(self, error: Exception) -> Reason:
        causes = list(_causes(error))
        if self._connector.over or _any(causes, (requests.Timeout, TimeoutError)):
            return "timeout"
        if _any(causes, (socket.gaierror,)):
            return "dns"
        if _any(causes, (requests.exceptions.SSLError, urllib3.exceptions.SSLError)):
            return "tls"
        if _any(causes, (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader)):
            return "invalid"
        if _any(causes, (ConnectionError,)):  # the system's: refused, reset
            return "connect"
        # What was said is not HTTP.
        return "invalid" if _any(causes, (http.client.HTTPException, ValueError)) else "connect"


def _any(causes: list[BaseException], kinds: tuple[type[BaseException], ...]) -> bool:
    return any(isinstance(cause, kinds) for cause in causes)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and what it was made of, each once."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [*one.args, getattr(one, "reason", None), one.__cause__, one.__context__]


def _read(response: requests.Response) -> bytes:
    content: bytes = response.raw.read(MAX_BODY_BYTES + 1, decode_content=False)
    if len(content) > MAX_BODY_BYTES:
        raise CallError("body")
    return content


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)


def _redirected(request: Request, status: int, location: str) -> Request:
    url = urljoin(request.url, location)
    old, new = _origin(request.url), _origin(url)
    if new[0] not in PORTS or (old[0] == "https" and new[0] == "http"):
        raise CallError("redirect")
    same = old == new
    keeps_method = status in {307, 308}
    if keeps_method and same:
        return Request(request.method, url, request.headers, request.json, request.form)
    if keeps_method and request.method not in {"GET", "HEAD"}:
        raise CallError("redirect")  # the body would go to somebody else
    method = "HEAD" if request.method == "HEAD" else "GET"
    return Request(method, url, request.headers if same else {})
