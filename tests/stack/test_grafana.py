"""Grafana is started when a server that is new enough is on PATH."""

from pathlib import Path

import pytest

from specter_stack.grafana import grafana_service
from specter_stack.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "state", tmp_path / "checkout")


def grafana(home: Path, says: str, name: str = "grafana", *, complete: bool = True) -> Path:
    """Put a stand-in for Grafana's tarball into `home`; return its folder of programs."""
    program = home / "bin" / name
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\n[ \"$1\" = -v ] && echo '{says}'\n")
    program.chmod(0o755)
    if complete:
        (home / "conf").mkdir()
        (home / "conf" / "defaults.ini").write_text("")
    return program.parent


def test_no_grafana_is_said_with_what_is_left(layout: Layout, tmp_path: Path) -> None:
    service, said = grafana_service(layout, 3000, "http://p", str(tmp_path))
    assert service is None
    assert said == "Grafana: no server on PATH; dashboards/generated/*.json can be imported into any Grafana"


@pytest.mark.parametrize(
    ("says", "version"),
    [("Version 9.3.16 (commit: x, branch: HEAD)", "9.3"), ("grafana version 8.5.0", "8.5"), ("?", "unknown")],
)
def test_an_old_or_unknown_version_is_named_and_not_started(
    layout: Layout, tmp_path: Path, says: str, version: str
) -> None:
    folder = grafana(tmp_path / "home", says)
    service, said = grafana_service(layout, 3000, "http://p", str(folder))
    assert service is None
    assert said == (
        f"Grafana: {folder}/grafana is version {version}; 9.4 or later is needed, so it is not started"
    )


def test_a_program_that_cannot_run_here_is_an_unknown_version(layout: Layout, tmp_path: Path) -> None:
    folder = grafana(tmp_path / "home", "grafana version 11.0.0")
    (folder / "grafana").write_bytes(b"\x7fELF of another machine")
    service, said = grafana_service(layout, 3000, "http://p", str(folder))
    assert service is None
    assert "is version unknown" in said


def test_a_server_without_its_home_is_not_started(layout: Layout, tmp_path: Path) -> None:
    folder = grafana(tmp_path / "home", "grafana version 11.0.0", complete=False)
    service, said = grafana_service(layout, 3000, "http://p", str(folder))
    assert service is None
    assert said == f"Grafana: no conf/defaults.ini near {folder}/grafana, so it is not started"


@pytest.mark.parametrize(("name", "words"), [("grafana", ("server",)), ("grafana-server", ())])
def test_a_good_server_runs_provisioned_on_loopback(
    layout: Layout, tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    home = tmp_path / "home"
    folder = grafana(home, "grafana version 9.4.0", name)
    service, said = grafana_service(layout, 13000, "http://127.0.0.1:19090", str(folder))
    assert service is not None
    assert service.command == (f"{home}/bin/{name}", *words, "--homepath", str(home))
    assert service.ready == "http://127.0.0.1:13000/api/health"
    assert service.url == "http://127.0.0.1:13000"
    assert service.targets[0].address == "127.0.0.1:13000"
    password = layout.secrets / "grafana-admin-password"
    assert said == f"Grafana: http://127.0.0.1:13000 (user admin, password in {password})"
    assert dict(service.environment) == {
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": "13000",
        "GF_PATHS_DATA": f"{layout.state}/grafana",
        "GF_PATHS_LOGS": f"{layout.state}/grafana/log",
        "GF_PATHS_PLUGINS": f"{layout.state}/grafana/plugins",
        "GF_PATHS_PROVISIONING": f"{layout.checkout}/stack/grafana/provisioning",
        "GF_SECURITY_ADMIN_PASSWORD": f"$__file{{{password}}}",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "SPECTER_PROMETHEUS_URL": "http://127.0.0.1:19090",
        "SPECTER_DASHBOARDS_DIR": f"{layout.checkout}/dashboards/generated",
    }


def test_a_packages_wrapper_gives_way_to_the_server_itself(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "share" / "grafana"
    grafana(home, "grafana version 11.2.0")
    wrapper = grafana(tmp_path / "usr", "grafana version 11.2.0", complete=False)
    monkeypatch.setattr("specter_stack.grafana.HOMES", (str(home),))
    service, _ = grafana_service(layout, 3000, "http://p", str(wrapper))
    assert service is not None
    assert service.command == (f"{home}/bin/grafana", "server", "--homepath", str(home))
