"""FastAPI, Starlette and Django on real servers: uvicorn alone, with workers, and gunicorn's ASGI workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.exporters.serving import Server, serving, until

pytestmark = pytest.mark.integration

FASTAPI = """\
import asyncio
import os
import time

from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from specter_exporters.app import AsgiMiddleware, Check, Health, HealthAsgi, Recorder

api = FastAPI()


@api.get("/items/{item}")
async def item(item: int):
    return {"item": item, "pid": os.getpid()}


@api.get("/threaded/{item}")
def threaded(item: int):
    return {"item": item}


@api.post("/upload")
async def upload(request: Request):
    return {"size": len(await request.body())}


@api.get("/block")
async def block():
    time.sleep(0.6)
    return {}


@api.get("/boom")
async def boom():
    raise LookupError


async def page(request):
    return PlainTextResponse("page")


async def database():
    await asyncio.sleep(0)

api.mount("/site/{tenant}", Starlette(routes=[Route("/page/{name}", page)]))
recorder = Recorder(service_name="shop", service_version="1.4.2")
health = Health([Check("database", database)], recorder.registry)
app = HealthAsgi(health, AsgiMiddleware(api, recorder, metrics_path="/metrics"))
"""
DJANGO = """\
import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

from specter_exporters.app import AsgiMiddleware, Recorder, WsgiMiddleware

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="test",
    MIDDLEWARE=["specter_exporters.app.django_route"],
)
django.setup()


def year(request, year):
    return HttpResponse(f"{year}")


async def year_async(request, year):
    return HttpResponse(f"{year}")


urlpatterns = [path("articles/<int:year>/", year), path("news/<int:year>/", year_async)]
asgi = AsgiMiddleware(get_asgi_application(), Recorder(), metrics_path="/metrics")
wsgi = WsgiMiddleware(get_wsgi_application(), Recorder(), metrics_path="/metrics")
"""
COUNT = "http_server_request_duration_seconds_count"
HOOKS = "from specter_exporters.app.gunicorn import *\n"
UVICORN = ["uvicorn", "--host", "127.0.0.1", "--port", "0"]


@pytest.fixture
def fastapi(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "shop.py").write_text(FASTAPI, encoding="utf-8")
    with serving([*UVICORN, "shop:app"], tmp_path) as server:
        yield server


def test_fastapi_and_starlette_on_uvicorn(fastapi: Server) -> None:
    for path in ["/items/7", "/items/8", "/threaded/7", "/site/acme/page/home", "/boom", "/nowhere"]:
        fastapi.get(path)
    requests.post(f"{fastapi.url}/upload", data=b"x" * 5000, timeout=10)
    requests.post(f"{fastapi.url}/upload", data=iter([b"x" * 3000, b"y" * 4000]), timeout=10)
    found = fastapi.scrape()
    assert {labels: value for (name, labels), value in found.items() if name == COUNT} == {
        ("GET", "200", "/items/{item}"): 2,
        ("GET", "200", "/threaded/{item}"): 1,
        ("GET", "200", "/site/{tenant}/page/{name}"): 1,
        ("GET", "500", "/boom"): 1,
        ("GET", "404", ""): 1,
        ("POST", "200", "/upload"): 2,
    }
    assert found["http_server_request_body_size_bytes_sum", ("POST", "/upload")] == 12000
    assert found["specter_http_server_exceptions_total", ("LookupError", "/boom")] == 1
    assert found["specter_http_server_workers", ()] == 1
    assert ("specter_http_server_slots", ()) not in found


def test_a_blocking_handler_and_the_thread_pool_show_on_uvicorn(fastapi: Server) -> None:
    fastapi.get("/threaded/7")
    fastapi.get("/block")
    above = ("specter_event_loop_lag_seconds_bucket", ("0.25",))
    total = ("specter_event_loop_lag_seconds_count", ())
    until(lambda: (found := fastapi.scrape()).get(total, 0) > found.get(above, 0), "a lag above 0.25 s")
    assert fastapi.scrape()["specter_threadpool_max_threads", ()] == 40


def test_health_on_uvicorn(fastapi: Server) -> None:
    found = fastapi.get("/healthz")
    assert (found.status_code, found.json()["checks"]["database"]["status"]) == (200, "ok")
    assert fastapi.scrape()["specter_health_check_up", ("database",)] == 1


def total_over_workers(server: Server) -> None:
    """Send requests until two workers have answered; every scrape must count them all."""
    pids: set[int] = set()
    sent = 0

    def another() -> bool:
        nonlocal sent
        pids.add(server.get("/items/1").json()["pid"])
        sent += 1
        return len(pids) > 1

    until(another, "answers of two workers")
    until(lambda: server.requests("/items/{item}") >= sent, "the count")
    for _ in range(10):
        found = server.scrape()
        assert found[COUNT, ("GET", "200", "/items/{item}")] == sent
        assert found["specter_http_server_workers", ()] == 2


def test_uvicorn_with_workers_counts_together_in_a_folder_of_the_environment(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(FASTAPI, encoding="utf-8")
    environment = {"SPECTER_WORKERS_DIR": str(tmp_path / "workers")}
    with serving([*UVICORN, "--workers", "2", "shop:app"], tmp_path, environment) as server:
        total_over_workers(server)
    with serving([*UVICORN, "--workers", "2", "shop:app"], tmp_path, environment) as server:
        assert server.requests("/items/{item}") > 0
        until(lambda: server.scrape()["specter_http_server_workers", ()] == 2, "two workers")


@pytest.mark.parametrize("worker", ["asgi", "uvicorn.workers.UvicornWorker"])
def test_gunicorn_with_asgi_workers_counts_together(tmp_path: Path, worker: str) -> None:
    (tmp_path / "shop.py").write_text(FASTAPI, encoding="utf-8")
    (tmp_path / "conf.py").write_text(HOOKS, encoding="utf-8")
    command = ["gunicorn", "-c", "conf.py", "-b", "127.0.0.1:0", "-w", "2", "--no-control-socket"]
    with serving([*command, "-k", worker, "shop:app"], tmp_path) as server:
        total_over_workers(server)
        assert ("specter_http_server_slots", ()) not in server.scrape()


@pytest.mark.parametrize(
    "command",
    [
        [*UVICORN, "site_:asgi"],
        ["gunicorn", "-c", "conf.py", "-b", "127.0.0.1:0", "-w", "2", "--no-control-socket", "site_:wsgi"],
    ],
)
def test_django_synchronous_and_asynchronous(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "site_.py").write_text(DJANGO, encoding="utf-8")
    (tmp_path / "conf.py").write_text(HOOKS, encoding="utf-8")
    with serving(command, tmp_path) as server:
        for path in ["/articles/2024/", "/articles/2025/", "/news/2025/", "/nowhere/"]:
            server.get(path)
        until(lambda: server.requests("") >= 1, "the last count")
        found = server.scrape()
    assert {labels: value for (name, labels), value in found.items() if name == COUNT} == {
        ("GET", "200", "/articles/<int:year>/"): 2,
        ("GET", "200", "/news/<int:year>/"): 1,
        ("GET", "404", ""): 1,
    }
