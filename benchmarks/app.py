"""Exporters of applications: what a request, an event, a log line and a source of sign-ins cost.

Overheads of instrumentation are processor time, because the machine is shared: every round times the
bare application, the instrumented one and the peer one after the other, and the
median of the rounds' differences is reported.
"""

import asyncio
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import process_time
from typing import Any

import click
from flask import Flask
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_flask_exporter import PrometheusMetrics
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from werkzeug.test import EnvironBuilder

from benchmarks import report
from benchmarks.apps.business import report_business
from benchmarks.apps.logs import report_log_lines
from benchmarks.apps.signin import report_calls, report_heavy_hitters
from specter_exporters.app import AsgiMiddleware, Recorder, SpecterFlask, WsgiMiddleware

ROUTES = 40
URLS = 20_000
PEER = "prometheus_flask_exporter"
STARLETTE_PEER = "starlette_exporter"
FASTAPI_PEER = "prometheus-fastapi-instrumentator"
US = 1e6
KB = 1000

PARTS = ("requests", "business", "signin", "logs")

Driver = Callable[[int], float]


@click.command("app")
@click.option("--rounds", default=40, show_default=True, help="Interleaved rounds.")
@click.option("--requests", default=500, show_default=True, help="Requests of each application a round.")
@click.option(
    "--part", "parts", type=click.Choice(PARTS), multiple=True, help="Measure this alone; may be repeated."
)
def suite(rounds: int, requests: int, parts: tuple[str, ...]) -> None:
    """Measure the exporters of applications: what a request, an event, a line and a source cost."""
    measures: dict[str, Callable[[], None]] = {
        "requests": lambda: report_requests(rounds, requests),
        "business": report_business,
        "signin": report_signin,
        "logs": report_log_lines,
    }
    for name, measure in measures.items():
        if not parts or name in parts:
            measure()


def report_signin() -> None:
    """Count failures of ten million addresses, and time single calls."""
    report_heavy_hitters()
    report_calls()


def report_requests(rounds: int, requests: int) -> None:
    """Measure what instrumentation costs a request, and the size of the exposition."""
    with tempfile.TemporaryDirectory() as folder:
        flask = _medians(_flask_drivers(Path(folder)), rounds, requests)
    report("flask_bare_us", flask["bare"], "us")
    report("flask_overhead_us", flask["ours"], "us", baseline=flask["peer"], baseline_name=PEER)
    report("flask_overhead_with_exemplar_us", flask["traced"], "us")
    report("flask_overhead_as_worker_us", flask["worker"], "us")
    starlette = _medians(_starlette_drivers(), rounds, requests)
    report("asgi_bare_us", starlette["bare"], "us")
    overhead, peer = starlette["ours"], starlette["peer"]
    report("asgi_overhead_us", overhead, "us", baseline=peer, baseline_name=STARLETTE_PEER)
    fastapi = _medians(_fastapi_drivers(), rounds, requests)
    report("asgi_fastapi_bare_us", fastapi["bare"], "us")
    overhead, peer = fastapi["ours"], fastapi["peer"]
    report("asgi_fastapi_overhead_us", overhead, "us", baseline=peer, baseline_name=FASTAPI_PEER)
    size, peer_size = _exposition_sizes()
    peer_name = f"{PEER}, its default path label"
    report("exposition_20k_urls_kb", size, "kB", baseline=peer_size, baseline_name=peer_name)


def _medians(drivers: dict[str, Driver], rounds: int, requests: int) -> dict[str, float]:
    """Return the microseconds of `bare` and, for every other driver, those on top of it."""
    times: dict[str, list[float]] = {name: [] for name in drivers}
    for drive in drivers.values():
        drive(requests)  # warm
    for _ in range(rounds):
        bare = drivers["bare"](requests)
        times["bare"].append(bare)
        for name, drive in drivers.items():
            if name != "bare":
                times[name].append(drive(requests) - bare)
    return {name: statistics.median(values) * US for name, values in times.items()}


def _flask(routes: int = 1) -> Flask:
    app = Flask("bench")

    def view(number: int) -> str:
        return f"{number}"

    for route in range(routes):
        app.add_url_rule(f"/r{route}/<int:number>", f"view{route}", view)
    return app


