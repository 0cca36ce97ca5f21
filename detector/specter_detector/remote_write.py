"""Send one remote-write 1.0 request and say what became of it."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal, Protocol

import requests

from specter_core.errors import SpecterError
from specter_detector.failures import reason_of
from specter_detector.http import timeouts

PATH = "/api/v1/write"
HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
# Nothing is wrong with the samples: the receiver is off, elsewhere, slow, or the login is. All may be mended.
CLOSED = {401, 403, 404, 405, 407, 408, 421, 425, 429}
# What servers say of samples that no retry makes better; Prometheus answers 500 to some of them.
HOPELESS = {
    "too old sample": "too_old",
    "out of bounds": "too_old",
    "out of order": "out_of_order",
    "duplicate sample": "conflict",
    "err-mimir-sample-timestamp-too-old": "too_old",
    "err-mimir-sample-out-of-order": "out_of_order",
    "err-mimir-sample-duplicate-timestamp": "conflict",
}
MESSAGE_LENGTH = 300
ANSWER_LENGTH = 65_536
"""Bytes of an answer that are read at most."""
LONGEST_RETRY_AFTER = 300.0
"""Seconds; a server, or a clock, that asks for more is asked again sooner."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the server made of a request.

    `rejected`: it will never take it, for `reason`. `unreachable`: another try may work,
    after `retry_after` seconds when it said so.
    """

    kind: Literal["ok", "rejected", "unreachable"]
    message: str = ""
    retry_after: float = 0.0
    reason: str = ""


class RequestSink(Protocol):
    """Takes the bodies of requests and says what became of them."""

    def send(self, body: bytes, timeout: float) -> Outcome:
        """Send one request with the compressed `body`, waiting at most `timeout` seconds."""


class RemoteWriteClient:
    """Writes to one server; it owns neither queue nor retries.

    Args:
        url: of the server.
        session: see `http.open_session`.
        now: returns Unix time (s), for a Retry-After that is a date.
        monotonic: returns seconds that never step back.
    """

    def __init__(
        self,
        url: str,
        session: requests.Session,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url + PATH
        self._session = session
        self._now = now
        self._monotonic = monotonic

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(self, body: bytes, timeout: float) -> Outcome:
        """Send one request with the compressed `body`, waiting at most `timeout` seconds."""
        deadline = self._monotonic() + timeout
        try:
            response = self._session.post(
                self._url,
                data=body,
                headers=HEADERS,
                timeout=timeouts(timeout),
                verify=self._session.verify,
                allow_redirects=False,
                stream=True,
            )
            with closing(response):
                text = self._text(response, deadline)
        except requests.RequestException as error:
            return Outcome("unreachable", f"{self._url}: {reason_of(error)}")
        except SpecterError as error:  # a password file that cannot be read may be back at the next try
            return Outcome("unreachable", str(error))
        return classify(response.status_code, text, retry_after(response, self._now()))

    def _text(self, response: requests.Response, deadline: float) -> str:
        """Return the beginning of an answer, up to the `deadline`: what of it comes is read."""
        read = bytearray()
        try:
            # A byte at a time: a larger piece waits for a server that drips, whatever the deadline.
            for chunk in response.iter_content(1):
                read += chunk
                if len(read) >= ANSWER_LENGTH or self._monotonic() >= deadline:
                    break
        except requests.RequestException:
            # The status is known and says what became of the samples; the rest would only have explained it.
            read += b" (the answer was cut off)"
        return read.decode(errors="replace")


def retry_after(response: requests.Response, now: float) -> float:
    """Return for how many seconds the server wants to be left alone; it names them, or a date."""
    header = response.headers.get("Retry-After", "").strip()
    if header.isascii() and header.isdecimal():
        seconds = float(header[:9])
    else:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - now
        except (ValueError, OverflowError):
            return 0.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def classify(status: int, body: str, wait: float = 0.0) -> Outcome:
    """Sort an answer: taken, to be tried again (3xx, 401, 403, 404, 429, 5xx …), or refused for good."""
    if 200 <= status < 300:
        return Outcome("ok")
    # What Prometheus 2 says of itself names a flag that is no more.
    hint = "; Prometheus needs --web.enable-remote-write-receiver" if status == 404 else ""
    message = f"HTTP {status}: {' '.join(body.split())[:MESSAGE_LENGTH]}{hint}"
    reason = next((reason for text, reason in HOPELESS.items() if text in body), None)
    if reason is None and (status in CLOSED or status < 400 or status >= 500):
        return Outcome("unreachable", message, wait)
    return Outcome("rejected", message, reason=reason or "rejected")
