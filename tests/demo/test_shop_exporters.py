"""What the shop tells the exporters beside it, and what the log exporter finds in its logs."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from specter_core import metrics
from specter_core.catalogue import platform_catalogue
from specter_core.web import WebOptions, WebServer
from specter_demo.faults import login_attack, memory_leak, new_error, payment_failures
from specter_demo.shop import goods
from specter_demo.shop.defects import KEPT
from specter_demo.traffic.attackers import ADDRESSES, Attackers
from specter_demo.traffic.client import ShopClient
from specter_demo.traffic.visitors import BROWSERS, Request, Visitors
from specter_exporters.business import Business
from specter_exporters.business.endpoint import BusinessEndpoint
from specter_exporters.business.senders import Senders
from specter_exporters.signin import ApiOptions, SignIns, TrustedProxies, signin_api
from tests.demo.shop_server import RunningShop, running_shop
from tests.stack.compose_file import CHECKOUT

pytestmark = pytest.mark.integration

TOKEN = "a-token-of-the-shop-0123456789"
DELIVERED_WITHIN = 20.0


@dataclass(frozen=True, slots=True)
class Watched:
    """The running shop, and what the exporters count."""

    shop: RunningShop
    business: CollectorRegistry
    signin: CollectorRegistry

    def send(self, *sent: Request) -> list[int]:
        client = ShopClient(self.shop.settings.url)
        statuses = [client.send(request) for request in sent]
        client.close()
        return statuses

    def events(self, event: str, outcome: str = "success", reason: str = "") -> float:
        labels = {"event": event, "outcome": outcome, "reason": reason}
        return self.business.get_sample_value(metrics.BUSINESS_EVENTS.name, labels) or 0.0

    def attempts(self, outcome: str) -> float:
        return self.signin.get_sample_value(metrics.AUTH_ATTEMPTS.name, {"outcome": outcome}) or 0.0


def eventually(look: Callable[[], float], value: float) -> None:
    """Wait until `look` gives `value`: events are sent in batches, by threads of the shop's."""
    deadline = time.monotonic() + DELIVERED_WITHIN
    while look() != value and time.monotonic() < deadline:
        time.sleep(0.05)
    assert look() == value


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    token = tmp_path_factory.mktemp("secrets") / "token"
    token.write_text(TOKEN, encoding="utf-8")
    business, signin = CollectorRegistry(), CollectorRegistry()
    endpoint = BusinessEndpoint(Business(platform_catalogue(), business), Senders({"shop": TOKEN}))
    proxies = TrustedProxies(["127.0.0.0/8"])
    api = signin_api(SignIns(signin), ApiOptions(write_token=TOKEN, proxies=proxies))
    servers = [WebServer(app, WebOptions("127.0.0.1", 0)) for app in (endpoint, api)]
    for server in servers:
        server.start()
    try:
        with running_shop(
            business_url=servers[0].url,
            signin_url=servers[1].url,
            business_token_file=token,
            signin_token_file=token,
        ) as shop:
            yield Watched(shop, business, signin)
    finally:
        for server in servers:
            server.stop()


def test_visitors_are_counted_by_what_they_came_for(watched: Watched) -> None:
    visitors = Visitors(random.Random(4))
    before = {name: watched.events(name) for name in ("registration", "daily_checkin", "payment")}
    assert watched.send(*(visitors.request("/register") for _ in range(3))) == [201] * 3
    assert watched.send(*(visitors.request("/checkin") for _ in range(4))) == [200] * 4
    assert watched.send(*(visitors.request("/checkout") for _ in range(2))) == [201] * 2
    for name, count in {"registration": 3, "daily_checkin": 4, "payment": 2}.items():
        eventually(lambda name=name: watched.events(name) - before[name], count)  # type: ignore[misc]


def test_an_address_registers_once(watched: Watched) -> None:
    again = Visitors(random.Random(5)).request("/register")
    assert watched.send(again, again) == [201, 409]
    eventually(lambda: watched.events("registration", "failed", "email_taken"), 1.0)
    assert watched.shop.query("select count(*) from customers where customer_id <= 0") == [(0,)]


def test_a_day_has_one_check_in_of_a_customer(watched: Watched) -> None:
    first, second = (
        Request("POST", "/checkin", f'{{"email": "{goods.email(77)}", "mood": {mood}}}'.encode())
        for mood in (2, 5)
    )
    assert watched.send(first, second) == [200, 200]
    assert watched.shop.query("select mood from checkins where customer_id = 77") == [(5,)]
    nobody = Request("POST", "/checkin", b'{"email": "nobody@shop.example", "mood": 3}')
    wrong = Request("POST", "/checkin", b'{"email": "nobody@shop.example", "mood": 9}')
    assert watched.send(nobody, wrong) == [404, 400]
    eventually(lambda: watched.events("daily_checkin", "failed", "not_saved"), 2.0)


def test_payment_failures_are_counted_by_their_reasons(watched: Watched) -> None:
    visitors = Visitors(random.Random(6))
    payment_failures.inject(watched.shop.control)
    try:
        statuses = watched.send(*(visitors.request("/checkout") for _ in range(30)))
    finally:
        payment_failures.clear(watched.shop.control)
    # Drawn by the provider with a fixed seed: some of each.
    assert set(statuses) == {201, 402, 502}
    reasons = ("card_declined", "insufficient_funds", "expired_card")
    eventually(
        lambda: sum(watched.events("payment", "failed", reason) for reason in reasons), statuses.count(402)
    )
    eventually(lambda: watched.events("payment", "failed", "timeout"), statuses.count(502))
    assert set(watched.send(*(visitors.request("/checkout") for _ in range(10)))) == {201}


