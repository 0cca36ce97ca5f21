"""Faults in the running shop: what visitors notice, and what Prometheus is told."""

import functools
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
import requests

from specter_core.clock import SystemClock
from specter_core.errors import UsageError
from specter_demo.faults import FAULTS, api_latency, find_fault, traffic_drop
from specter_demo.faults.control import Control, ControlError
from specter_demo.shop import database_defects, goods
from specter_demo.shop.database import Connection, connect
from specter_demo.shop.database_defects import TAKEN, leak
from specter_demo.traffic.client import ShopClient
from specter_demo.traffic.page import blocking_scripts
from specter_demo.traffic.visitors import Request
from specter_stack.postgres import SETTINGS
from tests.demo.queue_servers import until
from tests.demo.shop_server import RunningShop, free_port, running_shop

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server() -> Iterator[RunningShop]:
    with running_shop(standby=True) as running:
        yield running


@pytest.fixture
def shop(server: RunningShop) -> Iterator[RunningShop]:
    """The shop without faults, before and after the test."""
    yield server
    for fault in FAULTS:
        fault.clear(server.control)


def search_seconds(shop: RunningShop, samples: int = 15) -> float:
    """Return the median duration of a search."""
    with requests.Session() as session:
        durations = []
        for number in range(samples):
            started = time.perf_counter()
            answer = session.get(f"{shop.settings.url}/search?q=granite+chair+{number + 1}", timeout=5)
            durations.append(time.perf_counter() - started)
            assert answer.status_code == 200
    return statistics.median(durations)


def exposed_versions(shop: RunningShop) -> list[str]:
    text = requests.get(f"{shop.settings.url}/metrics", timeout=5).text
    lines = [line for line in text.splitlines() if line.startswith("target_info{")]
    return [line.partition('service_version="')[2].partition('"')[0] for line in lines]


def run_cli(shop: RunningShop, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "specter_core", "demo", *arguments]
    return subprocess.run(
        command, env=shop.environment, capture_output=True, text=True, timeout=60, check=False
    )