def _flask_drivers(folder: Path) -> dict[str, Driver]:
    bare, ours, peer, worker = _flask(), _flask(), _flask(), _flask()
    recorder = Recorder(service_name="bench", service_version="1", workers_folder=folder)
    worker.wsgi_app = WsgiMiddleware(worker.wsgi_app, recorder)  # type: ignore[method-assign]
    SpecterFlask(ours, service_name="bench", service_version="1")
    PrometheusMetrics(peer, registry=CollectorRegistry(), group_by="url_rule")
    environ = EnvironBuilder(path="/r0/7").get_environ()

    traced = {**environ, "HTTP_TRACEPARENT": f"00-{'4b' * 16}-{'3c' * 8}-01"}

    def driver(app: Flask, environ: dict[str, Any]) -> Driver:
        def drive(requests: int) -> float:
            started = process_time()
            for _ in range(requests):
                _serve(app, dict(environ))
            return (process_time() - started) / requests

        return drive

    return {
        "bare": driver(bare, environ),
        "ours": driver(ours, environ),
        "peer": driver(peer, environ),
        "traced": driver(ours, traced),
        "worker": driver(worker, environ),
    }


def _start_response(status: str, _headers: list[tuple[str, str]], _exc_info: object = None) -> Any:
    if not status.startswith("200"):
        raise RuntimeError(f"the application answered {status}")


def _serve(app: Flask, environ: dict[str, Any]) -> None:
    body: Any = app(environ, _start_response)
    for _ in body:
        pass
    body.close()


AsgiApp = Callable[..., Awaitable[None]]


def _asgi_driver(app: AsgiApp) -> Driver:
    def drive(requests: int) -> float:
        return asyncio.run(_serve_asgi(app, requests))

    return drive


def _starlette_drivers() -> dict[str, Driver]:
    # Here, because it imports OpenTelemetry's API, which services of Flask need not have.
    from starlette_exporter import PrometheusMiddleware  # noqa: PLC0415

    async def view(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    def app() -> Starlette:
        return Starlette(routes=[Route("/items/{number:int}", view)])

    peer = app()
    peer.add_middleware(PrometheusMiddleware)
    return {
        "bare": _asgi_driver(app()),
        "ours": _asgi_driver(AsgiMiddleware(app(), Recorder())),
        "peer": _asgi_driver(peer),
    }


def _fastapi_drivers() -> dict[str, Driver]:
    from fastapi import FastAPI  # noqa: PLC0415  (as above)
    from prometheus_fastapi_instrumentator import Instrumentator  # noqa: PLC0415

    async def view(number: int) -> PlainTextResponse:
        return PlainTextResponse(f"{number}")

    def app() -> FastAPI:
        made = FastAPI()
        made.add_api_route("/items/{number}", view)
        return made

    peer = app()
    Instrumentator(registry=CollectorRegistry()).instrument(peer)
    return {
        "bare": _asgi_driver(app()),
        "ours": _asgi_driver(AsgiMiddleware(app(), Recorder())),
        "peer": _asgi_driver(peer),
    }


async def _serve_asgi(app: AsgiApp, requests: int) -> float:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message.get("status", 200) != 200:
            raise RuntimeError(f"the application answered {message['status']}")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/items/7",
        "raw_path": b"/items/7",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"user-agent", b"bench"), (b"accept", b"*/*")],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 80),
    }
    started = process_time()
    for _ in range(requests):
        await app(dict(scope), receive, send)
    return (process_time() - started) / requests


def _exposition_sizes() -> tuple[float, float]:
    """Return the kilobytes exposed after `URLS` distinct URLs over `ROUTES` routes: ours, the peer's."""
    ours, peer = _flask(ROUTES), _flask(ROUTES)
    extension = SpecterFlask(ours, service_name="bench", service_version="1")
    registry = CollectorRegistry()
    PrometheusMetrics(peer, registry=registry)
    environ = EnvironBuilder(path="/").get_environ()
    for number in range(URLS):
        path = f"/r{number % ROUTES}/{number}"
        for app in (ours, peer):
            _serve(app, {**environ, "PATH_INFO": path})
    return len(generate_latest(extension.recorder.registry)) / KB, len(generate_latest(registry)) / KB
