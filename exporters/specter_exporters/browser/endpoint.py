"""The beacon's HTTP endpoint, `POST /beacon`: a WSGI application that browsers of everybody may reach."""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from specter_core.clock import Clock, SystemClock
from specter_exporters import bodies
from specter_exporters.answers import Answer, Headers, ProblemError, as_json
from specter_exporters.bodies import BodyBrokenError, BodyTooLargeError, BodyTypeError, NoJsonError, load_json
from specter_exporters.browser.clients import ClientLimits
from specter_exporters.browser.measurements import MeasurementError, measurement
from specter_exporters.browser.openapi import BEACON, DOCUMENT, MAX_MEASUREMENTS, document
from specter_exporters.browser.origins import Origins
from specter_exporters.browser.pages import Pages
from specter_exporters.browser.recorder import Vitals
from specter_exporters.proxies import TrustedProxies

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOGGER = logging.getLogger(__name__)
# What browsers let sendBeacon send (https://fetch.spec.whatwg.org, keepalive requests).
MAX_BODY_BYTES = 64 * 1024

# A text is what sendBeacon sends without a preflight.
CONTENT_TYPES = frozenset({"text/plain", "application/json"})


@dataclass(frozen=True, slots=True)
class BeaconOptions:
    """Whose measurements are taken, how they are labelled, and how many.

    Args:
        origins: whose pages may send.
        pages: the templates that become labels.
        requests_per_second: of all clients on average; twice as many at once.
        client_requests_per_second: of one client, likewise.
        proxies: whose X-Forwarded-For is believed.
    """

    origins: Origins
    pages: Pages
    requests_per_second: float = 500.0
    client_requests_per_second: float = 10.0
    proxies: TrustedProxies = field(default_factory=TrustedProxies)


def beacon_app(vitals: Vitals, options: BeaconOptions, clock: Clock | None = None) -> "WSGIApplication":
    """Return the application; its paths are those of the OpenAPI document at `/openapi.json`."""
    return Beacon(vitals, options, SystemClock() if clock is None else clock)


