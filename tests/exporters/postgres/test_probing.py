"""Servers that the scraper names: only those that a module lets it name, and never with a password."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from specter_core.clock import SystemClock
from specter_exporters.postgres import probing
from specter_exporters.postgres.model import Module, Server
from specter_exporters.postgres.probing import Probes, allows, with_probes
from tests.exporters.serving import samples
from tests.servers.postgres import PostgresServer, running_postgres

Get = Callable[[str], tuple[str, str]]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def get(tmp_path: Path) -> Iterator[Get]:
    """Ask the application for a query string; return status and body."""
    (tmp_path / "password").write_text("throw-away")
    server = Server("m", "dbname=postgres user=specter connect_timeout=2", tmp_path / "password")
    modules = {"default": Module(server, ("127.0.0.1:*", "db-*.internal:5432"))}
    with closing(Probes(modules, SystemClock())) as probes:
        site = with_probes(lambda *_: [b"the site"], probes)

        def get(query: str, path: str = "/probe") -> tuple[str, str]:
            said: list[str] = []
            environ = {"PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": "GET"}
            body = b"".join(site(environ, lambda status, *_: said.append(status)))  # type: ignore[arg-type]
            return said[0] if said else "", body.decode()

        yield get


@pytest.mark.integration
def test_a_target_is_its_own_server_and_the_next_probe_finds_its_session(
    postgres: PostgresServer, get: Get
) -> None:
    target = f"127.0.0.1:{postgres.port}"
    for _ in range(2):
        status, body = get(f"target={target}&module=default")
        assert status == "200 OK"
        seen = samples(body)
        assert seen["specter_pg_up", (target,)] == 1
    # The probe's two sessions, whatever it has been asked.
    assert seen["specter_pg_connections", ("postgres", target, "active")] in {1, 2}


def test_a_server_that_is_not_there_is_down_and_no_error(get: Get) -> None:
    status, body = get("target=127.0.0.1:1")
    assert status == "200 OK"
    assert samples(body)["specter_pg_up", ("127.0.0.1:1",)] == 0


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", "400 Bad Request"),
        ("target=127.0.0.1:1&module=other", "400 Bad Request"),
        ("target=127.0.0.1:1&target=127.0.0.1:2", "400 Bad Request"),
        ("target=postgresql://me:hunter2@127.0.0.1:1", "400 Bad Request"),
        ("target=127.0.0.1:1%20password=hunter2", "400 Bad Request"),
        ("target=127.0.0.1:123456", "400 Bad Request"),
        ("target=10.0.0.1:5432", "403 Forbidden"),
        ("target=db-1.somebody-else.example:5432", "403 Forbidden"),
    ],
)
def test_what_is_not_asked_is_said_without_repeating_it(get: Get, query: str, status: str) -> None:
    answered, body = get(query)
    assert answered == status
    assert "hunter2" not in body


def test_other_paths_are_the_site_s(get: Callable[..., tuple[str, str]]) -> None:
    assert get("", path="/metrics")[1] == "the site"


def test_targets_are_bounded_and_forgotten(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "MOST_TARGETS", 1)
    assert get("target=127.0.0.1:1")[0] == "200 OK"
    assert get("target=127.0.0.1:2")[0] == "503 Service Unavailable"
    assert get("target=127.0.0.1:1")[0] == "200 OK"
    monkeypatch.setattr(probing, "FORGET_AFTER", -1.0)
    assert get("target=127.0.0.1:2")[0] == "200 OK"


@pytest.mark.parametrize(
    ("pattern", "target", "allowed"),
    [
        ("db-*.internal:5432", "db-1.internal:5432", True),
        ("db-*.internal:5432", "db-1.internal:5433", False),
        ("db-*", "db-1.somebody-else.example", False),
        ("10.0.0.*:5432", "10.0.0.7:5432", True),
        ("10.0.0.*:5432", "10x0y0z7:5432", False),
    ],
)
def test_a_star_never_stands_for_a_dot(pattern: str, target: str, allowed: bool) -> None:
    assert allows(pattern, target) is allowed
