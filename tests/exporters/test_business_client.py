"""Events sent to the exporter by several processes: nothing lost or twice, no request held up."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from specter_core.errors import UsageError
from specter_core.web import WebOptions, WebServer
from specter_exporters.business import BusinessClient, EventRefusedError
from tests.exporters.business_setup import TOKEN, catalogue, events, rejected, value
from tests.exporters.test_business_endpoint import Site

WITHIN = 20.0


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def server(site: Site) -> Iterator[WebServer]:
    server = WebServer(site.endpoint, WebOptions("127.0.0.1", 0))
    server.start()
    try:
        yield server
    finally:
        server.stop()


Make = Callable[..., BusinessClient]


@pytest.fixture
def make(server: WebServer) -> Iterator[Make]:
    made: list[BusinessClient] = []

    def client(**options: Any) -> BusinessClient:
        made.append(BusinessClient(server.url, TOKEN, **{"interval": 0.01, **options}))
        return made[-1]

    yield client
    for one in made:
        one.close(0.1)


def test_events_arrive_with_all_that_they_carry(site: Site, make: Make) -> None:
    client = make()
    client.event("order", amount=Decimal("12.50"), currency="EUR", user="u1", reason=None)
    for _ in range(1200):
        client.event("visit", user=7)
    assert client.flush(WITHIN)
    registry = site.business.registry
    assert (events(registry, "order"), events(registry, "visit")) == (1, 1200)
    assert value(registry, "amount_sum", event="order", outcome="success", currency="EUR") == 12.5
    assert value(registry, "active_users", period="day") == 2
    assert client.lost == 0
    assert (site.requests("shop", 200) or 0) <= 20


def test_what_the_exporter_refuses_is_logged_once(
    site: Site, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    client = make()
    for _ in range(20):
        client.event("oder")
        client.event("visit")
    assert client.flush(WITHIN)
    assert events(site.business.registry, "visit") == 20
    assert rejected(site.business.registry) == {"unknown_event": 20}
    assert len([record for record in caplog.records if "'oder'" in record.getMessage()]) == 1


def test_with_a_catalogue_mistakes_are_found_before_they_are_sent(site: Site, make: Make) -> None:
    make(catalogue=catalogue()).event("oder")
    with pytest.raises(EventRefusedError, match="'oder' is not in the catalogue"):
        make(catalogue=catalogue(), strict=True).event("oder")
    assert rejected(site.business.registry) == {}
    with pytest.raises(UsageError, match="needs a catalogue"):
        make(strict=True)


@pytest.mark.parametrize("odd", [object(), float("nan"), {1, 2}, b"bytes"])
def test_a_value_that_is_no_json_loses_that_event_only(site: Site, make: Make, odd: Any) -> None:
    client = make()
    client.event("visit", user=odd)
    client.event("visit")
    assert client.flush(WITHIN)
    assert events(site.business.registry, "visit") == 1


class Broken(requests.Session):
    """A network that fails as often as it is told to, before or after the request arrives."""

    def __init__(self, failures: int, *, after: bool) -> None:
        super().__init__()
        self.failures = failures
        self.after = after

    def post(self, *args: Any, **kwargs: Any) -> requests.Response:
        if self.failures:
            self.failures -= 1
            if self.after:
                super().post(*args, **kwargs)
            raise requests.ConnectionError("the network is down")
        return super().post(*args, **kwargs)


@pytest.mark.parametrize("after", [False, True])
def test_what_was_not_answered_is_sent_again_and_counted_once(
    site: Site, make: Make, caplog: pytest.LogCaptureFixture, after: bool
) -> None:
    client = make(session=lambda: Broken(3, after=after))
    for _ in range(10):
        client.event("visit")
    deadline = time.monotonic() + WITHIN
    while not client.flush(1.0):
        assert time.monotonic() < deadline
    assert events(site.business.registry, "visit") == 10
    assert client.lost == 0
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len([text for text in messages if "takes no events (ConnectionError)" in text]) == 1
    assert len([text for text in messages if "takes events again" in text]) == 1
    assert TOKEN not in caplog.text + repr(client)


def test_while_the_exporter_is_away_memory_is_bounded_and_no_call_waits(make: Make) -> None:
    client = make(session=lambda: Broken(10**9, after=False), max_waiting=100)
    started = time.monotonic()
    for _ in range(5000):
        client.event("visit")
    assert time.monotonic() - started < 2.0
    assert 4900 - 500 <= client.lost <= 4900
    assert not client.close(0.05)
    client.event("visit")
    deadline = time.monotonic() + WITHIN
    while client.lost < 5001:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert client.lost == 5001


def test_a_wrong_token_is_logged_and_ends_nothing(
    server: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = BusinessClient(server.url, "a-wrong-token-0123456789", interval=0.01)
    client.event("visit")
    assert client.flush(WITHIN)
    assert client.lost == 1
    assert "refuses 1 events with status 401" in caplog.text
    assert client.close(WITHIN)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # as preforking servers do
@pytest.mark.parametrize("token", ["", "k" * 32 + "\n", "tok€n", "two words"])
def test_a_token_that_no_header_can_hold_is_refused_at_once(token: str) -> None:
    with pytest.raises(UsageError, match="must be ASCII") as caught:
        BusinessClient("http://127.0.0.1:1", token)
    assert not token or token not in str(caught.value)


def test_no_error_of_a_session_ends_the_sending(site: Site, make: Make) -> None:
    class Odd(requests.Session):
        broken = True

        def post(self, *arguments: Any, **keywords: Any) -> requests.Response:
            """Fail the first time, in a way that requests does not know."""
            if Odd.broken:
                Odd.broken = False
                raise RuntimeError
            return super().post(*arguments, **keywords)

    client = make(session=Odd)
    client.event("visit")
    assert client.flush(WITHIN)
    assert events(site.business.registry, "visit") == 1


def test_what_is_lost_is_told_when_it_begins_and_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    client = BusinessClient("http://127.0.0.1:1", TOKEN, max_waiting=5, interval=60)
    for _ in range(20):
        client.event("visit")
    assert client.lost == 15
    assert caplog.text.count("further ones are lost") == 1
    assert not client.close(0)
    assert "5 events are not delivered at the end" in caplog.text


def test_a_forked_child_sends_its_own_events_and_not_its_parents(site: Site, make: Make) -> None:
    client = make(interval=60.0)
    client.event("visit")
    pid = os.fork()
    if pid == 0:
        client.event("order")
        os._exit(0 if client.flush(WITHIN) and client.lost == 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert client.flush(WITHIN)
    assert (events(site.business.registry, "order"), events(site.business.registry, "visit")) == (1, 1)


WSGI = """\
import os
from specter_exporters.business import BusinessClient

