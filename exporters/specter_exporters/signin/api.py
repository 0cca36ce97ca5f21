"""The HTTP API: events in, suspected breaches out; a WSGI application to be served or mounted.

Two tokens, because a service that reports sign-ins has no business reading whose account is in wrong hands.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from pydantic import ValidationError

from specter_core.clock import Clock, SystemClock
from specter_exporters import bodies
from specter_exporters.answers import JSON, Answer, ProblemError, as_json
from specter_exporters.bodies import BodyBrokenError, BodyTooLargeError, BodyTypeError
from specter_exporters.proxies import TrustedProxies
from specter_exporters.signin.events import NO_PROXIES, EventError, ingest_json
from specter_exporters.signin.openapi import BREACHES, DOCUMENT, SIGNINS, document
from specter_exporters.signin.recorder import SignIns
from specter_exporters.signin.schemas import BreachesModel, BreachesRequest, BreachModel
from specter_exporters.token_bucket import TokenBucket

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOGGER = logging.getLogger(__name__)
MAX_BODY = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """Who may do what, and how often.

    Args:
        write_token: for reporting events; without one nobody may.
        read_token: for reading suspected breaches; without one nobody may.
        requests_per_second: batches taken on average; twice as many at once.
        proxies: whose `forwarded_for` is believed.
    """

    write_token: str | None = field(default=None, repr=False)
    read_token: str | None = field(default=None, repr=False)
    requests_per_second: float = 200.0
    proxies: TrustedProxies = NO_PROXIES


def signin_api(signins: SignIns, options: ApiOptions, clock: Clock | None = None) -> "WSGIApplication":
    """Return the application; its paths are those of the OpenAPI document at `/api/v1/openapi.json`."""
    api = SignInApi(signins, options, SystemClock() if clock is None else clock)

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        try:
            answer = api.answer(environ)
        except ProblemError as problem:
            answer = problem.answer()
        except Exception:
            LOGGER.exception("%s failed", environ.get("PATH_INFO"))
            answer = ProblemError(500, "the request failed by a defect", "The log says where.").answer()
        bodies.drain(environ)
        return answer.send(environ, start_response, (("Cache-Control", "no-store"),))

    return app


class SignInApi:
    """The answers of the API.

    Args:
        signins: where events go and breaches come from.
        options: tokens and limits.
        clock: monotonic time for the limit.
    """

    def __init__(self, signins: SignIns, options: ApiOptions, clock: Clock) -> None:
        self._signins = signins
        self._options = options
        self._bucket = TokenBucket(options.requests_per_second, clock.monotonic)
        self._routes: dict[str, tuple[str, Callable[[WSGIEnvironment], Answer]]] = {
            SIGNINS: ("POST", self._take),
            BREACHES: ("GET", self._list),
            DOCUMENT: ("GET", lambda _environ: Answer(200, as_json(document()))),
        }

    def answer(self, environ: "WSGIEnvironment") -> Answer:
        """Return the answer to a request.

        Raises:
            ProblemError: it is not served.
        """
        route = self._routes.get(environ.get("PATH_INFO", ""))
        if route is None:
            raise ProblemError(404, "there is no such path", f"See {DOCUMENT} for what is there.")
        method, serve = route
        if environ["REQUEST_METHOD"] != method:
            raise ProblemError(405, f"this path takes {method}", f"Use {method}.", (("Allow", method),))
        return serve(environ)

    def _take(self, environ: "WSGIEnvironment") -> Answer:
        try:
            _check_token(environ, self._options.write_token, "write")
        except ProblemError:
            self._signins.refuse("unauthorized")
            raise
        wait = self._bucket.take(1)
        if wait > 0:
            self._signins.refuse("rate_limited")
            seconds = str(int(wait) + 1)
            raise ProblemError(
                429, "too many requests", "Send fewer, larger batches.", (("Retry-After", seconds),)
            )
        body = self._body(environ)
        try:
            accepted = ingest_json(self._signins, body, self._options.proxies)
        except EventError as error:
            raise ProblemError(422, str(error), f"Nothing was recorded. See {DOCUMENT}.") from None
        return Answer(202, as_json({"accepted": accepted}))

    def _body(self, environ: "WSGIEnvironment") -> bytes:
        try:
            return bodies.read_body(environ, MAX_BODY)
        except BodyTypeError:
            detail, action = "the body is not JSON", f"Send the header Content-Type: {JSON}, not compressed."
            raise ProblemError(415, detail, action) from None
        except BodyTooLargeError:
            self._signins.refuse("too_large")
            detail = f"the body is larger than {MAX_BODY} bytes"
            raise ProblemError(413, detail, "Send smaller batches.") from None
        except BodyBrokenError:
            self._signins.refuse("unreadable")
            detail = "the body cannot be read to its end"
            raise ProblemError(400, detail, "Send as many bytes as Content-Length says.") from None

    def _list(self, environ: "WSGIEnvironment") -> Answer:
        _check_token(environ, self._options.read_token, "read")
        given = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        try:
            wanted = BreachesRequest.model_validate(given)
        except ValidationError as error:
            names = sorted({str(each["loc"][0])[:40] for each in error.errors()})
            raise ProblemError(422, f"invalid: {', '.join(names)}", f"See {DOCUMENT}.") from None
        found = self._signins.breaches(wanted.limit, wanted.before)
        label = self._signins.labels.label
        breaches = [
            BreachModel(
                number=each.number,
                time=each.time,
                account=each.account,
                source=label(each.source),
                kind=each.kind,
                failures=each.failures,
                accounts_tried=each.accounts_tried,
            )
            for each in found
        ]
        more = len(found) == wanted.limit
        page = BreachesModel(breaches=breaches, next=found[-1].number if more else None)
        return Answer(200, as_json(page.model_dump()))


def _check_token(environ: "WSGIEnvironment", token: str | None, purpose: str) -> None:
    if token is None:
        raise ProblemError(403, f"no {purpose} token is configured", f"Set api.{purpose}_token_file.")
    scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    # WSGI hands headers over as Latin-1.
    if scheme.lower() != "bearer" or not compare_digest(
        given.strip().encode("latin-1", "replace"), token.encode()
    ):
        challenge = ("WWW-Authenticate", 'Bearer realm="specter"')
        action = f"Send the header Authorization: Bearer with the {purpose} token."
        raise ProblemError(401, "the token is missing or wrong", action, (challenge,))
