"""Calls to a real server that hangs, drips, floods, redirects, speaks no HTTP or has a wrong certificate."""

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from specter_exporters.dependencies.asking import ask
from specter_exporters.dependencies.calling import MAX_BODY_BYTES, Answer, Caller, Request
from specter_exporters.dependencies.connecting import is_public
from specter_exporters.dependencies.model import Call, CallError, Expect
from specter_exporters.dependencies.searching import Searcher
from tests.core.certificates import self_signed
from tests.exporters.driving import Timer
from tests.servers.prometheus import free_port
from tests.servers.third_party import ThirdParty, third_party

SHORT = 0.3
LONG = 20.0


@pytest.fixture
def party() -> Iterator[ThirdParty]:
    with third_party() as running:
        yield running


def call(url: str, *, timeout: float = LONG, ca_file: Path | None = None, **more: object) -> Answer:
    request = Request("GET", url, {"Authorization": "Bearer s3cret"})
    with Caller(ca_file) as caller:
        return caller.call(request, timeout, wanted=lambda status: status == 200, **more)  # type: ignore[arg-type]


def reason(url: str, *, timeout: float = LONG, ca_file: Path | None = None) -> str:
    with pytest.raises(CallError) as caught:
        call(url, timeout=timeout, ca_file=ca_file)
    return caught.value.reason


@pytest.mark.parametrize("path", ["/hang", "/drip-headers", "/drip-body"])
def test_a_server_that_is_slow_in_any_way_is_broken_off_at_the_deadline(party: ThirdParty, path: str) -> None:
    started = time.monotonic()
    assert reason(f"{party.url}{path}", timeout=SHORT) == "timeout"
    assert SHORT <= time.monotonic() - started < 10 * SHORT


def test_a_server_that_is_slow_over_tls_is_broken_off_too(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "party")
    with third_party(certificate) as party:
        for path in ("/hang", "/drip-headers", "/drip-body"):
            started = time.monotonic()
            assert reason(f"{party.url}{path}", timeout=SHORT, ca_file=certificate.cert) == "timeout"
            assert time.monotonic() - started < 10 * SHORT


