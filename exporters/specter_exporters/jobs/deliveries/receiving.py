"""`POST /deliveries/<name>`: takes what a provider tells, once, and counts it."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
import urllib3
from prometheus_client import CollectorRegistry, Counter

from specter_core import metrics
from specter_core.clock import Clock
from specter_exporters import bodies
from specter_exporters.answers import Answer
from specter_exporters.bodies import BodyBrokenError, BodyTooLargeError, BodyTypeError
from specter_exporters.jobs.deliveries.outcomes import OUTCOMES, Counted, EventError
from specter_exporters.jobs.deliveries.verifying import Request, SignatureError, UnreachableError, Verifier
from specter_exporters.jobs.texts import RefusedError, limited, text
from specter_exporters.token_bucket import TokenBucket

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LOGGER = logging.getLogger(__name__)
PREFIX = "/deliveries/"
MAX_BODY_BYTES = 1024 * 1024
REFUSALS = ("signature", "invalid", "too_large", "rate_limited", "unreachable")
MOST_KNOWN = 20_000
"""Events that are known again, of one provider: they send twice what was not answered."""
PER_SECOND = 20.0
"""Requests of one provider, twice as many at once: a signature may take 30 ms to verify."""
WITHIN = 5.0
MAX_FETCHED_BYTES = 64 * 1024


class Receiving:
    """Takes events of providers.

    Args:
        verifiers: by the provider's name, which is the end of its path and the label `provider`.
        clock: the time.
        registry: where events are counted.
    """

    def __init__(self, verifiers: Mapping[str, Verifier], clock: Clock, registry: CollectorRegistry) -> None:
        self._verifiers = verifiers
        self._clock = clock
        self._limits = {name: TokenBucket(PER_SECOND, clock.monotonic) for name in verifiers}
        self._known: dict[str, OrderedDict[str, None]] = {name: OrderedDict() for name in verifiers}
        self._lock = threading.Lock()
        self._counter, self._refused = (
            Counter(metric.name, metric.help, metric.labels, registry=registry)
            for metric in (metrics.DELIVERY_EVENTS, metrics.DELIVERY_REFUSED)
        )
        for name in verifiers:
            for outcome in OUTCOMES:
                self._counter.labels(name, outcome)
            for reason in REFUSALS:
                self._refused.labels(name, reason)

    def answer(self, path: str, environ: "WSGIEnvironment") -> Answer:
        """Serve a request."""
        name = path.removeprefix(PREFIX)
        if name not in self._verifiers:
            return text(404, "not found")
        if environ["REQUEST_METHOD"] != "POST":
            return text(405, "method not allowed", ("Allow", "POST"))
        try:
            events = self._events(name, environ)
        except RefusedError as error:
            self._refused.labels(name, error.reason).inc()
            return error.answer()
        for number, outcome, count in events:
            if not number or self._is_new(name, number):
                self._counter.labels(name, outcome).inc(count)
        return text(200, "OK")

    def _events(self, name: str, environ: "WSGIEnvironment") -> list[Counted]:
        limited(self._limits[name].take(1))
        try:
            # SNS says text/plain of JSON.
            body = bodies.read_body(environ, MAX_BODY_BYTES, types=None)
            return self._verifiers[name].events(Request(body, _headers(environ), self._clock.time()))
        except BodyTooLargeError:
            raise RefusedError("too_large", 413, f"{MAX_BODY_BYTES} bytes at most") from None
        except (BodyTypeError, BodyBrokenError):
            raise RefusedError("invalid", 400, "the body is compressed, or ends too early") from None
        except EventError as error:
            raise RefusedError("invalid", 400, str(error)) from None
        except SignatureError as error:
            raise RefusedError("signature", 403, str(error)) from None
        except UnreachableError as error:
            # It will be sent again, and the certificate may be there then.
            LOGGER.warning("deliveries of %s: SNS cannot be asked: %s", name, error)
            raise RefusedError("unreachable", 503, "SNS cannot be asked") from error

    def _is_new(self, name: str, number: str) -> bool:
        known = self._known[name]
        with self._lock:
            if number in known:
                return False
            known[number] = None
            if len(known) > MOST_KNOWN:
                known.popitem(last=False)
        return True


def _headers(environ: "WSGIEnvironment") -> dict[str, str]:
    return {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }


def fetch(url: str) -> str:
    """Return what is at `url`, at most `MAX_FETCHED_BYTES` of it.

    Raises:
        UnreachableError: it cannot be had; a redirect is not followed.
    """
    try:
        with requests.get(url, timeout=WITHIN, allow_redirects=False, stream=True) as answer:
            if answer.status_code != 200:
                raise UnreachableError(f"{urlsplit(url).hostname} answers {answer.status_code}")
            content: bytes = answer.raw.read(MAX_FETCHED_BYTES, decode_content=True)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise UnreachableError(type(error).__name__) from error
    return content.decode("utf-8", "replace")
