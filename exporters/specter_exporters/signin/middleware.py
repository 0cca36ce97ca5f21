"""Count the requests of a web application by source: in front of any WSGI or ASGI application.

Both middlewares leave the client's address with the request, for the view that signs in:
`environ["specter.source"]` (Flask: `request.environ[...]`), `scope["specter.source"]`.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

from specter_exporters.proxies import TrustedProxies
from specter_exporters.signin.recorder import SignIns

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SOURCE = "specter.source"
Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
AsgiApp = Callable[
    [Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]


def source_of_environ(environ: "WSGIEnvironment", proxies: TrustedProxies) -> str:
    """Return the client's address of a WSGI request."""
    return proxies.client_of(environ)


def source_of_scope(scope: Scope, proxies: TrustedProxies) -> str:
    """Return the client's address of an ASGI request."""
    peer = (scope.get("client") or ("",))[0] or ""
    hops = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return proxies.client(peer, b",".join(hops).decode("latin-1"))


class WsgiRequestSources:
    """WSGI middleware: record each request's source and user agent.

    Args:
        app: the application, for example Flask's `app.wsgi_app`.
        signins: where to.
        proxies: whose `X-Forwarded-For` is believed; nobody's by default.
    """

    def __init__(
        self, app: "WSGIApplication", signins: SignIns, proxies: TrustedProxies | None = None
    ) -> None:
        self._app = app
        self._signins = signins
        self._proxies = TrustedProxies() if proxies is None else proxies
        signins.watch_requests()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one request."""
        environ[SOURCE] = source = source_of_environ(environ, self._proxies)
        self._signins.request(source, environ.get("HTTP_USER_AGENT"))
        return self._app(environ, start_response)


class AsgiRequestSources:
    """ASGI middleware: record the source and user agent of each HTTP request and WebSocket handshake.

    Args:
        app: the application.
        signins: where to.
        proxies: whose `X-Forwarded-For` is believed; nobody's by default.
    """

    def __init__(self, app: AsgiApp, signins: SignIns, proxies: TrustedProxies | None = None) -> None:
        self._app = app
        self._signins = signins
        self._proxies = TrustedProxies() if proxies is None else proxies
        signins.watch_requests()

    async def __call__(
        self,
        scope: Scope,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Serve one connection; `lifespan` passes through."""
        if scope["type"] in {"http", "websocket"}:
            scope[SOURCE] = source = source_of_scope(scope, self._proxies)
            agent = next((value for name, value in scope["headers"] if name == b"user-agent"), None)
            self._signins.request(source, None if agent is None else agent.decode("latin-1"))
        await self._app(scope, receive, send)