def test_a_server_that_accepts_and_says_nothing_in_the_handshake(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert reason(f"https://127.0.0.1:{silent.getsockname()[1]}/", timeout=SHORT) == "timeout"


def test_the_addresses_of_a_name_share_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    timer = Timer()
    tried: list[str] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        tried.append(address[0])
        timer.advance(timeout)
        raise TimeoutError

    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{n}", 80)) for n in range(8)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "create_connection", connect)
    with Caller(timer=timer) as caller, pytest.raises(CallError) as caught:
        caller.call(Request("GET", "http://many.example/", {}), LONG, wanted=lambda _: True)
    assert caught.value.reason == "timeout"
    assert len(tried) == 8
    assert timer.now - 100 == pytest.approx(LONG, abs=0.1)


def test_an_endless_body_is_read_up_to_a_limit_and_not_at_all_when_nobody_wants_it(party: ThirdParty) -> None:
    assert reason(f"{party.url}/huge") == "body"
    assert call(f"{party.url}/huge", body=False).body == b""
    party.page("/large", b"a" * MAX_BODY_BYTES)
    assert len(call(f"{party.url}/large").body) == MAX_BODY_BYTES


@pytest.mark.parametrize(("path", "expected"), [("/garbage", "invalid"), ("/hang-up", "connect")])
def test_an_answer_that_is_none(party: ThirdParty, path: str, expected: str) -> None:
    assert reason(f"{party.url}{path}") == expected


def test_nobody_listens_and_no_such_name() -> None:
    assert reason(f"http://127.0.0.1:{free_port()}/") == "connect"
    assert reason("http://no-such-name.invalid/") == "dns"


def test_certificates_are_verified(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "party")
    with third_party(certificate) as party:
        party.page("/", b"ok")
        assert reason(f"{party.url}/") == "tls"
        assert call(f"{party.url}/", ca_file=certificate.cert).body == b"ok"
    with third_party() as plain:
        assert reason(plain.url.replace("http", "https")) == "tls"


def test_a_loop_of_redirects_ends(party: ThirdParty) -> None:
    party.page("/loop", b"", 302, Location="/loop")
    assert reason(f"{party.url}/loop") == "redirect"
    assert len(party.seen) == 6


def test_a_redirect_within_the_origin_keeps_the_headers(party: ThirdParty) -> None:
    party.page("/old", b"", 301, Location="/new")
    party.page("/new", b"here")
    assert call(f"{party.url}/old").body == b"here"
    assert party.seen[-1].headers["Authorization"] == "Bearer s3cret"


def test_a_redirect_to_another_host_or_port_carries_no_credentials(party: ThirdParty) -> None:
    with third_party() as other:
        other.page("/", b"theirs")
        for target in (f"http://localhost:{party.port}/elsewhere", f"{other.url}/"):
            party.page("/away", b"", 302, Location=target, Set_Cookie="session=1")
            party.page("/elsewhere", b"theirs")
            assert call(f"{party.url}/away").body == b"theirs"
        arrived = [*other.seen, *(seen for seen in party.seen if seen.path == "/elsewhere")]
        assert len(arrived) == 2
        assert [seen.headers.get("Authorization") for seen in arrived] == [None, None]
        assert "s3cret" not in str(arrived)


def test_nobody_in_the_internet_leads_into_our_network(party: ThirdParty) -> None:
    party.page("/away", b"", 302, Location=f"http://127.0.0.2:{party.port}/")
    party.page("/here", b"", 302, Location="/new")
    party.page("/new", b"here")

    def asked(path: str, public: str) -> Answer:
        with Caller(public=lambda address: address == public) as caller:
            return caller.call(Request("GET", f"{party.url}{path}", {}), LONG, wanted=lambda one: one == 200)

    with pytest.raises(CallError) as caught:
        asked("/away", public="127.0.0.1")
    assert caught.value.reason == "redirect"
    with pytest.raises(CallError) as caught:
        asked("/away", public="")  # what the list itself names may be in our network, and lead on in it
    assert caught.value.reason == "connect"
    assert asked("/here", public="127.0.0.1").body == b"here"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        *[(private, False) for private in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "::1")],
        *[(private, False) for private in ("fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "0.0.0.0")],
    ],
)
def test_which_addresses_are_of_the_internet(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_an_answer_in_which_a_search_takes_for_ever_holds_nobody_up(party: ThirdParty) -> None:
    party.page("/digits", b"1" * 1_000_000)
    party.page("/some", b"17 orders")
    searcher = Searcher(SHORT)
    expect = Expect(body=re.compile("([0-9]+) orders"))
    try:
        with Caller(search=searcher.search) as caller:
            with pytest.raises(CallError) as caught:
                ask(Call("", "GET", f"{party.url}/digits", LONG, expect=expect), {}, caller)
            assert caught.value.reason == "body"
            assert ask(Call("", "GET", f"{party.url}/some", LONG, expect=expect), {}, caller).status == 200
            assert caller.search(re.compile("([0-9]+) orders"), "17 orders") == ["17 orders", "17"]
            assert caller.search(re.compile("[0-9]+ orders"), "no orders") is None
            (process,) = [
                one for one in psutil.Process().children() if "import json, re, sys" in one.cmdline()[-1]
            ]
            process.kill()
            process.wait(LONG)
            assert caller.search(re.compile("or+"), "17 orders") == ["or"]
    finally:
        searcher.close()


def test_a_body_is_not_sent_on_to_another_host(party: ThirdParty) -> None:
    party.page("/away", b"", 307, Location=f"http://localhost:{party.port}/elsewhere")
    request = Request("POST", f"{party.url}/away", {}, form={"password": "s3cret"})
    with Caller() as caller, pytest.raises(CallError) as caught:
        caller.call(request, LONG, wanted=lambda status: status == 200)
    assert caught.value.reason == "redirect"
    assert [seen.path for seen in party.seen] == ["/away"]


def test_a_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "party")
    with third_party(certificate) as party:
        party.page("/away", b"", 302, Location="http://localhost/")
        assert reason(f"{party.url}/away", ca_file=certificate.cert) == "redirect"


def test_a_request_shows_none_of_its_secrets() -> None:
    request = Request("POST", "http://party/", {"Authorization": "s3cret"}, {"p": "s3cret"}, {"p": "s3cret"})
    assert repr(request) == "Request(method='POST', url='http://party/')"


def test_an_error_says_its_reason_and_nothing_of_what_was_sent(party: ThirdParty) -> None:
    with pytest.raises(CallError) as caught:
        call(f"http://127.0.0.1:{free_port()}/path-s3cret")
    assert str(caught.value) == "connect"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_proxy_of_the_environment_is_used_and_bound_to_the_deadline(
    party: ThirdParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", party.url)
    monkeypatch.delenv("no_proxy", raising=False)
    party.page("/page", b"by proxy")
    assert call("http://vendor.invalid/page").body == b"by proxy"
    assert reason("http://vendor.invalid/drip-headers", timeout=SHORT) == "timeout"


def test_a_password_of_the_netrc_file_is_not_sent(
    party: ThirdParty, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    party.page("/", b"ok")
    with Caller() as caller:
        caller.call(Request("GET", f"{party.url}/", {}), LONG, wanted=lambda status: status == 200)
    assert "Authorization" not in party.seen[0].headers
