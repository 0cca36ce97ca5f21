"""The metrics of an HTTP server, and the one request under way that feeds them."""

import logging
import threading
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.metrics_core import Metric as Family

from specter_core import metrics
from specter_core.exposition import without_created
from specter_exporters.app.bounds import BoundedLabel
from specter_exporters.app.exemplars import Span, exemplar_of_header, exemplar_of_span, opentelemetry_span

logger = logging.getLogger(__name__)

Request = TypeVar("Request")

# The methods that OpenTelemetry's conventions know; anything else a client sends is `_OTHER`.
METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
OTHER_METHOD = "_OTHER"
MAX_ROUTES = 500
MAX_EXCEPTIONS = 50


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


class Method(NamedTuple):
    """A method's label value and the requests of that method being served, by identity.

    The gauge reads the set's size at a scrape: adding to a set is atomic and costs a
    sixth of a locked increment, and what is removed twice is counted once.
    """

    name: str
    active: set[int]


class Recorder:
    """Hold the metrics of one HTTP server; shared by all its threads.

    The recorder is a collector of `registry` (a fresh one by default), so the
    registry's owner can expose it beside metrics of their own. Label children are
    cached and bounded: `max_routes` distinct routes, `max_exceptions` distinct
    exception classes, the rest as `other`.

    Args:
        registry: where to register; never prometheus_client's global one unless it is passed.
        service_name: `target_info{service_name}`; without a name there is no `target_info`.
        service_version: `target_info{service_version}`, what makes a deployment visible.
        max_routes: how many route templates get series of their own.
        max_exceptions: how many exception classes get series of their own.
        timer: seconds that never step back.
        current_span: returns the current OpenTelemetry span; found by itself where
            `opentelemetry` is installed.

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
        timer: Callable[[], float] = perf_counter,
        current_span: Callable[[], Span] | None = None,
    ) -> None:
        self.registry = CollectorRegistry() if registry is None else registry
        self.timer = timer
        self._current_span = current_span or opentelemetry_span()
        self.traced = self._current_span is not None
        self._lock = threading.Lock()
        self._routes = BoundedLabel(max_routes)
        self._exception_classes = BoundedLabel(max_exceptions)
        self._methods: dict[str, Method] = {}
        self._durations: dict[tuple[str, str, str], Histogram] = {}
        self._create(service_name, service_version)
        self.registry.register(self)

    def _create(self, service_name: str, service_version: str) -> None:
        self._metrics = own = CollectorRegistry()
        if service_name:
            info = metrics.TARGET_INFO
            target = Info(info.name.removesuffix("_info"), info.help, registry=own)
            target.info(dict(zip(info.labels, (service_name, service_version), strict=True)))
        duration = metrics.HTTP_SERVER_REQUEST_DURATION
        self._duration = Histogram(
            duration.name, duration.help, duration.labels, buckets=duration.buckets, registry=own
        )
        active = metrics.HTTP_SERVER_ACTIVE_REQUESTS
        self._active = Gauge(active.name, active.help, active.labels, registry=own)
        exceptions = metrics.HTTP_SERVER_EXCEPTIONS
        self._exceptions = Counter(exceptions.name, exceptions.help, exceptions.labels, registry=own)
        overflow = metrics.HTTP_SERVER_ROUTE_OVERFLOW
        self._overflow = Counter(overflow.name, overflow.help, registry=own)

    def collect(self) -> Iterable[Family]:
        """Yield the families, without the `_created` series that double counters and histograms."""
        return without_created(self._metrics.collect())

    def describe(self) -> Iterable[Family]:
        """Yield the families, so that a registry refuses a second recorder."""
        return self._metrics.collect()

    def method(self, name: str) -> Method:
        """Return the label value and gauge for the request method `name`."""
        known = self._methods.get(name)
        if known is not None:
            return known
        if name not in METHODS:
            name = OTHER_METHOD
        with self._lock:
            if name not in self._methods:
                self._methods[name] = method = Method(name, set())
                self._active.labels(name).set_function(method.active.__len__)
            return self._methods[name]

    def observe(
        self, method: str, route: str, status: str, seconds: float, exemplar: dict[str, str] | None
    ) -> None:
        """Record one finished request; `method` comes from `Recorder.method`."""
        child = self._durations.get((method, route, status))
        if child is None:
            child = self._duration_child(method, route, status)
        child.observe(seconds, exemplar)

    def _duration_child(self, method: str, route: str, status: str) -> Histogram:
        if not (len(status) == 3 and status.isdecimal()):
            status = ""
        label = self._route(route)
        child = self._duration.labels(method, label, status)
        if label == route:
            self._durations[method, route, status] = child
        else:
            # Not cached: the cache would grow with what the cap keeps out.
            self._overflow.inc()
        return child

    def _route(self, route: str) -> str:
        return self._routes.admit(route) if route else ""

    def count_exception(self, route: str, error: BaseException) -> None:
        """Count an exception by its class (with its module, except Python's own classes)."""
        kind = type(error)
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        name = self._exception_classes.admit(f"{module}{kind.__qualname__}")
        self._exceptions.labels(self._route(route), name).inc()

    def exemplar(self, traceparent: str | None) -> dict[str, str] | None:
        """Return the exemplar of the current request: OpenTelemetry's span, else the header, else None."""
        if self._current_span is not None:
            exemplar = exemplar_of_span(self._current_span())
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
    _done = False

    def __init__(self, recorder: Recorder, method: str) -> None:
        self._recorder = recorder
        self._method = recorder.method(method)
        self._method.active.add(id(self))
        self._started = recorder.timer()

    def finish(self) -> None:
        """Record the request; later calls do nothing."""
        if self._done:
            return
        self._done = True
        recorder = self._recorder
        seconds = recorder.timer() - self._started
        method = self._method
        method.active.discard(id(self))
        recorder.observe(method.name, self.route, self.status, seconds, self.exemplar)

    def fail(self, error: BaseException) -> None:
        """Count `error` and record the request with status 500, if it is not recorded yet."""
        self._recorder.count_exception(self.route, error)
        self.status = "500"
        self.finish()
