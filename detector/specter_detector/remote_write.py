"""Send one remote-write 1.0 request and say what became of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

import cramjam
import requests

from specter_core.errors import SpecterError
from specter_detector.http import timeouts
from specter_detector.output import Sample
from specter_detector.protobuf import encode_labels, encode_request, encode_sample

PATH = "/api/v1/write"
HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
# Nothing is wrong with the samples: the receiver is off, or the login is. Both may be mended.
CLOSED = {401, 403, 404}
# Prometheus answers 500 to samples that no retry will make younger.
HOPELESS = ("too old sample", "out of bounds", "out of order", "duplicate sample")
MESSAGE_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the server made of a request.

    `rejected`: it will never take it. `unreachable`: another try may work,
    after `retry_after` seconds when it said so.
    """

    kind: Literal["ok", "rejected", "unreachable"]
    message: str = ""
    retry_after: float = 0.0


class SampleSink(Protocol):
    """Takes samples and says what became of them."""

    def send(self, samples: Iterable[Sample], timeout: float) -> Outcome:
        """Send `samples` as one request, waiting at most `timeout` seconds."""


class RemoteWriteClient:
    """Writes to one server; it owns neither queue nor retries."""

    def __init__(self, url: str, session: requests.Session) -> None:
        self._url = url + PATH
        self._session = session

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(self, samples: Iterable[Sample], timeout: float) -> Outcome:
        """Send `samples` as one request, waiting at most `timeout` seconds."""
        body = bytes(cramjam.snappy.compress_raw(encode(samples)))
        try:
            response = self._session.post(
                self._url,
                data=body,
                headers=HEADERS,
                timeout=timeouts(timeout),
                verify=self._session.verify,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            return Outcome("unreachable", type(error).__name__)
        except SpecterError as error:  # a password file that cannot be read may be back at the next try
            return Outcome("unreachable", str(error))
        return classify(response.status_code, response.text, response.headers.get("Retry-After"))


def encode(samples: Iterable[Sample]) -> bytes:
    """Encode `samples`, one time series each, in their order."""
    return encode_request(
        (encode_labels(sample.labels), encode_sample(sample.value, round(sample.timestamp * 1000)))
        for sample in samples
    )


def classify(status: int, body: str, retry_after: str | None) -> Outcome:
    """Sort an answer: success, retry (401, 403, 404, 429, 5xx), or final (all else, and 5xx that say so)."""
    if 200 <= status < 300:
        return Outcome("ok")
    message = f"HTTP {status}: {' '.join(body.split())[:MESSAGE_LENGTH]}"
    hopeless = any(text in body for text in HOPELESS)
    if (status in CLOSED or status == 429 or status >= 500) and not hopeless:
        seconds = float(retry_after) if retry_after and retry_after.isdecimal() else 0.0
        return Outcome("unreachable", message, seconds)
    return Outcome("rejected", message)
