"""The WSGI application that jobs, those who look at them, and providers reach: who is asked for what."""

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from specter_core.clock import Clock
from specter_exporters import bodies
from specter_exporters.answers import Answer
from specter_exporters.browser.clients import ClientLimits
from specter_exporters.business.senders import Senders
from specter_exporters.jobs import pinging, pushing, reading
from specter_exporters.jobs.config import JobsConfig
from specter_exporters.jobs.deliveries import receiving
from specter_exporters.jobs.deliveries.receiving import Receiving
from specter_exporters.jobs.pinging import Pinging
from specter_exporters.jobs.pushing import Pushing
from specter_exporters.jobs.reading import Reading
from specter_exporters.jobs.store import StoreError
from specter_exporters.jobs.texts import RefusedError, limited, text

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LOGGER = logging.getLogger(__name__)
HEADERS = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Access-Control-Allow-Origin", "*"),
)


class Listener:
    """Serves pings, pushes, and questions.

    Args:
        pings: who takes pings.
        pushes: who takes pushes.
        questions: who answers what is known.
        deliveries: who takes what providers tell.
        config: the tokens, and the limits of who shows a wrong one.
        clock: monotonic time for the limits.
    """

    def __init__(
        self,
        pings: Pinging,
        pushes: Pushing,
        questions: Reading,
        deliveries: Receiving,
        config: JobsConfig,
        clock: Clock,
    ) -> None:
        self._pings = pings
        self._pushes = pushes
        self._questions = questions
        self._deliveries = deliveries
        self._config = config
        self._readers = Senders({"read": config.read_token} if config.read_token is not None else {})
        limits = config.limits
        self._strangers = ClientLimits(limits.failures_of_client, limits.requests, clock.monotonic)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one request."""
        try:
            answer = self._answer(environ)
        except RefusedError as error:
            answer = error.answer()
        except StoreError:
            answer = text(503, "the store does not answer, try again", ("Retry-After", "5"))
        except Exception:
            LOGGER.exception("a request failed")
            answer = text(500, "the request failed by a defect; the log says where")
        bodies.drain(environ)
        return answer.send(environ, start_response, HEADERS)

    def _answer(self, environ: "WSGIEnvironment") -> Answer:
        path = environ.get("PATH_INFO", "")
        if path.startswith(pinging.PREFIX):
            return self._pings.answer(environ)
        if path == "/-/healthy":
            return text(200, "healthy\n")
        if path.startswith(receiving.PREFIX):
            return self._deliveries.answer(path, environ)
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        if self._config.push_token is not None and _is(path, pushing.PREFIX, pushing.PREFIX + "@base64"):
            known = self._pushes.allows(authorization)
            return self._known(known, environ, lambda: self._pushes.answer(path, environ))
        if self._config.read_token is not None and _is(path, reading.PREFIX):
            known = self._readers.find(authorization) is not None
            return self._known(known, environ, lambda: self._questions.answer(path, environ))
        return text(404, "not found")

    def _known(self, known: bool, environ: "WSGIEnvironment", serve: Callable[[], Answer]) -> Answer:
        if known:
            return serve()
        limited(self._strangers.client_wait(self._config.proxies.client_of(environ)))
        return text(401, "show the token", ("WWW-Authenticate", 'Bearer realm="specter"'))


def _is(path: str, *prefixes: str) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in prefixes)
