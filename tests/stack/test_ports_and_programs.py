"""Choosing ports, finding programs."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from specter_stack import ports
from specter_stack.errors import StackError
from specter_stack.ports import choose_ports, is_free, reserved_ports
from specter_stack.programs import (
    PROGRAMS,
    MissingProgramsError,
    Program,
    find_program,
    locate,
    missing_programs,
)


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield int(server.getsockname()[1])


def test_a_port_with_a_server_on_any_interface_is_not_free(taken: int) -> None:
    assert not is_free(taken)
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with socket.socket(family) as server:
            server.bind((address, 0))
            server.listen()
            port = server.getsockname()[1]
            assert not is_free(port), address
        assert is_free(port)


def only(free: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", free.__contains__)


def test_a_free_default_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    only({9090, 19090, 9093}, monkeypatch)
    assert choose_ports({"prometheus": 9090, "alertmanager": 9093}) == {
        "prometheus": 9090,
        "alertmanager": 9093,
    }


def test_a_taken_default_becomes_the_next_free_port_ten_thousand_above(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only({19092, 19095}, monkeypatch)
    assert choose_ports({"prometheus": 9090}) == {"prometheus": 19092}


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    only({9090, 19090, 19091}, monkeypatch)
    assert choose_ports({"one": 9090, "two": 9090, "three": 9091}) == {
        "one": 9090,
        "two": 19090,
        "three": 19091,
    }
    assert choose_ports({"one": 9090}, available=lambda port: port != 9090) == {"one": 19090}


def test_a_port_reserved_by_another_launcher_is_taken_though_nothing_listens_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only({9090, 9093, 19090}, monkeypatch)
    with (
        reserved_ports({"prometheus": 9090}, tmp_path) as first,
        reserved_ports({"prometheus": 9090, "alertmanager": 9093}, tmp_path) as second,
    ):
        assert (first, second) == ({"prometheus": 9090}, {"prometheus": 19090, "alertmanager": 9093})
    with reserved_ports({"prometheus": 9090}, tmp_path) as third:
        assert third == {"prometheus": 9090}


def test_no_free_port_is_an_error_that_names_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    only(set(), monkeypatch)
    with pytest.raises(StackError, match="no free port for prometheus: 9090 and 19090-19289 are taken"):
        choose_ports({"prometheus": 9090})


def make(path: Path, mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def test_a_program_is_found_on_path_by_name_then_alias(tmp_path: Path) -> None:
    program = Program("alertmanager", "prometheus-alertmanager", ("prometheus-alertmanager",))
    alias = make(tmp_path / "bin" / "prometheus-alertmanager")
    assert locate(program, str(tmp_path / "bin")) == alias
    name = make(tmp_path / "bin" / "alertmanager")
    assert locate(program, str(tmp_path / "bin")) == name


def test_what_cannot_be_executed_is_not_found(tmp_path: Path) -> None:
    program = Program("postgres", "postgresql", folders=(f"{tmp_path}/postgresql/*/bin",))
    make(tmp_path / "bin" / "postgres", 0o644)
    make(tmp_path / "postgresql" / "15" / "bin" / "postgres", 0o644)
    (tmp_path / "postgresql" / "16" / "bin" / "postgres").mkdir(parents=True)
    assert locate(program, str(tmp_path / "bin")) is None


def test_the_newest_version_in_the_systems_folders_is_found(tmp_path: Path) -> None:
    program = Program("postgres", "postgresql", folders=(f"{tmp_path}/postgresql/*/bin",))
    for version in ("9.6", "15", "10"):
        make(tmp_path / "postgresql" / version / "bin" / "postgres")
    (tmp_path / "postgresql" / "17" / "bin").mkdir(parents=True)  # removed, but its folder is still there
    assert locate(program, str(tmp_path / "bin")) == tmp_path / "postgresql" / "15" / "bin" / "postgres"
    on_path = make(tmp_path / "bin" / "postgres")
    assert locate(program, str(tmp_path / "bin")) == on_path


def test_a_missing_program_is_named_with_its_package_and_another_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingProgramsError) as caught:
        find_program("amtool")
    assert str(caught.value) == (
        "not found on PATH or in Debian's places: amtool\n"
        "  Debian, Ubuntu:  apt-get install --no-install-recommends prometheus-alertmanager\n"
        "  elsewhere:       put the programs on PATH, see https://prometheus.io/download/"
    )
    assert {program.name for program in missing_programs()} >= {"prometheus", "redis-server"}


def test_every_program_of_the_stack_is_installed_here() -> None:
    assert [find_program(program.name).is_file() for program in PROGRAMS] == [True] * len(PROGRAMS)
