"""One visitor's HTTP connection, kept open between requests."""

import http.client
import select
from urllib.parse import urlsplit

from specter_demo.shop.trace import trace_id, traceparent
from specter_demo.traffic.visitors import Request

TIMEOUT = 10.0


class ShopClient:
    """Sends requests over one kept-alive connection; not for use by several threads at once."""

    def __init__(self, base_url: str, *, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(base_url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=timeout)

    def send(self, request: Request) -> int:
        """Send `request` and return the status of the answer, whose body is read and dropped.

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
        self._connection.request(request.method, request.path, request.body, headers)
        answer = self._connection.getresponse()
        answer.read()
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
