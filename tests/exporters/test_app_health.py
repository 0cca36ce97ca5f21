"""Health: bounded in time, remembered, one run at a time, through WSGI, ASGI and metrics."""

import asyncio
import json
import os
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry

from specter_core.errors import SpecterError
from specter_exporters.app import Check, Health, HealthAsgi, HealthWsgi
from specter_exporters.app.exposition import answer
from tests.exporters.driving import AsgiServer, Timer, WsgiServer, environ, http_scope, value
from tests.exporters.serving import until

UP = "specter_health_check_up"
DURATION = "specter_health_check_duration_seconds"


def fine() -> None:
    return


def refused() -> None:
    raise ConnectionRefusedError("postgres://shop:secret@db/shop")


async def fine_async() -> None:
    await asyncio.sleep(0)


async def refused_async() -> None:
    raise ConnectionRefusedError("secret")


def entry(health: Health, name: str) -> dict[str, Any]:
    found = health.report().document()["checks"][name]
    assert isinstance(found, dict)
    return found


async def no_messages(*_: Any) -> Any:
    pytest.fail("nothing is received or sent")


class Counted:
    """A check that counts its runs and ends when it is let go."""

    def __init__(self, *, free: bool = True) -> None:
        self.runs = 0
        self.go = threading.Event()
        if free:
            self.go.set()

    def __call__(self) -> None:
        self.runs += 1
        assert self.go.wait(30)


def test_all_well_is_200_and_says_of_each_check_how_long_it_took() -> None:
    health = Health([Check("db", fine), Check("mail", fine_async, critical=False)])
    report = health.report()
    document = report.document()
    assert (report.status, document["status"]) == (200, "ok")
    assert {name: found["status"] for name, found in document["checks"].items()} == {"db": "ok", "mail": "ok"}
    assert document["checks"]["mail"]["critical"] is False
    assert 0 <= document["checks"]["db"]["seconds"] < 2


@pytest.mark.parametrize(
    ("run", "error"),
    [
        (refused, "ConnectionRefusedError"),
        (refused_async, "ConnectionRefusedError"),
        (lambda: False, "returned false"),
    ],
)
def test_a_critical_failure_is_503_and_names_the_class_not_the_message(
    run: Callable[[], object], error: str
) -> None:
    report = Health([Check("db", run), Check("mail", fine)]).report()
    assert (report.status, report.document()["status"]) == (503, "failed")
    assert report.document()["checks"]["db"]["error"] == error
    assert "secret" not in json.dumps(report.document())


def test_an_optional_failure_is_200_and_degraded() -> None:
    report = Health([Check("db", fine), Check("mail", refused, critical=False)]).report()
    assert (report.status, report.document()["status"]) == (200, "degraded")


def test_a_check_that_hangs_fails_at_its_time_out_and_is_not_started_again() -> None:
    hanging = Counted(free=False)
    health = Health([Check("db", hanging, timeout=0.1), Check("mail", fine)], fresh=0)
    for _ in range(3):
        started = time.monotonic()
        assert entry(health, "db")["error"] == "timed out"
        assert time.monotonic() - started < 5
    assert hanging.runs == 1
    assert entry(health, "mail")["status"] == "ok"
    hanging.go.set()
    until(lambda: entry(health, "db")["status"] == "ok", "recovery")


def test_results_are_remembered_while_fresh() -> None:
    timer, check = Timer(), Counted()
    health = Health([Check("db", check)], fresh=5, timer=timer)
    health.report()
    timer.advance(4.9)
    assert entry(health, "db")["age_seconds"] == pytest.approx(4.9)
    assert check.runs == 1


def test_a_usable_result_is_the_answer_while_a_new_run_goes_on_behind_it() -> None:
    timer, check = Timer(), Counted()
    health = Health([Check("db", check)], fresh=5, usable=30, timer=timer)
    health.report()
    check.go.clear()
    timer.advance(10)
    for _ in range(5):
        assert entry(health, "db") == {"status": "ok", "critical": True, "seconds": 0.0, "age_seconds": 10.0}
    assert check.runs == 2
    check.go.set()
    until(lambda: entry(health, "db")["age_seconds"] == 0, "the new result")


def test_a_result_that_is_too_old_is_waited_for() -> None:
    timer, answers = Timer(), [None, False]
    health = Health([Check("db", lambda: answers.pop(0))], fresh=5, usable=30, timer=timer)
    assert entry(health, "db")["status"] == "ok"
    timer.advance(31)
    assert entry(health, "db")["status"] == "failed"


