"""The demo's services: what they are told, where they listen, what Prometheus scrapes."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from specter_demo import platform as platform_module
from specter_demo.coaching.node import SOURCE, NodeRuntime
from specter_demo.history.views import PAGES
from specter_demo.platform import PORTS, Platform, build_platform, build_services, environment_of
from specter_demo.settings import load_settings
from specter_exporters.browser.config import load
from specter_exporters.dependencies.config import load as load_dependencies
from specter_exporters.postgres.config import load as load_postgres
from specter_exporters.sql.config import load as load_checks
from specter_exporters.sql.dsn import Secret
from specter_stack.layout import Layout
from specter_stack.ports import FALLBACK_OFFSET, choose_ports
from specter_stack.secret_files import NAMES
from specter_stack.service import Service

SECRET = "not-to-be-seen-"
NODE = NodeRuntime(Path("/opt/bin/node"), Path("/opt/packages/node_modules"))


def occupy(stack: ExitStack) -> int:
    """Listen on a port whose fallback is a port too, and return it."""
    for port in range(21_000, 22_000):
        server = socket.socket()
        try:
            server.bind(("127.0.0.1", port))
        except OSError:
            server.close()
            continue
        server.listen()
        stack.callback(server.close)
        return port
    raise AssertionError("no port is free")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "a state")
    layout.create()
    for name in NAMES:
        (layout.secrets / name).write_text(f"{SECRET}{name}", encoding="utf-8")
    return layout


@pytest.fixture
def services(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Platform, Mapping[str, Service]]]:
    """The services of a machine on which every usual port is taken."""
    with ExitStack() as stack:
        taken = {name: occupy(stack) for name in PORTS}
        monkeypatch.setattr(platform_module, "postgres_service", _no_cluster)
        platform = build_platform(layout, 5.25, choose_ports(taken), NODE)
        for name, port in taken.items():
            fallbacks = range(port + FALLBACK_OFFSET, port + FALLBACK_OFFSET + 200)
            assert platform.ports[name] in fallbacks
        assert len(set(platform.ports.values())) == len(PORTS)
        said: list[str] = []
        built = build_services(platform, said.append)
        assert len(said) == 1
        assert said[0].startswith("Grafana: ")
        yield platform, {service.name: service for service in built}


def _no_cluster(_layout: Layout, port: int, _password_file: Path) -> Service:
    return Service("postgres", ("postgres", "-p", str(port)), ready="exec:true")


def test_every_part_is_there_and_prometheus_scrapes_the_ports_that_were_chosen(
    layout: Layout, services: tuple[Platform, Mapping[str, Service]]
) -> None:
    platform, built = services
    assert set(built) - {"grafana"} == {
        *("postgres", "postgres-standby", "prometheus", "alertmanager", "node", "blackbox", "redis"),
        *("payments", "shop", "traffic", "notifications", "worker", "scheduler", "detector"),
        *("app", "signin", "browser", "logs", "coaching", "coaching-logs", "dependencies"),
        *("postgres-exporter", "sql-exporter", "jobs", "queues"),
    }
    folder = layout.etc / "prometheus" / "targets"
    targets = {path.stem: yaml.safe_load(path.read_text()) for path in folder.glob("*.yml")}
    for job in ("shop", "coaching", "detector", "prometheus", "alertmanager", "node"):
        assert targets[job] == [
            {
                "targets": [f"127.0.0.1:{platform.ports[job]}"],
                "labels": {"service": job, "instance": f"{job}-1"},
            }
        ]
    beside_the_shop = {
        job: {
            "targets": [f"127.0.0.1:{platform.ports[job]}"],
            "labels": {"service": "shop", "instance": f"{job}-1"},
        }
        for job in ("app", "signin", "browser", "logs", "jobs", "queues")
    }
    beside_the_coach = {
        "targets": [f"127.0.0.1:{platform.ports['coaching-logs']}"],
        "labels": {"service": "coaching", "instance": "coaching-logs-1"},
    }
    for job in ("app", "signin", "browser", "jobs", "queues"):
        assert targets[job] == [beside_the_shop[job]]
    assert targets["logs"] == [beside_the_shop["logs"], beside_the_coach]
    assert targets["dependencies"] == [
        {
            "targets": [f"127.0.0.1:{platform.ports['dependencies']}"],
            "labels": {"instance": "dependencies-1"},
        }
    ]
    probes = yaml.safe_load((folder.parent / "dependencies" / "dependency_targets.yml").read_text())
    probed = {group["labels"]["dependency"]: group["labels"]["__param_target"] for group in probes}
    assert probed == {
        "shop": f"http://127.0.0.1:{platform.ports['shop']}/healthz",
        "payments": f"http://127.0.0.1:{platform.ports['payments']}/healthz",
        "postgres": f"127.0.0.1:{platform.ports['postgres']}",
        "redis": f"127.0.0.1:{platform.ports['redis']}",
        "coaching": f"http://127.0.0.1:{platform.ports['coaching']}/healthz",
    }
    assert {group["targets"][0] for group in probes} == {f"127.0.0.1:{platform.ports['blackbox']}"}
    listed = load_dependencies(layout.etc / "exporters" / "dependencies.yml")
    pages = {each.name: each.status_page.url for each in listed.dependencies if each.status_page}
    assert pages == {"payments": f"http://127.0.0.1:{platform.ports['payments-status']}"}
    watched = load_postgres(layout.etc / "exporters" / "postgres.yml").servers
    assert [(each.name, each.dsn) for each in watched] == [
        (name, f"host=127.0.0.1 port={platform.ports[port]} dbname=postgres user=specter_exporter")
        for name, port in (("shop", "postgres"), ("shop-standby", "postgres-standby"))
    ]
    assert {each.password_file for each in watched} == {layout.secrets / "postgres-exporter-password"}
    assert targets["postgres"] == [
        {
            "targets": [f"127.0.0.1:{platform.ports['postgres-exporter']}"],
            "labels": {"service": "shop", "instance": "postgres-exporter-1"},
        }
    ]
    [checked] = load_checks(layout.etc / "exporters" / "sql.yml").databases
    assert checked.dsn.password == Secret(
        "database shop: password", layout.secrets / "sql-exporter-password", None
    )
    url = checked.dsn.url
    assert url is not None
    assert str(url) == f"postgresql+psycopg://specter_checks@127.0.0.1:{platform.ports['postgres']}/postgres"
    assert targets["sql"] == [
        {
            "targets": [f"127.0.0.1:{platform.ports['sql-exporter']}"],
            "labels": {"service": "shop", "instance": "sql-exporter-1"},
        }
    ]
    config = built["dependencies"].command
    assert config[config.index("--config") + 1] == str(layout.etc / "exporters" / "dependencies.yml")
    alertmanager = (layout.etc / "alertmanager" / "alertmanager.yml").read_text()
    assert f"http://127.0.0.1:{platform.ports['notifications']}/alerts/warning" in alertmanager


def test_the_jobs_ping_the_exporter_with_its_key(
    layout: Layout, services: tuple[Platform, Mapping[str, Service]]
) -> None:
    platform, built = services
    told = built["scheduler"].environment
    assert told["SPECTER_PING_URL"] == f"http://127.0.0.1:{platform.ports['jobs-events']}/ping"
    written = yaml.safe_load((layout.etc / "exporters" / "jobs.yml").read_text())
    assert written["ping_key_file"] == told["SPECTER_PING_KEY_FILE"] == str(layout.secrets / "jobs-ping-key")
    command = built["jobs"].command
    assert command[command.index("--ping.listen-address") + 1] == f"127.0.0.1:{platform.ports['jobs-events']}"


def test_the_shops_parts_are_told_the_ports_that_were_chosen(
    services: tuple[Platform, Mapping[str, Service]],
) -> None:
    platform, built = services
    ports = platform.ports
    for name in ("payments", "shop", "traffic", "notifications", "worker", "scheduler"):
        told = built[name].environment
        assert told["SHOP_LISTEN"] == f"127.0.0.1:{ports['shop']}"
        assert told["SHOP_URL"] == f"http://127.0.0.1:{ports['shop']}"
        assert told["SHOP_PAYMENT_URL"] == f"http://127.0.0.1:{ports['payments']}"
        assert told["SHOP_PAYMENT_STATUS_LISTEN"] == f"127.0.0.1:{ports['payments-status']}"
        assert told["SHOP_INBOX_LISTEN"] == f"127.0.0.1:{ports['notifications']}"
        assert told["SHOP_INBOX_URL"] == f"http://127.0.0.1:{ports['notifications']}"
        assert told["SHOP_QUEUE_URL"] == f"redis://127.0.0.1:{ports['redis']}/0"
        assert told["SHOP_BUSINESS_URL"] == f"http://127.0.0.1:{ports['app-events']}"
        assert told["SHOP_COACHING_URL"] == f"http://127.0.0.1:{ports['coaching']}"
        assert told["SHOP_SIGNIN_URL"] == f"http://127.0.0.1:{ports['signin-events']}"
        assert told["SHOP_BEACON_URL"] == f"http://127.0.0.1:{ports['browser-events']}"
        assert f"port={ports['postgres']} " in told["SHOP_DATABASE_DSN"]
        assert told["SHOP_TRAFFIC_UTC_OFFSET"] == "5.25"
    detector = built["detector"].command
    assert detector[detector.index("--datasource-url") + 1] == f"http://127.0.0.1:{ports['prometheus']}"
    assert detector[detector.index("--web.listen-address") + 1] == f"127.0.0.1:{ports['detector']}"
    assert built["shop"].ready == f"http://127.0.0.1:{ports['shop']}/healthz"
    assert platform.url("shop") == built["shop"].url


def test_the_beacon_takes_measurements_of_the_shop_s_pages_alone(
    layout: Layout, services: tuple[Platform, Mapping[str, Service]]
) -> None:
    platform, built = services
    beacon = load(layout.etc / "exporters" / "browser.yml").beacon
    port = platform.ports["shop"]
    assert beacon.origins.allows(f"http://127.0.0.1:{port}")
    assert beacon.origins.allows(f"http://localhost:{port}")
    assert not beacon.origins.allows("http://127.0.0.1:8080")
    assert [beacon.pages.find(path) for path in ("/", "/products/7")] == [page.template for page in PAGES]
    command = built["browser"].command
    address = command[command.index("--beacon.listen-address") + 1]
    assert platform.settings.beacon_url == f"http://{address}"


def test_the_coaching_service_is_run_by_node_with_its_packages_and_a_token_of_its_own(
    layout: Layout, services: tuple[Platform, Mapping[str, Service]]
) -> None:
    platform, built = services
    coaching = built["coaching"]
    assert coaching.command == (str(NODE.program), str(SOURCE / "service.js"))
    assert coaching.environment == {
        "NODE_PATH": str(NODE.packages),
        "COACHING_LISTEN": f"127.0.0.1:{platform.ports['coaching']}",
        "COACHING_LOG_FILE": str(layout.state / "coaching" / "coaching.log"),
        "COACHING_EVENTS_URL": f"http://127.0.0.1:{platform.ports['app-events']}",
        "COACHING_TOKEN_FILE": str(layout.secrets / "coaching-token"),
    }
    assert f"coaching={layout.secrets / 'coaching-token'}" in built["app"].command
    read = yaml.safe_load((layout.etc / "exporters" / "coaching-logs.yml").read_text())
    assert read["logs"][0]["files"] == [coaching.environment["COACHING_LOG_FILE"]]
    assert built["coaching-logs"].command[3:5] == ("exporter", "logs")


def test_without_node_everything_else_is_there(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform_module, "postgres_service", _no_cluster)
    platform = build_platform(layout, 0.0, PORTS)
    built = {service.name: service for service in build_services(platform, lambda _: None)}
    assert {"shop", "traffic", "app", "logs", "detector"} <= built.keys()
    assert not {"coaching", "coaching-logs"} & built.keys()
    assert "SHOP_COACHING_URL" not in built["traffic"].environment
    targets = layout.etc / "prometheus" / "targets"
    assert not (targets / "coaching.yml").exists()
    probes = (targets.parent / "dependencies" / "dependency_targets.yml").read_text()
    assert "coaching" not in (targets / "logs.yml").read_text() + probes


def test_no_service_is_told_a_secret_only_where_it_is(
    layout: Layout, services: tuple[Platform, Mapping[str, Service]]
) -> None:
    platform, built = services
    for service in built.values():
        shown = repr((service.command, dict(service.environment), service.ready, service.url))
        assert SECRET not in shown, service.name
    written = [path for path in layout.state.rglob("*") if path.is_file() and path.parent != layout.secrets]
    assert platform.launcher_file in written
    assert not [path for path in written if SECRET in path.read_text(encoding="utf-8")]
    environment = built["shop"].environment
    assert environment["SHOP_DATABASE_PASSWORD_FILE"] == str(layout.secrets / "postgres-password")
    assert environment["SHOP_INBOX_TOKEN_FILE"] == str(layout.secrets / "notifications-token")


def test_the_launchers_file_gives_the_same_settings_again(
    services: tuple[Platform, Mapping[str, Service]],
) -> None:
    platform, built = services
    assert load_settings({}, platform.launcher_file) == platform.settings
    assert load_settings(built["shop"].environment, Path("/nowhere")) == platform.settings
    assert not list(platform.launcher_file.parent.glob(".demo.env*"))


def test_what_is_not_set_is_not_in_the_environment(layout: Layout) -> None:
    settings = build_platform(layout, 0.0, PORTS).settings.model_copy(update={"inbox_token_file": None})
    assert "SHOP_INBOX_TOKEN_FILE" not in environment_of(settings)
    assert "None" not in environment_of(settings).values()
