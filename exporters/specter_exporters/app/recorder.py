"""The metrics of an HTTP server, and the one request under way that feeds them."""

import logging
import os
import sys
from bisect import bisect_left
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, time
from typing import NamedTuple, TypeVar

from prometheus_client import CollectorRegistry

from specter_core import metrics
from specter_core.metrics import DURATION_BUCKETS, SIZE_BUCKETS
from specter_exporters.app.bounds import BoundedLabel
from specter_exporters.app.cells import Cells
from specter_exporters.app.event_loop import LoopWatch
from specter_exporters.app.exemplars import (
    OPENTELEMETRY,
    Span,
    exemplar_of_header,
    exemplar_of_span,
    opentelemetry_span,
)
from specter_exporters.app.queueing import queue_seconds
from specter_exporters.app.series import write_exemplar
from specter_exporters.app.shared import SLOTS
from specter_exporters.app.store import Store

logger = logging.getLogger(__name__)

Request = TypeVar("Request")

# The methods that OpenTelemetry's conventions know; anything else a client sends is `_OTHER`.
METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
OTHER_METHOD = "_OTHER"
MAX_ROUTES = 500
MAX_EXCEPTIONS = 50
DURATION = metrics.HTTP_SERVER_REQUEST_DURATION
MAX_DIGITS = 16  # of a length: more than any disk holds

FAMILIES = (
    metrics.TARGET_INFO,
    metrics.HTTP_SERVER_REQUEST_DURATION,
    metrics.HTTP_SERVER_ACTIVE_REQUESTS,
    metrics.HTTP_SERVER_EXCEPTIONS,
    metrics.HTTP_SERVER_ROUTE_OVERFLOW,
    metrics.HTTP_SERVER_REQUEST_BODY_SIZE,
    metrics.HTTP_SERVER_RESPONSE_BODY_SIZE,
    metrics.HTTP_SERVER_WORKERS,
    metrics.HTTP_SERVER_SLOTS,
    metrics.HTTP_SERVER_QUEUE_DURATION,
    metrics.HTTP_SERVER_QUEUE_UNUSABLE,
    metrics.EVENT_LOOP_LAG,
    metrics.THREADPOOL_BUSY,
    metrics.THREADPOOL_MAX,
    metrics.THREADPOOL_WAITING,
)


def found_route(find: Callable[[Request], str | None] | None, request: Request) -> str:
    """Return what the user's `find` makes of `request`; empty without one.

    It runs inside somebody's request, so what it raises is logged and leaves the
    route empty, but does not fail the request.
    """
    if find is None:
        return ""
    try:
        return find(request) or ""
    except Exception:
        logger.exception("the route callable %r failed; the request is recorded without a route", find)
        return ""


def body_size(header: str) -> int | None:
    """Return a Content-Length in bytes; None for what is none."""
    return int(header) if header.isdecimal() and len(header) < MAX_DIGITS else None


class Method(NamedTuple):
    """A method's label value and where its requests under way are counted."""

    name: str
    active: Cells


class Counted(NamedTuple):
    """Where the requests of one method, route and status are counted: words, and the place in them."""

    duration: "memoryview[float]"
    duration_at: int
    response: "memoryview[float]"
    response_at: int
    labels: tuple[str, str, str]