def test_many_who_ask_at_once_share_one_run() -> None:
    check = Counted(free=False)
    health = Health([Check("db", check)])
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(health.report().status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    until(lambda: check.runs == 1, "the run")
    check.go.set()
    for thread in threads:
        thread.join()
    assert (statuses, check.runs) == ([200] * 8, 1)


def test_coroutine_checks_run_on_the_loop_that_asks_and_do_not_block_it() -> None:
    loops: list[object] = []

    async def check() -> None:
        loops.append(asyncio.get_running_loop())

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                stubborn_cancelled.append(True)
                if len(stubborn_cancelled) > 1:
                    raise

    stubborn_cancelled: list[bool] = []
    hanging = Counted(free=False)
    health = Health(
        [
            Check("here", check),
            Check("stubborn", stubborn, timeout=0.05),
            Check("thread", hanging, timeout=0.05),
        ],
        fresh=0,
    )

    async def main() -> None:
        ticks = asyncio.create_task(asyncio.sleep(0.001))
        for _ in range(3):
            document = (await health.report_async()).document()
            assert document["checks"]["here"]["status"] == "ok"
            assert document["checks"]["stubborn"]["error"] == "timed out"
            assert document["checks"]["thread"]["error"] == "timed out"
        assert ticks.done()
        assert set(loops) == {asyncio.get_running_loop()}

    asyncio.run(main())
    hanging.go.set()
    assert len(stubborn_cancelled) == 2  # at its time-out, and by the end of the loop: one run
    assert hanging.runs == 1


@pytest.mark.parametrize(("ping", "error"), [(refused_async, "ConnectionRefusedError"), (fine_async, None)])
def test_what_a_plain_function_returns_to_be_awaited_is_awaited(
    ping: Callable[[], Awaitable[None]], error: str | None
) -> None:
    def run() -> Awaitable[None]:
        return ping()

    health = Health([Check("database", run)])
    assert entry(health, "database").get("error") == error
    assert asyncio.run(health.report_async()).document()["checks"]["database"].get("error") == error


def test_a_check_for_which_there_is_no_thread_has_failed_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timer = Timer()
    health = Health([Check("database", fine), Check("mail", fine)], timer=timer)
    with monkeypatch.context() as crowded:

        def start(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        crowded.setattr(threading.Thread, "start", start)
        report = health.report()
    assert report.status == 503
    assert {entry["error"] for entry in report.document()["checks"].values()} == {"RuntimeError"}
    timer.advance(6)
    assert health.report().status == 200


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_waits_for_no_run_of_its_parent() -> None:
    check = Counted(free=False)
    health = Health([Check("database", check, timeout=5.0)])
    list(health.collect())  # starts a run and waits for none
    until(lambda: check.runs == 1, "the run")
    child = os.fork()
    if not child:
        check.go.set()
        os._exit(health.report().status == 200)
    _, status = os.waitpid(child, 0)
    check.go.set()
    assert os.waitstatus_to_exitcode(status) == 1


def test_metrics_are_absent_before_the_first_run_and_when_out_of_date() -> None:
    timer, registry = Timer(), CollectorRegistry()
    check = Counted()
    health = Health([Check("db", check), Check("mail", refused)], registry, timer=timer)
    assert b"specter_health_check_up{" not in answer(registry, "GET", "").body
    until(lambda: value(registry, UP, check="mail") == 0, "the run that the scrape started")
    until(lambda: value(registry, UP, check="db") == 1, "the run that the scrape started")
    assert value(registry, DURATION, check="db") == 0
    check.go.clear()
    timer.advance(31)
    assert value(registry, UP, check="db") is None
    timer.advance(2)  # past its time-out
    assert value(registry, UP, check="db") == 0
    check.go.set()
    health.report()


def test_flask_answers_at_healthz_and_leaves_the_rest() -> None:
    app = Flask("shop")
    app.add_url_rule("/", "home", lambda: "home")
    app.wsgi_app = HealthWsgi(Health([Check("db", refused)]), app.wsgi_app)  # type: ignore[method-assign]
    client = app.test_client()
    assert client.get("/").data == b"home"
    found = client.get("/healthz")
    assert (found.status_code, found.content_type) == (503, "application/json")
    assert found.headers["Cache-Control"] == "no-store"
    assert found.get_json()["checks"]["db"]["error"] == "ConnectionRefusedError"
    assert client.head("/healthz").data == b""
    assert client.post("/healthz").status_code == 405


def test_alone_it_answers_at_every_path() -> None:
    server = WsgiServer()
    body = server.serve(HealthWsgi(Health([])), environ("/anything"))
    assert (server.status, json.loads(body)) == ("200 OK", {"status": "ok", "checks": {}})


def test_alone_it_says_what_it_cannot_speak() -> None:
    async def connect() -> None:
        await HealthAsgi(Health([]))({"type": "websocket", "path": "/"}, no_messages, no_messages)

    with pytest.raises(SpecterError, match="speaks HTTP only, not websocket"):
        asyncio.run(connect())


def test_asgi_twin_answers_the_same() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    endpoint = HealthAsgi(Health([Check("db", refused_async)]), app)
    found, other, post = AsgiServer(), AsgiServer(), AsgiServer()
    found.serve(endpoint, http_scope("/healthz"))
    other.serve(endpoint, http_scope("/"))
    post.serve(endpoint, http_scope("/healthz", "POST"))
    assert (found.status, other.status, post.status) == (503, 204, 405)
    assert json.loads(found.body)["checks"]["db"]["error"] == "ConnectionRefusedError"


@pytest.mark.parametrize(
    ("checks", "options", "message"),
    [
        ([Check("db", fine), Check("db", fine)], {}, "more than one is called db"),
        ([Check("db", fine, timeout=0)], {}, "above 0"),
        ([], {"fresh": 10, "usable": 5}, "between 0 and usable"),
    ],
)
def test_what_makes_no_sense_is_refused(checks: list[Check], options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecterError, match=message):
        Health(checks, **options)
