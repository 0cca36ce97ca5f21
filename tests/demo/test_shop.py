"""The shop as visitors and Prometheus see it: gunicorn, PostgreSQL and payments are real."""

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from redis import Redis

from specter_core.clock import SystemClock
from specter_core.metrics import HTTP_CLIENT_REQUEST_DURATION, HTTP_SERVER_REQUEST_DURATION, ROUTE
from specter_demo.faults.control import Control
from specter_demo.provider import FINE, Trouble, write_trouble
from specter_demo.shop import goods
from specter_demo.shop.database import connect
from specter_demo.shop.schema import seed
from specter_demo.traffic.shape import ROUTES
from tests.demo.queue_servers import until
from tests.demo.shop_server import RunningShop, free_port, running_shop
from tests.servers.redis import running_redis

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def shop() -> Iterator[RunningShop]:
    # Nothing listens there: the shop sells all the same.
    with running_shop(queue_url=f"redis://127.0.0.1:{free_port()}/0") as running:
        yield running


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        yield opened


def samples(shop: RunningShop, name: str) -> list[Sample]:
    text = requests.get(f"{shop.settings.url}/metrics", timeout=5).text
    return [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    ]


def order(*products: int, email: str = "") -> dict[str, object]:
    return {"email": email, "lines": [{"product_id": product, "quantity": 2} for product in products]}


def test_seed_is_complete_and_quick(shop: RunningShop) -> None:
    assert shop.query("select count(*) from products") == [(goods.PRODUCTS,)]
    assert shop.query("select count(*) from customers") == [(goods.CUSTOMERS,)]
    assert shop.seeded_in < 6.0


def test_seeding_again_changes_nothing(shop: RunningShop) -> None:
    with connect(shop.settings) as connection:
        assert seed(connection) is None
    assert shop.query("select count(*) from products") == [(goods.PRODUCTS,)]


@pytest.mark.parametrize("product", [1, 24, 25, 699, 700, 123_456, goods.PRODUCTS])
def test_traffic_knows_products_by_the_names_that_were_seeded(shop: RunningShop, product: int) -> None:
    assert shop.query(f"select name from products where product_id = {product}") == [
        (goods.product_name(product),)
    ]


def test_front_page_lists_products_and_turns_pages(shop: RunningShop, session: requests.Session) -> None:
    first = session.get(f"{shop.settings.url}/", timeout=5)
    second = session.get(f"{shop.settings.url}/?page=2", timeout=5)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.text.count("<li>") == 24
    assert goods.product_name(1) in first.text
    assert goods.product_name(25) in second.text


def test_product_page_shows_the_product_and_404_for_none(
    shop: RunningShop, session: requests.Session
) -> None:
    found = session.get(f"{shop.settings.url}/products/700", timeout=5)
    assert found.json()["name"] == goods.product_name(700)
    assert found.json()["price_cents"] == 500 + 700 * 37 % 20000
    for missing in (goods.PRODUCTS + 1, 1 << 40):
        assert session.get(f"{shop.settings.url}/products/{missing}", timeout=5).status_code == 404


def test_a_browser_gets_the_product_as_a_page(shop: RunningShop, session: requests.Session) -> None:
    url = f"{shop.settings.url}/products/700"
    chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
    page = session.get(url, headers={"Accept": chromium}, timeout=5)
    assert (page.headers["Content-Type"], page.headers["Vary"]) == ("text/html; charset=utf-8", "Accept")
    assert f"<h1>{goods.product_name(700)}</h1>" in page.text
    assert session.get(url, headers={"Accept": "application/json"}, timeout=5).json()["product_id"] == 700


def test_pages_are_not_measured_where_nobody_takes_measurements(
    shop: RunningShop, session: requests.Session
) -> None:
    assert shop.settings.beacon_url is None
    assert "<script" not in session.get(f"{shop.settings.url}/", timeout=5).text