class HurriedClock(SystemClock):
    """A clock on which every look at it takes ten seconds."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        self._now += 10.0
        return self._now


class Visitor(threading.Thread):
    """Sends requests without a pause until told to stop."""

    def __init__(self, shop: RunningShop) -> None:
        super().__init__(daemon=True)
        self._client = ShopClient(shop.settings.url)
        self.stop = threading.Event()
        self.statuses: list[int] = []
        self.errors: list[Exception] = []

    def run(self) -> None:
        requests_ = (
            Request("GET", "/products/5"),
            Request("POST", "/checkout", json.dumps({"lines": [{"product_id": 3, "quantity": 1}]}).encode()),
        )
        while not self.stop.is_set():
            for request in requests_:
                try:
                    self.statuses.append(self._client.send(request))
                except Exception as error:  # noqa: BLE001  (a test that counts what went wrong)
                    self.errors.append(error)
        self._client.close()


def test_api_latency_slows_search_tenfold_and_clearing_restores_it(shop: RunningShop) -> None:
    before = search_seconds(shop)
    api_latency.inject(shop.control)
    during = search_seconds(shop)
    api_latency.clear(shop.control)
    after = search_seconds(shop)
    assert during > 10 * before, f"{before * 1000:.1f} ms became {during * 1000:.1f} ms"
    assert during > 0.040
    assert after < during / 4


def test_api_latency_is_seen_as_two_releases(shop: RunningShop) -> None:
    old = shop.control.version
    api_latency.inject(shop.control)
    faulty = api_latency.next_minor(old)
    assert exposed_versions(shop) == [faulty]
    api_latency.clear(shop.control)
    assert exposed_versions(shop) == [api_latency.next_patch(faulty)]


def test_release_loses_no_request(shop: RunningShop) -> None:
    visitors = [Visitor(shop) for _ in range(6)]
    for visitor in visitors:
        visitor.start()
    try:
        for _ in range(2):
            version = api_latency.next_patch(shop.control.version)
            shop.control.release(version)
            assert exposed_versions(shop) == [version]
    finally:
        for visitor in visitors:
            visitor.stop.set()
            visitor.join(10)
    assert [error for visitor in visitors for error in visitor.errors] == []
    statuses = [status for visitor in visitors for status in visitor.statuses]
    assert len(statuses) > 50
    assert set(statuses) == {200, 201}


def test_injecting_and_clearing_twice_changes_nothing_more(shop: RunningShop) -> None:
    for fault in FAULTS:
        assert not fault.active(shop.control)
        fault.inject(shop.control)
        version, load = shop.control.version, shop.control.load
        fault.inject(shop.control)
        assert fault.active(shop.control)
        assert (shop.control.version, shop.control.load) == (version, load)
        fault.clear(shop.control)
        version, load = shop.control.version, shop.control.load
        fault.clear(shop.control)
        assert not fault.active(shop.control)
        assert (shop.control.version, shop.control.load) == (version, load)


def test_clearing_what_was_never_injected_releases_nothing(shop: RunningShop) -> None:
    version = shop.control.version
    assert "is there" in api_latency.clear(shop.control)
    assert shop.control.version == version


def test_traffic_drop_changes_the_load_factor_only(shop: RunningShop) -> None:
    traffic_drop.inject(shop.control)
    assert json.loads(shop.settings.load_file.read_text(encoding="utf-8")) == {"factor": 0.2}
    assert search_seconds(shop, samples=5) < 0.040
    traffic_drop.clear(shop.control)
    assert shop.control.load == 1.0


def test_frontend_slow_makes_every_page_wait_for_a_script_that_no_server_metric_sees(
    shop: RunningShop,
) -> None:
    url = shop.settings.url
    before = requests.get(f"{url}/", timeout=5).text
    assert blocking_scripts(before) == ()
    find_fault("frontend-slow").inject(shop.control)
    for path in ("/", "/products/7"):
        html = requests.get(f"{url}{path}", headers={"Accept": "text/html"}, timeout=5).text
        (script,) = blocking_scripts(html)
        assert script == f"/assets/suggestions-{shop.control.version}.js"
        loaded = requests.get(f"{url}{script}", timeout=10)
        assert loaded.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert loaded.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert len(loaded.content) > 7_500_000
        assert f'"{goods.product_name(goods.PRODUCTS)}"'.encode() in loaded.content
    assert requests.get(f"{url}/assets/suggestions-1.0.0.js", timeout=5).status_code == 404
    assert "/assets" not in requests.get(f"{url}/metrics", timeout=5).text
    find_fault("frontend-slow").clear(shop.control)
    assert requests.get(f"{url}/", timeout=5).text == before
    assert requests.get(f"{url}{script}", timeout=5).status_code == 404


SESSIONS = """
select state, coalesce(wait_event_type, '') from pg_stat_activity where application_name = 'shop'
and (state like 'idle in transaction%' or wait_event_type = 'Lock') order by 1, 2
"""
HOLDING, WAITING = ("idle in transaction", "Client"), ("active", "Lock")


def check_out(shop: RunningShop) -> int:
    body = {"lines": [{"product_id": 3, "quantity": 1}]}
    return requests.post(f"{shop.settings.url}/checkout", json=body, timeout=10).status_code


def test_connection_leak_leaves_transactions_open_and_clearing_ends_them(shop: RunningShop) -> None:
    find_fault("connection-leak").inject(shop.control)
    until(lambda: shop.query(SESSIONS) == [HOLDING], "a transaction that is left open")
    assert check_out(shop) == 201
    find_fault("connection-leak").clear(shop.control)
    until(lambda: shop.query(SESSIONS) == [], "the end of the transaction")


def test_connection_leak_stops_where_so_many_connections_are_taken(
    shop: RunningShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((taken,),) = shop.query(TAKEN)
    assert isinstance(taken, int)
    monkeypatch.setattr(database_defects, "MOST_TAKEN", taken + 3)
    kept: list[Connection] = []
    try:
        # The worker of the version before may still give some of its own back.
        tries = 0
        while len(kept) == tries:
            leak(functools.partial(connect, shop.settings), kept)
            tries += 1
        assert 1 <= len(kept) <= taken + 3
        assert shop.query(SESSIONS) == [HOLDING] * len(kept)
    finally:
        for connection in kept:
            connection.close()
    until(lambda: shop.query(SESSIONS) == [], "the end of the transactions")


def test_a_leak_takes_what_is_critical_and_leaves_one() -> None:
    reserved = 3  # superuser_reserved_connections, unless it is set
    ordinary = int(SETTINGS["max_connections"]) - reserved
    assert ordinary - 1 == database_defects.MOST_TAKEN
    assert database_defects.MOST_TAKEN / ordinary > 0.95


def test_lock_storm_keeps_everybody_from_the_orders_until_it_is_cleared(shop: RunningShop) -> None:
    find_fault("lock-storm").inject(shop.control)
    until(lambda: shop.query(SESSIONS) == [WAITING, HOLDING], "a migration that waits for the report")
    with connect(shop.settings) as connection:
        connection.execute("set lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute("select from orders limit 1")
    assert requests.get(f"{shop.settings.url}/products/5", timeout=5).ok
    find_fault("lock-storm").clear(shop.control)
    until(lambda: shop.query(SESSIONS) == [], "the end of both sessions")
    assert check_out(shop) == 201


def test_slow_query_slows_product_pages_alone(shop: RunningShop) -> None:
    find_fault("slow-query").inject(shop.control)
    started = time.perf_counter()
    assert requests.get(f"{shop.settings.url}/products/5", timeout=5).ok
    assert time.perf_counter() - started > 0.25
    # What was found serves the next page, for half a second.
    started = time.perf_counter()
    assert requests.get(f"{shop.settings.url}/products/6", timeout=5).ok
    assert time.perf_counter() - started < 0.25
    assert search_seconds(shop, samples=5) < 0.040
    find_fault("slow-query").clear(shop.control)
    started = time.perf_counter()
    assert requests.get(f"{shop.settings.url}/products/5", timeout=5).ok
    assert time.perf_counter() - started < 0.040


def orders(shop: RunningShop, dsn: str | None) -> int:
    assert dsn is not None
    there = shop.settings.model_copy(update={"database_dsn": dsn})
    with connect(there) as connection:
        [(number,)] = connection.execute("select count(*) from orders").fetchall()
    return int(number)


def test_replica_lag_keeps_new_orders_from_the_standby_until_it_is_cleared(shop: RunningShop) -> None:
    settings = shop.settings
    primary, standby = settings.database_dsn, settings.database_standby_dsn
    until(lambda: orders(shop, standby) == orders(shop, primary), "a standby that keeps up")
    before = orders(shop, standby)
    assert find_fault("replica-lag").inject(shop.control) == "the standby receives and replays nothing"
    assert check_out(shop) == 201
    # It has received the order, and does not show it.
    (written,) = shop.query("select pg_current_wal_flush_lsn()")
    received = "select flush_lsn >= %s from pg_stat_replication where application_name = 'standby'"
    with connect(settings) as connection:
        until(lambda: connection.execute(received, written).fetchall() == [(True,)], "what was received")
    assert orders(shop, standby) == before
    assert find_fault("replica-lag").active(shop.control)
    find_fault("replica-lag").clear(shop.control)
    until(lambda: orders(shop, standby) == before + 1, "the order on the standby")


def test_without_a_standby_replica_lag_says_so_and_has_nothing_to_end(shop: RunningShop) -> None:
    alone = Control(shop.settings.model_copy(update={"database_standby_dsn": None}), SystemClock())
    with pytest.raises(ControlError, match="has no standby: SHOP_DATABASE_STANDBY_DSN is not set"):
        find_fault("replica-lag").inject(alone)
    assert not find_fault("replica-lag").active(alone)
    assert find_fault("replica-lag").clear(alone) == "the standby replays what it receives"


def test_release_that_never_answers_is_an_error_that_names_it(shop: RunningShop) -> None:
    elsewhere = shop.settings.model_copy(update={"url": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(
        ControlError, match=r"version 1\.99\.0 was released, but .*/healthz does not report it"
    ):
        Control(elsewhere, HurriedClock()).release("1.99.0")


def test_list_shows_which_faults_are_active(shop: RunningShop) -> None:
    traffic_drop.inject(shop.control)
    done = run_cli(shop, "fault", "--list", "--output", "json")
    assert done.returncode == 0, done.stderr
    assert {row["name"]: row["state"] for row in json.loads(done.stdout)} == {
        **{fault.name: "-" for fault in FAULTS},
        "traffic-drop": "active",
    }
    lines = run_cli(shop, "fault", "--list").stdout.splitlines()
    assert len({line.index(fault.summary) for line, fault in zip(lines, FAULTS, strict=True)}) == 1


def test_command_injects_and_clears(shop: RunningShop) -> None:
    injected = run_cli(shop, "fault", "traffic-drop")
    assert (injected.returncode, injected.stdout) == (0, "traffic-drop: 20% of the clients reach the shop\n")
    assert traffic_drop.active(shop.control)
    cleared = run_cli(shop, "fault", "traffic-drop", "--clear", "--output", "json")
    assert json.loads(cleared.stdout) == {
        "fault": "traffic-drop",
        "active": False,
        "done": "every client reaches the shop again",
    }


def test_seed_ends_faults_that_were_left_behind(shop: RunningShop) -> None:
    api_latency.inject(shop.control)
    done = run_cli(shop, "seed")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("already seeded\napi-latency was active: released ")
    assert not api_latency.active(shop.control)


def test_unknown_fault_lists_the_known_ones(shop: RunningShop) -> None:
    done = run_cli(shop, "fault", "moon-phase")
    assert done.returncode == 2
    assert "moon-phase" in done.stderr
    assert "api-latency, traffic-drop" in done.stderr
    with pytest.raises(UsageError):
        find_fault("moon-phase")
