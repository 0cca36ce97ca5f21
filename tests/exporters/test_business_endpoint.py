"""The HTTP endpoint for business events: who may send, what is taken, and what an answer says."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from werkzeug.test import Client, TestResponse

from specter_core.errors import SpecterError
from specter_core.web import WebOptions, WebServer
from specter_exporters.business import Business
from specter_exporters.business.endpoint import MAX_BODY_BYTES, BusinessEndpoint
from specter_exporters.business.idempotency import Idempotency
from specter_exporters.business.senders import Senders, read_tokens
from specter_exporters.token_bucket import TokenBucket
from tests.exporters.business_setup import (
    OTHER_TOKEN,
    TOKEN,
    ToldClock,
    catalogue,
    events,
    rejected,
    value,
)

WITHIN = 20.0
PATH = "/api/v1/events"
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
ORDER = {"event": "order", "amount": 12.5, "currency": "EUR", "user": "u1"}


class Site:
    """An endpoint without a server, and what it counts."""

    def __init__(self, rate: float = 50_000.0) -> None:
        self.clock = ToldClock()
        self.business = Business(catalogue(), clock=self.clock)
        senders = Senders({"shop": TOKEN, "mail": OTHER_TOKEN})
        self.endpoint = BusinessEndpoint(self.business, senders, rate=rate, clock=self.clock)
        self.client = Client(self.endpoint)

    def post(self, body: object, **headers: str) -> TestResponse:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.client.post(PATH, data=data, headers={**HEADERS, **named})

    def requests(self, sender: str, code: int) -> float | None:
        return value(self.business.registry, "requests_total", sender=sender, code=str(code))


@pytest.fixture
def site() -> Site:
    return Site()


def problem(answer: TestResponse, status: int) -> Any:
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    said: Any = answer.json
    assert said["status"] == status
    assert said["detail"]
    assert said["action"]
    return said


def test_one_event_and_a_batch_are_counted(site: Site) -> None:
    one = site.post(ORDER)
    assert (one.status_code, one.json, one.content_type) == (200, {"accepted": 1}, "application/json")
    assert site.post([ORDER, {"event": "visit", "outcome": None}] * 500).json == {"accepted": 1000}
    assert events(site.business.registry, "order") == 501
    assert events(site.business.registry, "visit") == 500
    assert site.requests("shop", 200) == 2


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer é",
        "Bearer " + "x" * 10_000,
    ],
)
def test_without_a_token_of_ours_nothing_is_counted(site: Site, header: str) -> None:
    answer = site.post(ORDER, Authorization=header)
    problem(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert TOKEN not in answer.text
    assert events(site.business.registry, "order") == 0
    assert site.requests("", 401) == 1


def test_each_sender_is_counted_by_the_name_of_its_token(site: Site) -> None:
    site.post(ORDER)
    site.post(ORDER, Authorization=f"bearer {OTHER_TOKEN}")
    site.post({"event": "nothing"}, Authorization=f"Bearer {OTHER_TOKEN}")
    assert (site.requests("shop", 200), site.requests("mail", 200), site.requests("mail", 422)) == (1, 1, 1)


def test_an_unknown_event_is_refused_with_the_names_that_are_known(site: Site) -> None:
    said = problem(site.post({"event": "oder"}), 422)
    assert said["detail"] == "'oder' is not in the catalogue"
    assert said["accepted"] == 0
    assert said["known"]["event"] == list(catalogue().events)
    assert rejected(site.business.registry) == {"unknown_event": 1}


def test_of_a_batch_what_is_valid_is_counted_and_the_rest_is_named_by_its_index(site: Site) -> None:
    batch = [ORDER, {"event": "order", "outcome": "lost"}, "text", ORDER, {"event": "visit", "colour": 1},
             {"event": "order", "amount": 1, "currency": "GBP"}]  # fmt: skip
    said = problem(site.post(batch), 422)
    assert said["accepted"] == 2
    assert [(one["index"], one["reason"], one["field"]) for one in said["refused"]] == [
        (1, "unknown_outcome", "outcome"),
        (2, "invalid_value", "event"),
        (4, "unknown_field", "'colour'"),
        (5, "unknown_currency", "currency"),
    ]
    assert said["known"]["order.outcome"] == ["success", "failed", "pending"]
    assert said["known"]["order.currency"] == ["EUR", "USD"]
    assert "amount" in said["known"]["fields"]
    assert events(site.business.registry, "order") == 2
    assert sum(rejected(site.business.registry).values()) == 4


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b'{"event":"order","amount":NaN,"currency":"EUR"}', 400, "not JSON"),
        (b'{"event":"order","amount":1e400,"currency":"EUR"}', 422, "from 0 to"),
        (b'{"event":"order","amount":' + b"9" * 5000 + b"}", 400, "too long"),
        (b"[" * 100_000, 400, "too deep"),
        (b"\xff\xfe{", 400, "not JSON"),
        (b"null", 422, "an event or an array"),
        (b'"order"', 422, "an event or an array"),
        (b"[]", 422, "no event"),
        (b'{"event":"\\ud800"}', 422, "not in the catalogue"),
        (b'{"event":"visit","user":"\\ud800"}', 200, "accepted"),
        (b'{"event":"visit","event":"order"}', 200, "accepted"),
    ],
)
def test_whatever_comes_as_a_body_has_an_answer(site: Site, body: bytes, status: int, said: str) -> None:
    answer = site.post(body)
    assert answer.status_code == status
    assert said in answer.text


def test_only_json_is_taken(site: Site) -> None:
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": ""}, {"Content-Encoding": "gzip"}):
        answer = site.client.post(PATH, data=b"{}", headers={**HEADERS, **headers})
        problem(answer, 415)
    assert site.post(ORDER, Content_Type="application/json; charset=utf-8").status_code == 200


def test_too_much_at_once_is_refused(site: Site) -> None:
    assert "at most 1000" in problem(site.post([ORDER] * 1001), 413)["detail"]
    problem(site.post(b" " * (MAX_BODY_BYTES + 1)), 413)
    assert events(site.business.registry, "order") == 0


def test_other_paths_and_methods_say_what_to_do(site: Site) -> None:
    problem(site.client.get("/metrics"), 404)
    wrong = site.client.get(PATH)
    problem(wrong, 405)
    assert wrong.headers["Allow"] == "POST"
    assert site.client.get("/-/healthy").json == {"status": "ok"}
    assert site.client.head("/-/healthy").data == b""


def test_no_page_of_a_browser_may_send(site: Site) -> None:
    preflight = site.client.options(PATH, headers={"Origin": "https://shop.example"})
    answer = site.post(ORDER, Origin="https://shop.example")
    assert preflight.status_code == 405
    for one in (preflight, answer):
        assert not [name for name in one.headers.keys() if name.lower().startswith("access-control")]  # noqa: SIM118


def test_a_flood_is_stopped_and_told_when_to_come_back() -> None:
    site = Site(rate=100.0)
    assert site.post([ORDER] * 100).status_code == 200
    assert site.post([ORDER] * 400).status_code == 200  # let in, and paid for afterwards
    answer = site.post(ORDER)
    problem(answer, 429)
    assert answer.headers["Retry-After"] == "3"
    assert site.post(ORDER, Authorization=f"Bearer {OTHER_TOKEN}").status_code == 200
    site.clock.advance(2.9)
    assert site.post(ORDER).status_code == 429
    site.clock.advance(0.2)
    assert site.post(ORDER).status_code == 200
    assert events(site.business.registry, "order") == 502
    for _ in range(11):
        site.post(b"no json")
    assert site.post(b"no json").status_code == 429


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    clock = ToldClock()
    bucket = TokenBucket(10.0, clock.monotonic)
    clock.advance(1e6)
    assert bucket.wait() == 0
    bucket.pay(25)
    assert bucket.wait() == 1
    clock.advance(0.6)
    assert bucket.wait() == 0


def test_a_request_sent_again_is_answered_as_before_and_counted_once(site: Site) -> None:
    first = site.post([ORDER, {"event": "oder"}], Idempotency_Key="k-1")
    again = site.post([ORDER, {"event": "oder"}], Idempotency_Key="k-1")
    assert (first.status_code, again.status_code) == (422, 422)
    assert (first.data, first.content_type) == (again.data, again.content_type)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert events(site.business.registry, "order") == 1
    other = site.post(
        [ORDER, {"event": "oder"}], Idempotency_Key="k-1", Authorization=f"Bearer {OTHER_TOKEN}"
    )
    assert "Idempotency-Replayed" not in other.headers
    assert "for other events" in problem(site.post(ORDER, Idempotency_Key="k-1"), 422)["detail"]
    problem(site.post(ORDER, Idempotency_Key="x" * 256), 400)
    assert site.post(b"{", Idempotency_Key="k-2").status_code == 400
    assert site.post(ORDER, Idempotency_Key="k-2").json == {"accepted": 1}
    site.clock.advance(25 * 3600.0)
    assert "Idempotency-Replayed" not in site.post(ORDER, Idempotency_Key="k-1").headers


def test_what_is_remembered_of_requests_is_bounded() -> None:
    remembered = Idempotency(ToldClock(), max_keys=3, max_bytes=100)
    for number in range(5):
        assert remembered.begin(("shop", str(number)), b"f") is None
        remembered.end(("shop", str(number)), 200, b"x" * 40)
    assert remembered.begin(("shop", "2"), b"f") is None  # its bytes were needed
    kept = remembered.begin(("shop", "4"), b"f")
    assert kept is not None
    assert kept.status == 200
    under_way = remembered.begin(("shop", "2"), b"f")
    assert under_way is not None
    assert under_way.status == 0
    remembered.forget(("shop", "2"))
    assert remembered.begin(("shop", "2"), b"f") is None


def test_a_request_under_way_is_not_begun_twice(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    record, answers = site.business.record, []

    def slow(observations: Any) -> None:
        monkeypatch.setattr(site.business, "record", record)
        answers.append(site.post(ORDER, Idempotency_Key="k"))
        record(observations)

    monkeypatch.setattr(site.business, "record", slow)
    assert site.post(ORDER, Idempotency_Key="k").status_code == 200
    problem(answers[0], 409)
    assert answers[0].headers["Retry-After"] == "1"
    assert events(site.business.registry, "order") == 1


def test_a_defect_is_logged_and_can_be_sent_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(site.business, "record", lambda _: 1 / 0)
        said = problem(site.post(ORDER, Idempotency_Key="k"), 500)
    assert "division" not in json.dumps(said)
    assert "ZeroDivisionError" in caplog.text
    assert site.requests("shop", 500) == 1
    assert site.post(ORDER, Idempotency_Key="k").json == {"accepted": 1}


# --- tokens ---


def test_tokens_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(TOKEN + "\n")
    (tmp_path / "b").write_text(OTHER_TOKEN)
    assert read_tokens((f"shop={tmp_path / 'a'}", f"mail={tmp_path / 'b'}")) == {
        "shop": TOKEN,
        "mail": OTHER_TOKEN,
    }


@pytest.mark.parametrize(
    ("arguments", "content", "said"),
    [
        (("{file}",), TOKEN, "expected NAME=FILE"),
        (("Shop={file}",), TOKEN, "expected NAME=FILE"),
        (("shop={file}", "shop={file}"), TOKEN, "two tokens of shop"),
        (("shop={file}", "mail={file}"), TOKEN, "another sender has the same"),
        (("shop={file}",), "short", "16 to 512 ASCII characters"),
        (("shop={file}",), "with a space in the token", "16 to 512 ASCII characters"),
        (("shop={file}",), "", "is empty"),
        (("shop={file}.missing",), TOKEN, "No such file"),
    ],
)
def test_a_token_that_cannot_be_used_is_named_and_never_shown(
    tmp_path: Path, arguments: tuple[str, ...], content: str, said: str
) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(SpecterError) as caught:
        read_tokens(tuple(argument.format(file=file) for argument in arguments))
    assert said in str(caught.value)
    assert not content or content not in str(caught.value)


def test_tokens_are_kept_as_hashes_only() -> None:
    assert TOKEN not in repr(vars(Senders({"shop": TOKEN})))


# --- on a real server ---


@pytest.fixture
def server(site: Site) -> Iterator[WebServer]:
    server = WebServer(site.endpoint, WebOptions("127.0.0.1", 0), max_body_bytes=2 * MAX_BODY_BYTES)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def raw(server: WebServer, head: str, body: bytes = b"", *, shut: bool = False) -> str:
    """Send bytes as they are; return the answer's status line and headers."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=WITHIN) as connection:
        lines = [f"POST {PATH} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {TOKEN}",
                 "Content-Type: application/json", "Connection: close", head]  # fmt: skip
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        if shut:
            with suppress(OSError):  # it may be answered and closed already
                connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer.decode()