business = BusinessClient(os.environ["EVENTS_URL"], os.environ["EVENTS_TOKEN"])

def app(environ, start_response):
    business.event("visit", user=environ["QUERY_STRING"])
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body))), ("Connection", "close")])
    return [body]
"""


@pytest.mark.integration
def test_four_workers_of_gunicorn_count_as_one(site: Site, server: WebServer, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(WSGI)
    command = [sys.executable, "-m", "gunicorn", "shop:app", "--preload", "--workers", "4",
               "--bind", "127.0.0.1:0", "--chdir", str(tmp_path), "--log-level", "warning"]  # fmt: skip
    environment = {**os.environ, "EVENTS_URL": server.url, "EVENTS_TOKEN": TOKEN}
    process = subprocess.Popen(command, env=environment)
    try:
        url = f"http://127.0.0.1:{_port(process)}/"
        pids: set[str] = set()
        sent = 0
        deadline = time.monotonic() + WITHIN
        while len(pids) < 4 or sent < 200:
            assert time.monotonic() < deadline, pids
            pids.add(requests.get(url, params=f"user-{sent % 50}", timeout=WITHIN).text)
            sent += 1
    finally:
        process.terminate()  # the workers send what waits before they end
        process.wait(WITHIN)
    assert events(site.business.registry, "visit") == sent
    assert value(site.business.registry, "active_users", period="day") == 50


def _port(process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        assert process.poll() is None, "gunicorn has ended"
        for one in psutil.Process(process.pid).net_connections(kind="tcp"):
            if one.status == psutil.CONN_LISTEN:
                return int(one.laddr.port)
        time.sleep(0.05)
    raise AssertionError("gunicorn does not listen")


def test_threads_share_a_client(site: Site, make: Make) -> None:
    client = make()

    def work() -> None:
        for _ in range(500):
            client.event("visit")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(WITHIN)
    assert events(site.business.registry, "visit") == 2000