class Beacon:
    """Takes measurements of pages.

    Anybody can send to it what they like: an Origin is what a browser says, and only a browser. So it is no
    proof; what bounds a liar are the limits, the templates and the ranges.

    Args:
        vitals: where measurements are counted.
        options: see `BeaconOptions`.
        clock: monotonic time for the limits.
    """

    def __init__(self, vitals: Vitals, options: BeaconOptions, clock: Clock) -> None:
        self._vitals = vitals
        self._options = options
        self._limits = ClientLimits(
            options.client_requests_per_second, options.requests_per_second, clock.monotonic
        )
        self._routes: dict[str, dict[str, Callable[[WSGIEnvironment], Answer]]] = {
            BEACON: {"POST": self._take, "OPTIONS": self._preflight},
            DOCUMENT: {"GET": _document},
            "/-/healthy": {"GET": lambda _environ: Answer(200, b"healthy\n", "text/plain; charset=utf-8")},
        }

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one request."""
        answer = self._answer(environ)
        bodies.drain(environ)
        own: Headers = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
        return answer.send(environ, start_response, (*self._options.origins.headers(_origin(environ)), *own))

    def _answer(self, environ: "WSGIEnvironment") -> Answer:
        try:
            return self._serve(environ)
        except ProblemError as error:
            problem = error
        except Exception:
            LOGGER.exception("a request to the beacon failed")
            problem = ProblemError(
                500, "the request failed by a defect", "The log says where.", reason="defect"
            )
        if problem.reason:
            self._vitals.refuse(problem.reason)
        return problem.answer()

    def _serve(self, environ: "WSGIEnvironment") -> Answer:
        methods = self._routes.get(environ.get("PATH_INFO", ""))
        if methods is None:
            raise ProblemError(404, "there is nothing at this path", f"Send measurements to POST {BEACON}.")
        serve = methods.get(environ["REQUEST_METHOD"])
        if serve is None:
            allowed = ", ".join(methods)
            raise ProblemError(
                405, "the path does not know this method", f"Use {allowed}.", (("Allow", allowed),)
            )
        return serve(environ)

    def _preflight(self, environ: "WSGIEnvironment") -> Answer:
        """Answer what comes before a request; it is counted where it is refused, so that none follows."""
        try:
            self._admit(environ)
        except ProblemError:
            self._vitals.request()
            raise
        return Answer(204, headers=self._options.origins.preflight())

    def _take(self, environ: "WSGIEnvironment") -> Answer:
        self._vitals.request()
        self._admit(environ)
        items = _items(environ)
        refused: list[dict[str, Any]] = []
        for index, item in enumerate(items):
            try:
                self._vitals.add(measurement(item, self._options.pages))
            except MeasurementError as error:
                self._vitals.refuse_measurement(error.reason)
                refused.append({"index": index, "reason": error.reason, "detail": str(error)})
        if len(refused) < len(items):
            self._vitals.take()
        if refused:
            raise ProblemError(
                422,
                f"{len(refused)} of {len(items)} measurements are refused: {refused[0]['detail']}",
                "Correct what is refused; the others are taken.",
                reason="invalid",
                more={"accepted": len(items) - len(refused), "refused": refused},
            )
        return Answer(204)

    def _admit(self, environ: "WSGIEnvironment") -> None:
        """Refuse a request of another site or of a client that sends too many."""
        if not self._options.origins.allows(_origin(environ)):
            raise ProblemError(
                403,
                "the Origin is missing or not allowed",
                "Add the site's origin to allowed_origins.",
                reason="origin",
            )
        client = self._options.proxies.client_of(environ)
        # A client's own limit first: what it stops takes nothing away from the others.
        _wait(self._limits.client_wait(client), "client_rate", "this client sends")
        _wait(self._limits.total_wait(), "total_rate", "all clients together send")


def _wait(seconds: float, reason: str, who: str) -> None:
    if seconds > 0:
        later: Headers = (("Retry-After", str(math.ceil(seconds))),)
        raise ProblemError(
            429, f"{who} more than is taken", "Send several measurements at once.", later, reason=reason
        )


def _origin(environ: "WSGIEnvironment") -> str:
    origin: str = environ.get("HTTP_ORIGIN", "")
    return origin


def _items(environ: "WSGIEnvironment") -> list[Any]:
    """Return the measurements in the body: one, or a list of them."""
    try:
        found = load_json(bodies.read_body(environ, MAX_BODY_BYTES, CONTENT_TYPES))
    except BodyTypeError:
        raise ProblemError(
            415,
            "the body is neither text/plain nor application/json",
            "Send JSON, not compressed.",
            reason="content_type",
        ) from None
    except BodyTooLargeError:
        raise _too_large(f"the body may have {MAX_BODY_BYTES} bytes") from None
    except BodyBrokenError:
        raise ProblemError(
            400,
            "the body cannot be read to its end",
            "Send as many bytes as Content-Length says.",
            reason="unreadable",
        ) from None
    except NoJsonError as error:
        raise ProblemError(
            400,
            f"the body is not JSON: {error}",
            f"See {DOCUMENT} for what it has to be.",
            reason="unreadable",
        ) from None
    items = found if isinstance(found, list) else [found]
    if not items:
        raise ProblemError(422, "there is no measurement in the list", "Send one at least.", reason="invalid")
    if len(items) > MAX_MEASUREMENTS:
        raise _too_large(f"{len(items)} measurements, at most {MAX_MEASUREMENTS} are taken at once")
    return items


def _too_large(detail: str) -> ProblemError:
    return ProblemError(
        413, detail, "Send fewer measurements at once, without their entries.", reason="too_large"
    )


def _document(_environ: "WSGIEnvironment") -> Answer:
    return Answer(200, as_json(document()))