def test_bodies_come_in_chunks_or_with_a_length(site: Site, server: WebServer) -> None:
    one = json.dumps(ORDER).encode()
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (one[:7], one[7:]))
    assert "200 OK" in raw(server, "Transfer-Encoding: chunked", chunks + b"0\r\n\r\n")
    assert "200 OK" in raw(server, f"Content-Length: {len(one)}", one)
    assert events(site.business.registry, "order") == 2


@pytest.mark.parametrize(
    ("head", "body", "statuses"),
    [
        ("Content-Length: 500", b'{"event":"visit"}', {400}),
        ("Content-Length: -5", b"", {400}),
        ("Content-Length: many", b"", {400}),
        ("Transfer-Encoding: chunked", b"zz\r\nhello\r\n", {400}),
        ("Transfer-Encoding: chunked", b"5\r\nhel", {400}),
        ("Transfer-Encoding: chunked", b"1;" + b"x" * 2000 + b"\r\n1\r\n", {400}),
        ("Transfer-Encoding: chunked", (b"1;" + b"x" * 200 + b"\r\n1\r\n") * 15_000, {413}),
        ("Transfer-Encoding: chunked", b"300000\r\n" + b" " * 0x300000 + b"\r\n0\r\n\r\n", {413}),
        (f"Content-Length: {MAX_BODY_BYTES + 1}", b" " * (MAX_BODY_BYTES + 1), {413}),
        (f"Content-Length: {10**15}", b"", {413}),
        ("X-Nothing: 1", b"", {400, 411}),
    ],
)
def test_a_broken_transfer_is_no_error_of_ours(
    site: Site, server: WebServer, head: str, body: bytes, statuses: set[int]
) -> None:
    answer = raw(server, head, body, shut=True)
    found = re.match(r"HTTP/1\.1 (\d+)", answer)
    assert found is not None, answer[:200]
    assert int(found[1]) in statuses
    assert events(site.business.registry, "visit") == 0
    assert requests.post(server.url + PATH, json=ORDER, headers=HEADERS, timeout=WITHIN).status_code == 200


def test_a_connection_goes_on_after_a_refusal(server: WebServer) -> None:
    statuses: list[int] = []
    body: Any
    with requests.Session() as session:
        for body, headers in [
            (json.dumps([ORDER] * 1000), {"Authorization": "Bearer wrong"}),
            (json.dumps(ORDER), {"Content-Type": "text/plain"}),
            (iter([b"POST / HTTP/1.1\r\n\r\n", b" " * 5000]), {"Authorization": "Bearer wrong"}),
            (json.dumps(ORDER), {}),
        ]:
            sent = {**HEADERS, **headers}
            found = session.post(server.url + PATH, data=body, headers=sent, timeout=WITHIN)
            statuses.append(found.status_code)
    assert statuses == [401, 415, 401, 200]