def test_search_finds_names_that_start_so_most_popular_first(
    shop: RunningShop, session: requests.Session
) -> None:
    answer = session.get(f"{shop.settings.url}/search", params={"q": "granite ch"}, timeout=5)
    found = answer.json()["products"]
    assert len(found) == 20
    assert all(product["name"].startswith("Granite Ch") for product in found)
    ranks = [product["product_id"] * 7919 % 1000003 for product in found]
    assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize("query", ["%%%", "___", "\\\\\\", "gra'; drop table products; --"])
def test_search_takes_every_character_literally(
    shop: RunningShop, session: requests.Session, query: str
) -> None:
    answer = session.get(f"{shop.settings.url}/search", params={"q": query}, timeout=5)
    assert (answer.status_code, answer.json()) == (200, {"products": []})


@pytest.mark.parametrize("query", ["", "ab", "x" * 101, "abc\0def"])
def test_search_refuses_what_is_no_query(shop: RunningShop, session: requests.Session, query: str) -> None:
    assert session.get(f"{shop.settings.url}/search", params={"q": query}, timeout=5).status_code == 400


def test_login_takes_the_right_password_only(shop: RunningShop, session: requests.Session) -> None:
    def log_in(email: object, password: object) -> requests.Response:
        body = {"email": email, "password": password}
        return session.post(f"{shop.settings.url}/login", json=body, timeout=5)

    assert log_in(goods.email(4321), goods.password(4321)).json() == {"customer_id": 4321}
    assert log_in(goods.email(4321), "forgotten").status_code == 401
    assert log_in("nobody@shop.example", goods.password(0)).status_code == 401
    assert log_in(17, None).status_code == 400
    assert session.post(f"{shop.settings.url}/login", data=b"{", timeout=5).status_code == 400


def test_checkout_writes_the_order_and_charges_it(shop: RunningShop, session: requests.Session) -> None:
    body = order(10, 20, email=goods.email(7))
    answer = session.post(f"{shop.settings.url}/checkout", json=body, timeout=5)
    placed = answer.json()
    assert answer.status_code == 201
    amount = 2 * (500 + 370) + 2 * (500 + 740)
    assert placed["amount_cents"] == amount
    assert shop.query(
        "select customer_id, status, amount_cents, payment_reference from orders "
        f"where order_id = {int(placed['order_id'])}"
    ) == [(7, "paid", amount, placed["payment_reference"])]
    assert shop.query(
        f"select product_id, quantity from order_lines where order_id = {int(placed['order_id'])} order by 1"
    ) == [(10, 2), (20, 2)]


def published(redis: Redis, queue: str) -> list[list[object]]:
    """Return the arguments of the tasks that wait in `queue`."""
    messages = [json.loads(text) for text in redis.lrange(queue, 0, -1)]
    return [json.loads(b64decode(message["body"]))[0] for message in messages]


def test_what_is_sold_while_redis_is_away_is_published_when_it_is_back_and_nothing_else(
    shop: RunningShop, session: requests.Session
) -> None:
    placed = session.post(f"{shop.settings.url}/checkout", json=order(3), timeout=5).json()
    write_trouble(shop.settings.provider_file, Trouble(declined=1.0))
    declined = session.post(f"{shop.settings.url}/checkout", json=order(3), timeout=5)
    write_trouble(shop.settings.provider_file, FINE)
    assert declined.status_code == 402
    number, reference = placed["order_id"], placed["payment_reference"]
    url = urlsplit(shop.settings.queue_url)
    assert url.port
    with running_redis(port=int(url.port)) as server, server.client() as redis:
        until(lambda: [number, reference] in published(redis, "webhooks"), "publishing")
        assert [number] in published(redis, "mails")
        assert [declined.json()["order_id"]] not in published(redis, "mails")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (None, 400),
        ({"lines": []}, 400),
        ({"lines": [{"product_id": 1, "quantity": 0}]}, 400),
        ({"lines": [{"product_id": 1, "quantity": 1}], "discount": 1.0}, 400),
        (order(goods.PRODUCTS + 1), 404),
    ],
)
def test_checkout_refuses_wrong_orders_and_writes_nothing(
    shop: RunningShop, session: requests.Session, body: object, status: int
) -> None:
    before = shop.query("select count(*) from orders")
    answer = session.post(f"{shop.settings.url}/checkout", json=body, timeout=5)
    assert answer.status_code == status
    assert shop.query("select count(*) from orders") == before


