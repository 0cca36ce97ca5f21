"""Django's route, noted by a middleware of Django's kind around request objects of its shape."""

from types import SimpleNamespace
from typing import Any

from specter_exporters.app import AsgiMiddleware, Recorder, WsgiMiddleware, django_route
from tests.exporters.driving import AsgiServer, get, http_scope, recorded

MATCH = SimpleNamespace(route="articles/<int:year>/")


def test_wsgi_request() -> None:
    def get_response(request: Any) -> str:
        request.resolver_match = None if request.environ["PATH_INFO"] == "/none" else MATCH
        return "body"

    def app(environ: Any, start_response: Any) -> list[bytes]:
        body = django_route(get_response)(SimpleNamespace(environ=environ, resolver_match=None))
        start_response("200 OK", [])
        return [body.encode()]

    recorder = Recorder()
    middleware = WsgiMiddleware(app, recorder)
    get(middleware, "/articles/2024/")
    get(middleware, "/none")
    assert recorded(recorder.registry) == {("GET", "/articles/<int:year>/", "200"): 1, ("GET", "", "200"): 1}


def test_asgi_request() -> None:
    async def get_response(request: Any) -> bytes:
        request.resolver_match = MATCH
        return b"body"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = await django_route(get_response)(SimpleNamespace(scope=scope, resolver_match=None))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    recorder, server = Recorder(), AsgiServer()
    server.serve(AsgiMiddleware(app, recorder), http_scope("/articles/2024/"))
    assert server.body == b"body"
    assert recorded(recorder.registry) == {("GET", "/articles/<int:year>/", "200"): 1}


def test_django_may_pass_either_kind() -> None:
    assert (django_route.sync_capable, django_route.async_capable) == (True, True)  # type: ignore[attr-defined]
