"""The recorder: bounded labels, no global state."""

import os
import signal
import threading

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from specter_exporters.app import Recorder, WsgiMiddleware
from specter_exporters.app.recorder import Exchange
from tests.exporters.driving import EXCEPTIONS, OVERFLOW, active, count, get, recorded, value


def ok(environ: object, start_response: object) -> list[bytes]:
    start_response("200 OK", [])  # type: ignore[operator]
    return [b"ok"]


def test_routes_past_the_cap_are_other_and_counted() -> None:
    recorder = Recorder(max_routes=3)
    app = WsgiMiddleware(ok, recorder, route=lambda environ: str(environ["PATH_INFO"]))
    for number in [1, 2, 3, 4, 5, 2, 5]:
        get(app, f"/{number}")
    assert recorded(recorder.registry) == {
        ("GET", "/1", "200"): 1,
        ("GET", "/2", "200"): 2,
        ("GET", "/3", "200"): 1,
        ("GET", "other", "200"): 3,
    }
    assert value(recorder.registry, OVERFLOW) == 3


def test_the_default_cap_is_500_routes_and_the_empty_route_is_not_one_of_them() -> None:
    recorder = Recorder()
    app = WsgiMiddleware(ok, recorder, route=lambda environ: str(environ["PATH_INFO"])[1:])
    for number in range(600):
        get(app, f"/r{number}")
    get(app, "/")
    found = recorded(recorder.registry)
    assert len(found) == 502
    assert found["GET", "other", "200"] == 100
    assert found["GET", "", "200"] == 1


def test_unknown_methods_share_one_series() -> None:
    recorder = Recorder()
    app = WsgiMiddleware(ok, recorder)
    for method in ["GET", "PROPFIND", "get", "X" * 1000, "_OTHER"]:
        get(app, method=method)
    assert recorded(recorder.registry) == {("GET", "", "200"): 1, ("_OTHER", "", "200"): 4}
    assert active(recorder.registry, "_OTHER") == 0


def test_exception_classes_past_the_cap_are_other() -> None:
    recorder = Recorder()
    for number in range(52):
        recorder.count_exception("/x", type(f"Error{number}", (Exception,), {"__module__": "shop"})())
    recorder.count_exception("/x", KeyError())
    assert value(recorder.registry, EXCEPTIONS, http_route="/x", exception="shop.Error49") == 1
    assert value(recorder.registry, EXCEPTIONS, http_route="/x", exception="shop.Error50") is None
    assert value(recorder.registry, EXCEPTIONS, http_route="/x", exception="other") == 3


def test_a_malformed_status_is_empty() -> None:
    recorder = Recorder()

    def app(environ: object, start_response: object) -> list[bytes]:
        start_response("OK", [])  # type: ignore[operator]
        return []

    get(WsgiMiddleware(app, recorder))
    assert recorded(recorder.registry) == {("GET", "", ""): 1}


def test_nothing_reaches_the_global_registry() -> None:
    get(WsgiMiddleware(ok, Recorder(service_name="shop")))
    assert b"http_server" not in generate_latest(REGISTRY)


def test_created_series_are_not_exposed_by_any_exposition() -> None:
    recorder = Recorder()
    get(WsgiMiddleware(ok, recorder))
    assert b"_created" not in generate_latest(recorder.registry)


def test_a_registry_takes_one_recorder() -> None:
    registry = CollectorRegistry()
    Recorder(registry)
    with pytest.raises(ValueError, match="http_server_request_duration_seconds"):
        Recorder(registry)


def test_without_a_name_there_is_no_target_info() -> None:
    assert value(Recorder().registry, "target_info", service_name="", service_version="") is None


def test_finishing_twice_counts_once() -> None:
    recorder = Recorder()
    exchange = Exchange(recorder, "GET")
    exchange.status = "200"
    exchange.finish()
    exchange.finish()
    assert count(recorder.registry, "") == 1
    assert active(recorder.registry) == 0


def test_concurrent_requests_are_counted_exactly() -> None:
    recorder = Recorder(max_routes=5)
    app = WsgiMiddleware(ok, recorder, route=lambda environ: str(environ["PATH_INFO"]))
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for number in range(300):
            get(app, f"/{number % 10}", ["GET", "POST", "BREW"][number % 3])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = recorded(recorder.registry)
    assert sum(found.values()) == 2400
    assert len({route for _, route, _ in found}) == 6
    assert value(recorder.registry, OVERFLOW) == sum(
        n for (_, route, _), n in found.items() if route == "other"
    )
    assert [active(recorder.registry, method) for method in ("GET", "POST", "_OTHER")] == [0, 0, 0]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_waits_for_no_lock_that_a_thread_of_its_parent_held() -> None:
    recorder = Recorder()
    inside, go = threading.Event(), threading.Event()

    class Slow(str):
        __slots__ = ()

        def __hash__(self) -> int:
            """Hold up whoever looks for the route."""
            inside.set()
            assert go.wait(30)
            return super().__hash__()

    holding = threading.Thread(target=recorder.count_exception, args=(Slow("/slow"), ValueError()))
    holding.start()
    assert inside.wait(30)
    child = os.fork()
    if not child:
        signal.alarm(5)
        recorder.count_exception("/fast", ValueError())
        os._exit(0)
    _, status = os.waitpid(child, 0)
    go.set()
    holding.join()
    assert os.waitstatus_to_exitcode(status) == 0