def test_calls_to_the_payment_service_are_measured(shop: RunningShop, session: requests.Session) -> None:
    def calls() -> float:
        found = samples(shop, HTTP_CLIENT_REQUEST_DURATION.count)
        labels = {"http_request_method": "POST", "http_response_status_code": "201", "error_type": ""}
        wanted = {**labels, "server_address": "127.0.0.1"}
        return sum(sample.value for sample in found if sample.labels == wanted)

    before = calls()
    for _ in range(3):
        session.post(f"{shop.settings.url}/checkout", json=order(5), timeout=5)
    assert calls() == before + 3


def test_metrics_name_route_templates_only(shop: RunningShop, session: requests.Session) -> None:
    url = shop.settings.url
    for path in ("/", "/products/1", "/products/2", "/search?q=granite", "/wp-login.php", "/healthz"):
        session.get(f"{url}{path}", timeout=5)
    session.post(f"{url}/login", json={"email": goods.email(1), "password": "no"}, timeout=5)
    session.post(f"{url}/checkout", json=order(1), timeout=5)
    session.post(f"{url}/register", json={"email": "nobody", "password": "x"}, timeout=5)
    session.post(f"{url}/checkin", json={}, timeout=5)
    routes = {sample.labels[ROUTE] for sample in samples(shop, HTTP_SERVER_REQUEST_DURATION.count)}
    assert routes == {*ROUTES, ""}


def test_version_is_told_to_prometheus_and_to_health_checks(
    shop: RunningShop, session: requests.Session
) -> None:
    info = samples(shop, "target_info")
    assert [sample.labels for sample in info] == [{"service_name": "shop", "service_version": "1.4.0"}]
    assert session.get(f"{shop.settings.url}/healthz", timeout=5).json() == {
        "status": "ok",
        "version": "1.4.0",
    }


def test_log_has_one_json_line_a_request_with_the_callers_trace(
    shop: RunningShop, session: requests.Session
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    session.get(f"{shop.settings.url}/products/77", headers=headers, timeout=5)
    lines = [json.loads(line) for line in shop.log.read_text(encoding="utf-8").splitlines() if trace in line]
    assert len(lines) == 1
    line = lines[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("ts"))
    assert 0.0 < line.pop("duration_ms") < 5000.0
    assert line == {
        "level": "info",
        "service": "shop",
        "version": "1.4.0",
        "message": "request served",
        "method": "GET",
        "route": "/products/<int:product_id>",
        "path": "/products/77",
        "status": 200,
        "trace_id": trace,
    }


def test_exemplars_carry_the_callers_trace(shop: RunningShop, session: requests.Session) -> None:
    trace = "1bf7651916cd43dd8448eb211c80319d"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    session.get(f"{shop.settings.url}/products/78", headers=headers, timeout=5)
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    exposition = session.get(f"{shop.settings.url}/metrics", headers=accept, timeout=5).text
    assert any(trace in line for line in exposition.splitlines() if "/products/" in line)


def test_foreign_host_header_is_refused_on_loopback(shop: RunningShop, session: requests.Session) -> None:
    answer = session.get(f"{shop.settings.url}/", headers={"Host": "attacker.example"}, timeout=5)
    assert answer.status_code == 421


def test_control_finds_the_shop_by_its_pid_file(shop: RunningShop) -> None:
    control = Control(shop.settings, SystemClock())
    assert control.shop_running()
    assert int(shop.settings.pid_file.read_text(encoding="utf-8")) == shop.process.pid