class Recorder:
    """Hold the metrics of one HTTP server; shared by all its threads.

    The recorder's store is a collector of `registry` (a fresh one by default), so the
    registry's owner can expose it beside metrics of their own. Label children are
    cached and bounded: `max_routes` distinct routes, `max_exceptions` distinct
    exception classes, the rest as `other`.

    Args:
        registry: where to register; never prometheus_client's global one unless it is passed.
        service_name: `target_info{service_name}`; without a name there is no `target_info`.
        service_version: `target_info{service_version}`, what makes a deployment visible.
        max_routes: how many route templates get series of their own.
        max_exceptions: how many exception classes get series of their own.
        slots: how many requests this process can serve at once, its threads; by default what
            the gunicorn hooks found, else unknown.
        timer: seconds that never step back.
        wall: Unix time, compared with `X-Request-Start`.
        current_span: returns the current OpenTelemetry span; by default found by itself where
            the service uses OpenTelemetry.
        workers_folder: where the processes of one server count together; by default what the
            environment says (see `Store`).

    Raises:
        ValueError: the registry already holds metrics of these names.
    """

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        *,
        service_name: str = "",
        service_version: str = "",
        max_routes: int = MAX_ROUTES,
        max_exceptions: int = MAX_EXCEPTIONS,
        slots: int | None = None,
        timer: Callable[[], float] = perf_counter,
        wall: Callable[[], float] = time,
        current_span: Callable[[], Span | None] = opentelemetry_span,
        workers_folder: Path | None = None,
    ) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self.timer = timer
        self._wall = wall
        self._current_span = current_span
        # A span of the caller's own is always asked for.
        self.traced_by = sys.modules if current_span is opentelemetry_span else {OPENTELEMETRY: None}
        self._routes = BoundedLabel(max_routes)
        self._exception_classes = BoundedLabel(max_exceptions)
        self._target = (service_name, service_version)
        self._slots = slots
        self.methods: dict[str, Method] = {}
        self.requests: dict[tuple[str, str, str], Counted] = {}
        self._exemplars: dict[tuple[str, str, str], Cells] = {}
        self.store = Store(self.registry, folder=workers_folder, wall=wall)
        self.lock = self.store.lock
        limits = {metrics.ROUTE: max_routes, metrics.EXCEPTION: max_exceptions}
        self.store.declare(FAMILIES, limits)
        self.store.on_start(self._start)
        self.store.on_fork(self._forget)
        self.loop_watch = LoopWatch(self.store)
        self.store.announce_worker()

    def _start(self) -> None:
        """Create what is there before the first request."""
        store = self.store
        if self._target[0]:
            store.cells(metrics.TARGET_INFO, self._target)
        store.increment(metrics.HTTP_SERVER_WORKERS)
        slots = self._slots if self._slots is not None else int(os.environ.get(SLOTS, "0"))
        if slots:
            store.increment(metrics.HTTP_SERVER_SLOTS, (), slots)
        store.cells(metrics.HTTP_SERVER_ROUTE_OVERFLOW, ())
        self.method("GET")

    def _forget(self) -> None:
        """Drop what was kept of the store in the process that this one was forked from."""
        self.lock = self.store.lock
        self.methods.clear()
        self.requests.clear()
        self._exemplars.clear()
        self._routes.renew()
        self._exception_classes.renew()

    def method(self, name: str) -> Method:
        """Return the label value and gauge for the request method `name`."""
        known = self.methods.get(name)
        if known is not None:
            return known
        label = name if name in METHODS else OTHER_METHOD
        method = Method(label, self.store.cells(metrics.HTTP_SERVER_ACTIVE_REQUESTS, (label,)))
        self.methods[label] = method
        return method

    def observe(
        self, method: str, route: str, status: str, seconds: float, exemplar: dict[str, str] | None
    ) -> None:
        """Record the duration of one finished request; `method` comes from `Recorder.method`."""
        request = self.requests.get((method, route, status)) or self.learn(method, route, status)
        self.store.observe(DURATION, request.labels, seconds, exemplar)

    def exemplify(
        self, labels: tuple[str, str, str], bucket: int, exemplar: dict[str, str], seconds: float
    ) -> None:
        """Keep the trace of a request as the newest of its duration's bucket."""
        cells = self._exemplars.get(labels)
        if cells is None:
            cells = self._exemplars[labels] = self.store.exemplar_cells(DURATION, labels)
        with self.lock:
            write_exemplar(cells, bucket, exemplar, seconds, self._wall())

    def received(self, method: Method, route: str, size: int) -> None:
        """Record the size of a request's body."""
        label = self._route(route)
        self.store.observe(metrics.HTTP_SERVER_REQUEST_BODY_SIZE, (method.name, label), size)

    def queued(self, header: str) -> None:
        """Record how long a request waited since its `X-Request-Start`."""
        seconds = queue_seconds(header, self._wall())
        if seconds is None:
            self.store.increment(metrics.HTTP_SERVER_QUEUE_UNUSABLE)
        else:
            self.store.observe(metrics.HTTP_SERVER_QUEUE_DURATION, (), seconds)

    def learn(self, method: str, route: str, status: str) -> Counted:
        """Return where to count what `requests` does not hold."""
        known_status = status if len(status) == 3 and status.isdecimal() else ""
        label = self._route(route)
        labels = (method, label, known_status)
        store = self.store
        request = Counted(
            *store.cells(DURATION, labels),
            *store.cells(metrics.HTTP_SERVER_RESPONSE_BODY_SIZE, labels[:2]),
            labels,
        )
        if label != route:
            # Not cached: the cache would grow with what the cap keeps out.
            store.increment(metrics.HTTP_SERVER_ROUTE_OVERFLOW)
        elif known_status == status:
            self.requests[labels] = request
        return request

    def _route(self, route: str) -> str:
        return self._routes.admit(route) if route else ""

    def count_exception(self, route: str, error: BaseException) -> None:
        """Count an exception by its class (with its module, except Python's own classes)."""
        kind = type(error)
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        name = self._exception_classes.admit(f"{module}{kind.__qualname__}")
        self.store.increment(metrics.HTTP_SERVER_EXCEPTIONS, (self._route(route), name))

    def exemplar(self, traceparent: str | None) -> dict[str, str] | None:
        """Return the exemplar of the current request: OpenTelemetry's span, else the header, else None."""
        span = self._current_span()
        if span is not None:
            exemplar = exemplar_of_span(span)
            if exemplar is not None:
                return exemplar
        return exemplar_of_header(traceparent) if traceparent else None


