"""Route templates of real Starlette applications, through httpx."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from specter_exporters.app import AsgiMiddleware, Recorder
from tests.exporters.driving import EXCEPTIONS, active, recorded, value


class Boom(Exception):  # noqa: N818
    """What handlers raise here."""


async def ok(request: Request) -> Response:
    return PlainTextResponse("ok")


async def also_ok(request: Request) -> Response:
    return PlainTextResponse("ok")


async def boom(request: Request) -> Response:
    raise Boom


async def stream(request: Request) -> Response:
    async def rows() -> Any:
        for number in range(3):
            yield f"{number}\n"

    return StreamingResponse(rows())


async def background(request: Request) -> Response:
    async def task() -> None:
        raise Boom

    return PlainTextResponse("ok", background=BackgroundTask(task))


class Hiding:
    """A middleware that hides the routes of what it wraps."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


class Endpoint(Hiding):
    """Make a scope look as Starlette left it before 1.0: an endpoint and no route."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            scope.pop("route", None)


class EarlyEndpoint(Hiding):
    """The same, before the response starts."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            scope.pop("route", None)
            await send(message)

        await self.app(scope, receive, sending)


def routes(folder: Path) -> list[BaseRoute]:
    shared = Router(routes=[Route("/thing/{id}", ok)])
    return [
        Route("/", ok),
        Route("/items/{id:int}", also_ok, methods=["GET", "PUT"]),
        Route("/boom", boom),
        Route("/stream", stream),
        Route("/background", background),
        Mount(
            "/users/{user}",
            routes=[Route("/", ok), Mount("/orders", routes=[Route("/{order}", also_ok)])],
        ),
        Mount("/v1", app=shared),
        Mount("/v2", app=shared),
        Mount("/sub", app=Starlette(routes=[Route("/inner/{id}", ok), Route("/boom", boom)])),
        Mount("/hidden", app=Hiding(Starlette(routes=[Route("/deep/{id}", also_ok)]))),
        Mount("/static", app=StaticFiles(directory=folder)),
        Host("api.example", app=Router(routes=[Route("/by-host/{id}", ok)])),
    ]


def serve(app: Any, path: str, method: str = "GET", host: str = "shop.example") -> int:
    async def request() -> int:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return (await client.request(method, path)).status_code

    return asyncio.run(request())


CASES = [
    ("/", "/", 200),
    ("/items/7", "/items/{id:int}", 200),
    ("/items/seven", "", 404),
    ("/items/7/", "", 307),
    ("/nowhere/secret", "", 404),
    ("/stream", "/stream", 200),
    ("/boom", "/boom", 500),
    ("/users/ada/", "/users/{user}/", 200),
    ("/users/ada/orders/9", "/users/{user}/orders/{order}", 200),
    ("/users/ada/nowhere", "", 404),
    ("/v1/thing/1", "/v1/thing/{id}", 200),
    ("/v2/thing/1", "/v2/thing/{id}", 200),
    ("/sub/inner/1", "/sub/inner/{id}", 200),
    ("/sub/nowhere", "", 404),
    ("/sub/boom", "/sub/boom", 500),
    ("/hidden/deep/1", "/hidden/deep/{id}", 200),
    ("/static/style.css", "/static", 200),
    ("/static/none.css", "/static", 404),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "style.css").write_text("p {}", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(("path", "route", "status"), CASES)
def test_request_is_recorded_by_its_template(folder: Path, path: str, route: str, status: int) -> None:
    recorder = Recorder()
    app = AsgiMiddleware(Starlette(routes=routes(folder)), recorder)
    for _ in range(2):  # the second is answered from the cache
        assert serve(app, path) == status
    assert recorded(recorder.registry) == {("GET", route, str(status)): 2}
    assert active(recorder.registry) == 0


def test_all_of_them_through_one_middleware(folder: Path) -> None:
    recorder = Recorder()
    app = AsgiMiddleware(Starlette(routes=routes(folder)), recorder)
    for path, _, status in CASES + CASES:
        assert serve(app, path) == status
    expected: dict[tuple[str, str, str], float] = {}
    for _, route, status in CASES:
        key = ("GET", route, str(status))
        expected[key] = expected.get(key, 0) + 2
    assert recorded(recorder.registry) == expected


@pytest.mark.parametrize("older", [Endpoint, EarlyEndpoint])
@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/items/7", "/items/{id:int}", 200),
        ("/users/ada/orders/9", "/users/{user}/orders/{order}", 200),
        ("/v2/thing/1", "/v2/thing/{id}", 200),
        ("/static/style.css", "/static", 200),
        ("/nowhere", "", 404),
    ],
)
def test_starlette_that_leaves_only_the_endpoint(
    folder: Path, older: Any, path: str, route: str, status: int
) -> None:
    recorder = Recorder()
    app = AsgiMiddleware(older(Starlette(routes=routes(folder))), recorder)
    for _ in range(2):
        assert serve(app, path) == status
    assert recorded(recorder.registry) == {("GET", route, str(status)): 2}


def test_wrong_method_is_recorded_by_the_template_it_missed(folder: Path) -> None:
    recorder = Recorder()
    app = AsgiMiddleware(Starlette(routes=routes(folder)), recorder)
    assert serve(app, "/items/7", "DELETE") == 405
    assert serve(app, "/items/7", "HEAD") == 200
    assert recorded(recorder.registry) == {
        ("DELETE", "/items/{id:int}", "405"): 1,
        ("HEAD", "/items/{id:int}", "200"): 1,
    }


def test_route_of_a_host(folder: Path) -> None:
    recorder = Recorder()
    app = AsgiMiddleware(Starlette(routes=routes(folder)), recorder)
    assert serve(app, "/by-host/1", host="api.example") == 200
    assert recorded(recorder.registry) == {("GET", "/by-host/{id}", "200"): 1}


def test_exception_is_counted_by_class_and_template(folder: Path) -> None:
    recorder = Recorder()
    serve(AsgiMiddleware(Starlette(routes=routes(folder)), recorder), "/boom")
    boom_class = f"{Boom.__module__}.Boom"
    assert value(recorder.registry, EXCEPTIONS, http_route="/boom", exception=boom_class) == 1


def test_failing_background_task_leaves_the_response_a_200(folder: Path) -> None:
    recorder = Recorder()
    serve(AsgiMiddleware(Starlette(routes=routes(folder)), recorder), "/background")
    boom_class = f"{Boom.__module__}.Boom"
    assert recorded(recorder.registry) == {("GET", "/background", "200"): 1}
    assert value(recorder.registry, EXCEPTIONS, http_route="/background", exception=boom_class) == 1


def test_installed_as_starlette_middleware(folder: Path) -> None:
    recorder = Recorder()
    middleware = [Middleware(AsgiMiddleware, recorder=recorder, metrics_path="/metrics")]
    app = Starlette(routes=routes(folder), middleware=middleware)
    assert serve(app, "/users/ada/orders/9") == 200
    assert serve(app, "/boom") == 500
    assert serve(app, "/metrics") == 200
    assert recorded(recorder.registry) == {
        ("GET", "/users/{user}/orders/{order}", "200"): 1,
        ("GET", "/boom", "500"): 1,
    }


def test_framework_with_a_route_and_no_router() -> None:
    class Matched:
        path = "/other/{id}"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = matched
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    matched = Matched()
    recorder = Recorder()
    assert serve(AsgiMiddleware(app, recorder), "/other/1") == 200
    assert recorded(recorder.registry) == {("GET", "/other/{id}", "200"): 1}
