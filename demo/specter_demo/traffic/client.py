"""One visitor's HTTP connection, kept open between requests."""

import http.client
import select
import time
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

from specter_demo.shop.trace import trace_id, traceparent
from specter_demo.traffic.browsers import View
from specter_demo.traffic.visitors import Request

TIMEOUT = 10.0


class ShopClient:
    """Sends requests over one kept-alive connection; not for use by several threads at once.

    Args:
        base_url: of the shop.
        timeout: seconds for each step of a request.
        viewed: takes each page that was got, without blocking.
        monotonic: seconds that never step back.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float = TIMEOUT,
        viewed: Callable[[View], None] = lambda _view: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = base_url
        self._viewed = viewed
        self._monotonic = monotonic
        parts = urlsplit(base_url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=timeout)

    def send(self, request: Request) -> int:
        """Send `request` and return the status of the answer.

        Raises:
            OSError: the shop cannot be reached or does not answer in time.
            http.client.HTTPException: the answer is not HTTP.
        """
        reused = self._usable()
        try:
            return self._exchange(request)
        except (ConnectionError, http.client.RemoteDisconnected):
            self.close()
            # The server may close an idle connection just as a request is sent on it. A GET can be
            # asked again without harm; an order must not be placed twice.
            if not reused or request.method != "GET":
                raise
            return self._exchange(request)
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def _exchange(self, request: Request) -> int:
        # As a browser's or load balancer's tracing would: the shop's logs and exemplars then share the id.
        headers = {"User-Agent": request.user_agent, "traceparent": traceparent(trace_id(None))}
        if request.source:
            headers["X-Forwarded-For"] = request.source
        if request.body is not None:
            headers["Content-Type"] = "application/json"
        if request.accept:
            headers["Accept"] = request.accept
        started = self._monotonic()
        self._connection.request(request.method, request.path, request.body, headers)
        answer = self._connection.getresponse()
        seconds = self._monotonic() - started
        body = answer.read()
        if answer.status == http.client.OK and answer.headers.get_content_type() == "text/html":
            url = urljoin(self._base_url, request.path)
            self._viewed(View(url, request.user_agent, request.source, body, seconds))
        return answer.status

    def _usable(self) -> bool:
        """Tell whether a connection is open; one that the server has closed meanwhile is dropped."""
        sock = self._connection.sock
        if sock is None:
            return False
        if select.select([sock], [], [], 0)[0]:
            self.close()
            return False
        return True