class Exchange:
    """One request under way: active from its creation until `finish`, which counts once.

    There is no finaliser on purpose: the garbage collector could run it inside a
    lock that recording needs. Servers owe `close()` (PEP 3333) or the end of the
    coroutine (ASGI), and both are used.
    """

    # Defaults of the class, not set for each request: most requests change three of them.
    route = ""
    status = ""
    exemplar: dict[str, str] | None = None
    received: int | None = None  # bytes of the request's body, if it has one
    sent = 0  # bytes of the response's body
    _done = False

    def __init__(self, recorder: Recorder, method: str) -> None:
        self._recorder = recorder
        self._method = counted = recorder.methods.get(method) or recorder.method(method)
        words, at = counted.active
        with recorder.lock:
            words[at] += 1
        self._started = recorder.timer()

    def finish(self) -> None:
        """Record the request; later calls do nothing."""
        if self._done:
            return
        self._done = True
        recorder = self._recorder
        seconds = recorder.timer() - self._started
        method, sent = self._method, self.sent
        key = (method.name, self.route, self.status)
        request = recorder.requests.get(key) or recorder.learn(*key)
        active, active_at = method.active
        duration, duration_at, response, response_at, labels = request
        bucket = bisect_left(DURATION_BUCKETS, seconds)
        with recorder.lock:  # once for all of it
            active[active_at] -= 1
            duration[duration_at] += seconds
            duration[duration_at + 1 + bucket] += 1
            response[response_at] += sent
            response[response_at + 1 + bisect_left(SIZE_BUCKETS, sent)] += 1
        if self.exemplar is not None:
            recorder.exemplify(labels, bucket, self.exemplar, seconds)
        if self.received is not None:
            recorder.received(method, self.route, self.received)

    def fail(self, error: BaseException) -> None:
        """Count `error` and record the request with status 500, if it is not recorded yet."""
        self._recorder.count_exception(self.route, error)
        self.status = "500"
        self.finish()
