"""What requests to the two servers cost: their number by answer, their duration, their bytes."""

from collections.abc import Callable
from typing import Protocol

from prometheus_client import CollectorRegistry
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from specter_core import metrics
from specter_detector.vocabulary import counter, histogram

READ_CODES = ("2xx", "3xx", "4xx", "5xx", "none")
WRITE_OUTCOMES = ("ok", "rejected", "unreachable")


class ReadObserver(Protocol):
    """Is told of every request to the data source; from any thread."""

    def answered(self, code: str, seconds: float) -> None:
        """An answer of the class `code`, one of `READ_CODES`, began after `seconds`; none came for `none`."""

    def received(self, nbytes: int) -> None:
        """`nbytes` of an answer have arrived."""


class Unobserved:
    """Looks at no request: for commands that expose no metrics."""

    def answered(self, code: str, seconds: float) -> None:
        """Do nothing."""

    def received(self, nbytes: int) -> None:
        """Do nothing."""


class RequestTelemetry:
    """Counts requests on `registry`; every counter is there, at 0, from the start."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reads = histogram(metrics.DETECTOR_READ_REQUEST_DURATION, registry)
        self._read_bytes = counter(metrics.DETECTOR_READ_BYTES, registry)
        self._writes = counter(metrics.DETECTOR_WRITES, registry)
        self._write_duration = histogram(metrics.DETECTOR_WRITE_REQUEST_DURATION, registry)
        self._sent_bytes = counter(metrics.DETECTOR_SENT_BYTES, registry)
        for code in READ_CODES:
            self._reads.labels(code)
        for outcome in WRITE_OUTCOMES:
            self._writes.labels(outcome)
            self._write_duration.labels(outcome)

    def answered(self, code: str, seconds: float) -> None:
        """Note a request to the data source, see `ReadObserver`."""
        self._reads.labels(code if code in READ_CODES else "none").observe(seconds)

    def received(self, nbytes: int) -> None:
        """Note bytes of an answer of the data source."""
        self._read_bytes.inc(nbytes)

    def wrote(self, outcome: str, seconds: float, nbytes: int) -> None:
        """Note a remote-write request of `nbytes` that took `seconds`; `outcome` is of `WRITE_OUTCOMES`."""
        self._writes.labels(outcome).inc()
        self._write_duration.labels(outcome).observe(seconds)
        self._sent_bytes.inc(nbytes)


class ObservedAdapter(HTTPAdapter):
    """Sends the requests of a session and says how each was answered.

    Args:
        observer: is told.
        monotonic: returns seconds that never step back.
        retry: what is tried again.
        pool_maxsize: connections kept.
    """

    def __init__(
        self, observer: ReadObserver, monotonic: Callable[[], float], *, retry: Retry, pool_maxsize: int
    ) -> None:
        self._observer = observer
        self._monotonic = monotonic
        super().__init__(max_retries=retry, pool_maxsize=pool_maxsize)

    def send(self, request: PreparedRequest, *args: object, **kwargs: object) -> Response:
        """Send one request; the answer's body is yet to come where it is streamed."""
        started, code = self._monotonic(), "none"
        try:
            response = super().send(request, *args, **kwargs)  # type: ignore[arg-type]
            code = f"{response.status_code // 100}xx"
        finally:
            self._observer.answered(code, self._monotonic() - started)
        return response
