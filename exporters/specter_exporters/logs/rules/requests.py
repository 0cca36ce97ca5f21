"""Rate, errors and duration by route, out of access lines."""

from specter_core.metrics import (
    HTTP_SERVER_REQUEST_DURATION,
    LOG_HTTP_DURATION,
    LOG_HTTP_REQUESTS,
    LOG_HTTP_RESPONSE_BYTES,
    ROUTE,
)
from specter_exporters.logs.conditions import condition
from specter_exporters.logs.fields import Fields, as_number
from specter_exporters.logs.routes import Router
from specter_exporters.logs.rules.model import SECONDS, Context, Rule
from specter_exporters.logs.schema import RequestsSchema
from specter_exporters.logs.series import OTHER, Bounds, Cell, HistogramCell

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
OTHER_METHOD = "_OTHER"
NOT_SERVED = frozenset({"400", "404", "405", "410", "414", "501"})
CACHED_PATHS = 20_000
CACHED_LENGTH = 300

Series = tuple[Cell, HistogramCell, Cell]


class Requests:
    """The requests of one log.

    A route is learnt from answers that something served: what a scanner asks for and does not find has the
    empty route, so that it cannot fill the table before the service's own routes have been seen.
    """

    def __init__(self, settings: RequestsSchema, context: Context) -> None:
        limits = {ROUTE: settings.max_routes + 2}
        store, log = context.store, context.log
        self._requests = store.counters(LOG_HTTP_REQUESTS, log, limits=limits)
        if settings.as_server:
            self._durations = store.histograms(HTTP_SERVER_REQUEST_DURATION, limits=limits)
        else:
            self._durations = store.histograms(LOG_HTTP_DURATION, log, limits=limits)
        self._bytes = store.counters(LOG_HTTP_RESPONSE_BYTES, log, limits=limits)
        self._router = Router(settings.routes)
        self._routes = Bounds((ROUTE,), {ROUTE: settings.max_routes}, settings.max_routes * 2)
        self._served: set[str] = {route for _, route, _ in self._requests.cells if route != OTHER}
        for route in self._served:
            self._routes.know((route,))
        self._overflow = store.overflow_of(LOG_HTTP_REQUESTS)
        self._paths: dict[str, tuple[str, bool]] = {}
        self._series: dict[tuple[object, str, object], Series] = {}

    def find(self, method: object, path: str, status: object) -> Series | None:
        """Return the series that a request counts in; None for what is no request."""
        known = self._paths.get(path)
        if known is None:
            known = self._router.route(path)
            if len(path) <= CACHED_LENGTH:
                if len(self._paths) >= CACHED_PATHS:
                    self._paths.clear()
                self._paths[path] = known
        try:
            found = self._series.get((method, known[0], status))
        except TypeError:  # a list or an object where a status should be
            return None
        if found is None:
            found = self._make(method, known, status)
        return found

    def _make(self, method: object, known: tuple[str, bool], status: object) -> Series | None:
        code = _status(status)
        if code is None:
            return None
        route, ruled = known
        name = method if isinstance(method, str) else ""
        name = name if name in METHODS else OTHER_METHOD
        label, final = self._label(route, ruled, code)
        requests, first = self._requests.find(name, label, code)
        durations, second = self._durations.find(name, label, code)
        sizes, third = self._bytes.find(label)
        series = (requests, durations, sizes)
        if final and first and second and third and type(status) in {int, str} and type(method) is str:
            if len(self._series) >= CACHED_PATHS:
                self._series.clear()
            self._series[method, route, status] = series
        return series

    def _label(self, route: str, ruled: bool, status: str) -> tuple[str, bool]:
        """Return the label of a route, and whether it stays so."""
        if not route or (route not in self._served and not ruled and status in NOT_SERVED):
            return "", False
        (label,) = self._routes.admit((route,), 0)
        if label == OTHER:
            self._overflow()
            return OTHER, False
        self._served.add(route)
        return label, True


def _status(value: object) -> str | None:
    text = value if isinstance(value, str) else str(value) if type(value) is int else ""
    return text if len(text) == 3 and text.isdecimal() and text.isascii() else None


def requests_rule(settings: RequestsSchema, context: Context) -> Rule:
    """Return what counts the requests of a log."""
    requests = Requests(settings, context)
    find = requests.find
    get_method, get_path = context.get(settings.method, "method"), context.get(settings.path, "path")
    get_status, get_bytes = context.get(settings.status, "status"), context.get(settings.bytes, "bytes")
    get_duration = context.get(settings.duration, "duration")
    scale = SECONDS[settings.duration_unit]
    accepts = condition(settings.when, context.watch)
    no_duration = context.field_error(LOG_HTTP_DURATION.name)
    no_size = context.field_error(LOG_HTTP_RESPONSE_BYTES.name)

    def rule(fields: Fields) -> None:
        path = get_path(fields)
        if type(path) is not str or (accepts is not None and not accepts(fields)):
            return
        series = find(get_method(fields), path, get_status(fields))
        if series is None:
            return
        series[0][0] += 1
        value = get_duration(fields)
        if value is not None:
            number = as_number(value)
            if number is None:
                no_duration()
            else:
                series[1].observe(number * scale)
        value = get_bytes(fields)
        if value is not None:
            number = as_number(value)
            if number is None:
                no_size()
            else:
                series[2][0] += number

    return rule
