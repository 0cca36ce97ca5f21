"""The HTTP endpoint for services in other languages: `POST /api/v1/events`, a WSGI application."""

import logging
import re
import threading
from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric as Family

from specter_core import metrics
from specter_core.clock import Clock, SystemClock
from specter_exporters import bodies
from specter_exporters.answers import JSON, PROBLEM_JSON, Answer, ProblemError, as_json
from specter_exporters.bodies import BodyBrokenError, BodyTooLargeError, BodyTypeError, NoJsonError, load_json
from specter_exporters.business.answers import problem
from specter_exporters.business.business import Business
from specter_exporters.business.idempotency import Idempotency, Key
from specter_exporters.business.openapi import MAX_EVENTS, document
from specter_exporters.business.senders import Senders
from specter_exporters.business.validation import FIELDS, EventRefusedError, Observation
from specter_exporters.token_bucket import TokenBucket

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024
KEY = re.compile(r"[!-~]{1,255}")
RATE = 50_000.0
PATH = "/api/v1/events"


class BusinessEndpoint:
    """Takes events from senders with a token; the events that are valid are counted at once.

    One request is counted whole or not at all, except that each refused event of a
    batch is left out and named by its index in the answer (422). It answers no
    cross-origin request: browsers have no business here.

    Args:
        business: where events are counted.
        senders: who may send.
        rate: events a second of each sender, and as many twice over at once.
        clock: the time.
    """

    def __init__(
        self, business: Business, senders: Senders, *, rate: float = RATE, clock: Clock | None = None
    ) -> None:
        clock = clock or SystemClock()
        self._business = business
        self._senders = senders
        self._buckets = {name: TokenBucket(rate, clock.monotonic) for name in senders.names}
        self._remembered = Idempotency(clock)
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, str], int] = {}
        self._openapi = Answer(200, as_json(document(business.catalogue)))
        business.registry.register(self)

    def collect(self) -> Iterable[Family]:
        """Yield how many requests there were."""
        metric = metrics.BUSINESS_REQUESTS
        family = CounterMetricFamily(metric.name.removesuffix("_total"), metric.help, labels=metric.labels)
        with self._lock:
            requests = dict(self._requests)
        for labels, count in requests.items():
            family.add_metric(labels, count)
        yield family

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one request."""
        try:
            answer = self._answer(environ)
        except ProblemError as error:
            answer = error.answer()
        bodies.drain(environ)
        return answer.send(environ, start_response)

    def _answer(self, environ: "WSGIEnvironment") -> Answer:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        methods = ROUTES.get(path)
        if methods is None:
            raise problem(404, "there is nothing at this path")
        if method not in methods:
            raise problem(405, "the path does not know this method", (("Allow", ", ".join(methods)),))
        if path != PATH:
            return HEALTHY if path == HEALTH_PATH else self._openapi
        sender = self._senders.find(environ.get("HTTP_AUTHORIZATION", ""))
        try:
            answer = self._from(sender, environ)
        except ProblemError as error:
            answer = error.answer()
        except Exception:
            logger.exception("a request for business events failed")
            answer = problem(500, "the request failed by a defect").answer()
        self._count(sender or "", answer.status)
        return answer

    def _from(self, sender: str | None, environ: "WSGIEnvironment") -> Answer:
        if sender is None:
            raise problem(401, "there is no token, or a wrong one", (("WWW-Authenticate", "Bearer"),))
        return self._events(sender, environ)

    def _count(self, sender: str, status: int) -> None:
        labels = (sender, str(status))
        with self._lock:
            self._requests[labels] = self._requests.get(labels, 0) + 1

    def _events(self, sender: str, environ: "WSGIEnvironment") -> Answer:
        bucket = self._buckets[sender]
        wait = bucket.wait()
        if wait:
            detail = f"{sender} sends more events than it may"
            raise problem(429, detail, (("Retry-After", str(wait)),))
        body = read_body(environ)
        name = environ.get("HTTP_IDEMPOTENCY_KEY")
        if name is None:
            return self._counted(bucket, body)
        if not KEY.fullmatch(name):
            bucket.pay(1)
            raise problem(400, "Idempotency-Key must be 1 to 255 ASCII characters without a space")
        return self._once((sender, name), bucket, body)

    def _once(self, key: Key, bucket: TokenBucket, body: bytes) -> Answer:
        """Answer a request that may have been sent before."""
        fingerprint = blake2b(body, digest_size=16).digest()
        known = self._remembered.begin(key, fingerprint)
        if known is not None:
            bucket.pay(1)
            if known.fingerprint != fingerprint:
                raise problem(422, "this Idempotency-Key was used for other events")
            if not known.status:
                again = (("Retry-After", "1"),)
                raise problem(409, "a request with this Idempotency-Key is under way", again)
            kind = JSON if known.status == 200 else PROBLEM_JSON
            return Answer(known.status, known.body, kind, (("Idempotency-Replayed", "true"),))
        try:
            answer = self._counted(bucket, body)
        except BaseException:
            self._remembered.forget(key)
            raise
        self._remembered.end(key, answer.status, answer.body)
        return answer

    def _counted(self, bucket: TokenBucket, body: bytes) -> Answer:
        """Count the events in `body`."""
        try:
            items, single = parse(body)
        except ProblemError:
            bucket.pay(1)
            raise
        bucket.pay(len(items))
        accepted: list[Observation] = []
        refused: Refused = []
        check = self._business.check
        for index, item in enumerate(items):
            try:
                accepted.append(check(item))
            except EventRefusedError as error:
                refused.append((index, error))
        self._business.record(accepted)
        if not refused:
            return Answer(200, b'{"accepted":%d}' % len(accepted))
        for _, refusal_of_one in refused:
            self._business.refusals.count(refusal_of_one)
        return refusal(items, len(accepted), refused, single=single)


Refused = list[tuple[int, EventRefusedError]]


def refusal(items: list[Any], accepted: int, refused: Refused, *, single: bool) -> Answer:
    """Return the answer that names each refused item by its index, and the names that are known."""
    known: dict[str, tuple[str, ...]] = {}
    for index, error in refused:
        if error.known == FIELDS:
            known["fields"] = FIELDS
        elif error.known:
            field = error.field if error.field == "event" else f"{items[index]['event']}.{error.field}"
            known[field] = error.known
    listed = [
        {"index": index, "reason": error.reason, "field": error.field, "detail": error.message}
        for index, error in refused
    ]
    detail = refused[0][1].message if single else f"{len(refused)} of {accepted + len(refused)} are refused"
    return problem(422, detail, more={"accepted": accepted, "refused": listed, "known": known}).answer()


def read_body(environ: "WSGIEnvironment") -> bytes:
    """Return the body of a JSON request.

    Raises:
        ProblemError: it is not JSON by its headers, too large, or cannot be read.
    """
    try:
        return bodies.read_body(environ, MAX_BODY_BYTES)
    except BodyTypeError:
        raise problem(415, "the body must be application/json, not compressed") from None
    except BodyTooLargeError:
        raise problem(413, f"the body may have {MAX_BODY_BYTES} bytes") from None
    except BodyBrokenError as error:
        raise problem(400, "the body cannot be read to its end") from error


def parse(body: bytes) -> tuple[list[Any], bool]:
    """Return the events in `body`, and whether it is one that stands alone.

    Raises:
        ProblemError: it is not JSON, no object or array, or there are none or too many.
    """
    try:
        found = load_json(body)
    except NoJsonError as error:
        raise problem(400, f"the body is not JSON: {error}") from None
    if isinstance(found, dict):
        return [found], True
    if not isinstance(found, list):
        raise problem(422, "the body must be an event or an array of events")
    if not found:
        raise problem(422, "there is no event in the array")
    if len(found) > MAX_EVENTS:
        raise problem(413, f"{len(found)} events, at most {MAX_EVENTS} are taken at once")
    return found, False


HEALTHY = Answer(200, b'{"status":"ok"}')
HEALTH_PATH = "/-/healthy"
READS = ("GET", "HEAD")
ROUTES = {PATH: ("POST",), "/api/v1/openapi.json": READS, HEALTH_PATH: READS}
