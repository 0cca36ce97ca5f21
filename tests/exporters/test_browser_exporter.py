"""`specter exporter browser` as it is used: its own process, two listeners, clients that do not behave."""

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from specter_core.config import parse_config
from specter_exporters.browser.config import BrowserSchema
from tests.core.certificates import self_signed
from tests.exporters.browser_setup import LCP, PAGE, SHOP, WITHIN, Running, example, exporter
from tests.servers.prometheus import Prometheus, free_port

pytestmark = pytest.mark.integration
TEXT = {"Origin": SHOP, "Content-Type": "text/plain;charset=UTF-8"}


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with exporter(tmp_path, example("yaml", "allowed_origins") + "hold_seconds: 0\n") as found:
        yield found


def post(running: Running, body: bytes, headers: dict[str, str] | None = None) -> requests.Response:
    return requests.post(f"{running.beacon_url}/beacon", data=body, headers=headers or TEXT, timeout=WITHIN)


def answered_to(running: Running, request: bytes) -> bytes:
    """Return what is answered until the connection ends."""
    address = urlsplit(running.beacon_url)
    with socket.create_connection((address.hostname, address.port), timeout=WITHIN) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def spoken(running: Running, request: bytes) -> list[int]:
    """Return the statuses of what is answered until the connection ends."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answered_to(running, request))]


def test_the_listeners_are_apart(running: Running) -> None:
    assert post(running, json.dumps(LCP).encode()).status_code == 204
    assert requests.get(f"{running.beacon_url}/metrics", timeout=WITHIN).status_code == 404
    at_metrics = requests.post(f"{running.metrics_url}/beacon", data="{}", headers=TEXT, timeout=WITHIN)
    assert at_metrics.status_code == 404
    assert requests.get(f"{running.metrics_url}/-/healthy", timeout=WITHIN).status_code == 200
    assert requests.get(f"{running.beacon_url}/-/healthy", timeout=WITHIN).status_code == 200
    labels = '{device="mobile",page="/product/{id}"}'
    assert running.scrape()[f"specter_web_vitals_lcp_seconds_sum{labels}"] == 1.2345


def test_clients_that_drip_do_not_keep_a_browser_waiting(running: Running) -> None:
    address = urlsplit(running.beacon_url)
    head = f"POST /beacon HTTP/1.1\r\nHost: localhost\r\nOrigin: {SHOP}\r\n".encode()
    with ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection((address.hostname, address.port), timeout=WITHIN))
            for _ in range(100)
        ]
        for byte in head[:3]:
            for one in slow:
                one.sendall(bytes([byte]))
            start = time.monotonic()
            assert post(running, json.dumps(LCP).encode()).status_code == 204
            assert time.monotonic() - start < 2
        slow[0].sendall(head[3:] + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}")
        assert slow[0].recv(65536).startswith(b"HTTP/1.1 422 ")


def test_what_is_refused_is_told_counted_and_leaves_the_connection_usable(running: Running) -> None:
    good = json.dumps(LCP).encode()
    with requests.Session() as session:
        url = f"{running.beacon_url}/beacon"
        statuses = [
            session.post(url, data=body, headers=headers, timeout=WITHIN).status_code
            for body, headers in (
                (b"x" * 70_000, TEXT),
                (good, TEXT | {"Origin": "https://evil.example.org"}),
                (good, {"Content-Type": "text/plain"}),
                (b"{", TEXT),
                (b'{"name": "LCP"}', TEXT),
                (iter([b"x" * 40_000, b"y" * 40_000]), TEXT),  # in chunks, without a length
                (iter([good[:9], good[9:]]), TEXT),
                (good, TEXT),
            )
        ]
    assert statuses == [413, 403, 403, 400, 422, 413, 204, 204]
    refused = {
        series.split('"')[1]: value
        for series, value in running.counted().items()
        if series.startswith("specter_beacon_refused_total")
    }
    assert refused == {"too_large": 2, "origin": 2, "unreadable": 1, "invalid": 1}


@pytest.mark.parametrize(
    ("head", "body", "statuses"),
    [
        ("Content-Length: 100", b"{}", {400, 408}),
        ("Content-Length: -5", b"{}", {400}),
        ("Content-Length: x", b"{}", {400, 422}),
        ("Transfer-Encoding: chunked", b"zz\r\n{}\r\n", {400}),
        ("Transfer-Encoding: chunked", b"2\r\n{}\r\n", {400, 422}),
        # Refused by its length alone: a server that is faster than who sends breaks the connection off.
        ("Content-Length: 2000000", b"", {413}),
    ],
)
def test_a_broken_transfer_is_no_error_of_ours(
    running: Running, head: str, body: bytes, statuses: set[int]
) -> None:
    request = (
        f"POST /beacon HTTP/1.1\r\nHost: localhost\r\nOrigin: {SHOP}\r\nContent-Type: text/plain\r\n"
        f"{head}\r\n\r\n"
    )
    answered = spoken(running, request.encode() + body)
    assert answered
    assert answered[0] in statuses
    assert all(status < 500 for status in answered)
    assert post(running, json.dumps(LCP).encode()).status_code == 204


@pytest.mark.parametrize("path", ["/beacon", "/openapi.json", "/nothing"])
def test_head_is_answered_without_a_body(running: Running, path: str) -> None:
    head, _, body = answered_to(
        running, f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    ).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 40")
    assert body == b""


def test_a_chunk_size_without_end_is_refused_at_once_at_any_path(running: Running) -> None:
    head = f"Host: localhost\r\nOrigin: {SHOP}\r\nTransfer-Encoding: chunked\r\n\r\n"
    for path, types, status in (
        ("/beacon", "Content-Type: text/plain\r\n", 400),
        ("/beacon", "", 415),
        ("/no", "", 404),
    ):
        request = f"POST {path} HTTP/1.1\r\n{types}{head}".encode() + b"1" * 2000
        assert spoken(running, request) == [status]


def test_a_flood_is_stopped_and_others_go_on(running: Running) -> None:
    good = json.dumps(LCP).encode()
    with requests.Session() as session:
        session.headers.update(TEXT)
        answers = [session.post(f"{running.beacon_url}/beacon", data=good, timeout=WITHIN) for _ in range(60)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:20] == [204] * 20
    assert set(statuses) == {204, 429}
    stopped = next(answer for answer in answers if answer.status_code == 429)
    assert stopped.headers["Retry-After"] == "1"
    assert stopped.headers["Access-Control-Allow-Origin"] == SHOP
    assert running.counted()['specter_beacon_refused_total{reason="client_rate"}'] == statuses.count(429)


def test_behind_the_documented_proxy_each_client_has_its_own_limit(running: Running) -> None:
    # The proxy on this machine appends the address that it was called from.
    def flood(client: str) -> set[int]:
        headers = TEXT | {"X-Forwarded-For": f"192.0.2.99, {client}"}
        with requests.Session() as session:
            url = f"{running.beacon_url}/beacon"
            return {
                session.post(url, data=b"[]", headers=headers, timeout=WITHIN).status_code for _ in range(60)
            }

    assert "proxy_pass http://127.0.0.1:9853" in example("nginx", "location = /beacon")
    assert 429 in flood("192.0.2.1")
    forwarded = TEXT | {"X-Forwarded-For": "192.0.2.99, 192.0.2.2"}
    assert post(running, json.dumps(LCP).encode(), forwarded).status_code == 204


def test_a_host_header_of_another_machine_is_refused(running: Running) -> None:
    assert post(running, b"{}", TEXT | {"Host": "evil.example.org"}).status_code == 421


def test_client_certificates_are_for_the_metrics_alone(tmp_path: Path) -> None:
    own, client = self_signed(tmp_path, "server"), self_signed(tmp_path, "client")
    (tmp_path / "web.yml").write_text(
        f"tls_server_config: {{cert_file: {own.cert}, key_file: {own.key}, client_ca_file: {client.cert}, "
        "client_auth_type: RequireAndVerifyClientCert}\n"
    )
    config = f"allowed_origins: [{SHOP}]\n"
    with exporter(tmp_path, config, "--web.config.file", "web.yml") as running:
        url, trusted = f"{running.beacon_url}/beacon", str(own.cert)
        sent = requests.post(url, json=LCP, headers={"Origin": SHOP}, verify=trusted, timeout=WITHIN)
        assert sent.status_code == 204
        metrics = f"{running.metrics_url}/metrics"
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(metrics, verify=trusted, timeout=WITHIN)
        known = (str(client.cert), str(client.key))
        assert requests.get(metrics, verify=trusted, cert=known, timeout=WITHIN).status_code == 200


def test_prometheus_scrapes_what_the_documentation_shows(running: Running, tmp_path: Path) -> None:
    sent = [{**LCP, "page": "/product/7", "device": "desktop", "value": 1834.2}]
    assert post(running, json.dumps(sent).encode()).status_code == 204
    shown = {line.rpartition(" ")[0] for line in example("", "specter_beacon_requests_total").splitlines()}
    exposed = set(running.scrape())
    of_lcp = {series for series in shown if "_lcp_" in series}
    assert of_lcp
    assert of_lcp <= exposed
    assert {series for series in shown if series.startswith("specter_beacon_")} <= exposed
    target = urlsplit(running.metrics_url).netloc
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: browser\n    static_configs:\n"
        f'      - {{targets: ["{target}"], labels: {{service: shop}}}}\n'
    )
    prometheus = Prometheus(tmp_path, free_port(), config)
    prometheus.start()
    try:
        where = '{service="shop", page="/product/{id}", device="desktop"}'
        assert prometheus.wait_for(f"specter_web_vitals_lcp_seconds_sum{where}") == [1.8342]
        assert prometheus.query('{__name__=~"specter_.*_created"}') == []
    finally:
        prometheus.stop()


def test_the_documented_settings_are_all_there_are_with_their_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    fields = BrowserSchema.model_fields
    documented = {name: default for name, default in rows if name in fields}
    assert set(documented) == set(fields)
    for name, default in documented.items():
        if default not in {"required", "none"}:
            assert float(default) == fields[name].default
    assert parse_config(example("yaml", "allowed_origins"), BrowserSchema, file="example").pages[-1] == (
        "/docs/{rest:path}"
    )
