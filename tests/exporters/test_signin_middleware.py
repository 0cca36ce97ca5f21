"""Requests are counted in front of an application, and the view learns who the client is."""

import pytest
from flask import Flask, request
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from specter_exporters.signin import SOURCE, AsgiRequestSources, Settings, TrustedProxies, WsgiRequestSources
from tests.exporters.driving import AsgiServer, http_scope
from tests.exporters.signin_driving import FIREFOX, driven, exposed

PROXIES = TrustedProxies(["127.0.0.1"])
REQUESTS = "specter_http_source_requests"
SHOWN = Settings(show_addresses=True, top_min_requests=1, top_min_failures=1)


def test_a_flask_application_counts_requests_and_failed_signins_by_the_client() -> None:
    signins, _ = driven(SHOWN)
    app = Flask("shop")

    @app.post("/login")
    def login() -> str:
        signins.attempt(request.environ[SOURCE], request.form["user"], "failed")
        return "no"

    app.wsgi_app = WsgiRequestSources(app.wsgi_app, signins, PROXIES)  # type: ignore[method-assign]
    client = app.test_client()
    spoofed = {"X-Forwarded-For": "8.8.8.8, 203.0.113.7", "User-Agent": FIREFOX}
    assert client.post("/login", data={"user": "ann"}, headers=spoofed).status_code == 200
    assert client.get("/", headers={"User-Agent": "curl/8"}).status_code == 404
    found = {source for grouping, source in exposed(signins, REQUESTS) if grouping == "address"}
    assert found == {"203.0.113.7", "127.0.0.1", "other"}
    assert exposed(signins, "specter_auth_source_failures")["address", "203.0.113.7"] == 1
    classes = exposed(signins, "specter_http_user_agent_requests_total")
    assert (classes["browser",], classes["script",]) == (1, 1)


def test_an_asgi_application_counts_requests_and_learns_the_client() -> None:
    signins, _ = driven(SHOWN)

    async def view(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.scope[SOURCE])

    app = AsgiRequestSources(Starlette(routes=[Route("/", view)]), signins, PROXIES)
    headers = [
        (b"x-forwarded-for", b"8.8.8.8"),
        (b"x-forwarded-for", b"2001:db8::9"),
        (b"user-agent", b"curl/8"),
    ]
    server = AsgiServer()
    server.serve(app, http_scope(headers=headers))
    assert (server.status, server.body) == (200, b"2001:db8::9")
    assert exposed(signins, REQUESTS)["address", "2001:db8::9"] == 1
    assert exposed(signins, "specter_http_user_agent_requests_total")["script",] == 1


def test_a_lifespan_passes_through_and_is_no_request() -> None:
    signins, _ = driven()
    server = AsgiServer({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    server.serve(AsgiRequestSources(Starlette(), signins), {"type": "lifespan", "asgi": {"version": "3.0"}})
    assert [message["type"] for message in server.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert sum(exposed(signins, "specter_http_user_agent_requests_total").values()) == 0


@pytest.mark.parametrize("peer", [None, ("", 0), ("/run/app.sock", 0)])
def test_a_client_without_an_address_is_invalid_and_no_error(peer: object) -> None:
    signins, _ = driven(SHOWN)
    server = AsgiServer()
    server.serve(AsgiRequestSources(Starlette(), signins), {**http_scope(), "client": peer})
    assert server.status == 404
    assert exposed(signins, REQUESTS)["address", "invalid"] == 1