def test_a_login_attack_is_told_from_customers(watched: Watched) -> None:
    def suspected() -> float:
        kind = {"kind": "credential_stuffing"}
        return watched.signin.get_sample_value(metrics.AUTH_ATTACK_SUSPECTED.name, kind) or 0.0

    visitors, attackers = Visitors(random.Random(7)), Attackers(random.Random(8))
    failed = watched.attempts("failed")
    statuses = watched.send(*(visitors.request("/login") for _ in range(60)))
    eventually(lambda: watched.attempts("success"), statuses.count(200))
    assert suspected() == 0.0
    attempts = watched.send(*(attackers.request() for _ in range(200)))
    wrong = [*statuses, *attempts].count(401)
    eventually(lambda: watched.attempts("failed") - failed, wrong)
    assert suspected() == 1.0
    sources = [
        sample
        for family in watched.signin.collect()
        for sample in family.samples
        if sample.name == metrics.AUTH_SOURCE_ACCOUNTS.name and sample.labels["grouping"] == "address"
    ]
    assert len(sources) == len(ADDRESSES)
    # Five addresses, two hundred accounts: forty each.
    assert all(20 <= sample.value <= 60 for sample in sources)


def test_a_login_attack_is_a_rate_of_its_own_that_ends(watched: Watched) -> None:
    control = watched.shop.control
    assert not login_attack.active(control)
    login_attack.inject(control)
    assert control.attack == login_attack.ATTEMPTS_PER_SECOND
    login_attack.clear(control)
    assert control.attack == 0.0


def test_attackers_are_neither_visitors_addresses_nor_browsers() -> None:
    attack, visit = Attackers(random.Random(1)).request(), Visitors(random.Random(1)).request("/login")
    assert attack.source in ADDRESSES
    assert attack.user_agent not in BROWSERS
    assert visit.source.startswith(("198.18.", "198.19."))
    assert visit.user_agent in BROWSERS


def test_a_new_error_is_an_exception_and_a_template_of_the_log(watched: Watched) -> None:
    control = watched.shop.control
    pages = [Request("GET", f"/products/{number}") for number in range(1, 25)]
    assert set(watched.send(*pages)) == {200}
    new_error.FAULT.inject(control)
    try:
        assert Counter(watched.send(*pages)) == {200: 20, 500: 4}
        exposed = requests.get(f"{watched.shop.settings.url}/metrics", timeout=5).text
    finally:
        new_error.FAULT.clear(control)
    assert '.DiscountMissingError"' in exposed
    assert set(watched.send(*pages)) == {200}
    found = tried("shop", watched.shop.settings.log_file)
    assert 'specter_log_lines_total{level="error",log="shop"}' in found
    log = watched.shop.settings.log_file.read_text(encoding="utf-8").splitlines()
    failed = [json.loads(line) for line in log if "DiscountMissingError" in line]
    assert len(failed) == 4
    assert {line["status"] for line in failed} == {500}
    assert all("Traceback" in line["exception"] for line in failed)


def test_a_memory_leak_grows_until_the_version_without_it(watched: Watched) -> None:
    pages = [Request("GET", "/")] * 200

    def grown() -> float:
        """Return the bytes by which 200 pages of the catalog make the worker grow."""
        watched.send(*pages)
        before = memory(watched.shop)
        watched.send(*pages)
        return memory(watched.shop) - before

    usual = grown()
    memory_leak.FAULT.inject(watched.shop.control)
    try:
        leaking = grown()
    finally:
        memory_leak.FAULT.clear(watched.shop.control)
    assert leaking > 0.8 * 200 * KEPT
    assert max(usual, grown()) < 0.2 * 200 * KEPT


def memory(shop: RunningShop) -> float:
    text = requests.get(f"{shop.settings.url}/metrics", timeout=5).text
    return next(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == metrics.PROCESS_MEMORY
    )


def test_the_log_exporter_reads_both_logs_as_it_is_configured(watched: Watched) -> None:
    odd = Request("GET", '/search?q="a%0a\\b', source="198.18.0.9", user_agent='say "hello"')
    watched.send(Request("GET", "/products/12", source="198.18.0.7"), odd)
    settings = watched.shop.settings
    found = tried("shop", settings.log_file)
    assert 'specter_log_lines_total{level="info",log="shop"}' in found
    found = tried("access", settings.access_log_file)
    assert 'http_route="/products/{product}"' in found
    lines = settings.access_log_file.read_text(encoding="utf-8").splitlines()
    assert lines[-2].startswith("198.18.0.7 - - [")
    assert ' "GET /products/12 HTTP/1.1" 200 ' in lines[-2]
    assert '"say \\x22hello\\x22"' in lines[-1]


def tried(log: str, file: Path) -> str:
    """Return the metrics of the lines of `file`, none of which may be malformed."""
    command = [sys.executable, "-m", "specter_core", "exporter", "logs", "try"]
    done = subprocess.run(
        [*command, str(CHECKOUT / "stack/exporters/logs.yml"), log],
        input=file.read_bytes(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == b""
    text = done.stdout.decode()
    assert not [
        line
        for line in text.splitlines()
        if line.startswith("specter_log_malformed_lines_total{") and not line.endswith(" 0.0")
    ]
    return text
