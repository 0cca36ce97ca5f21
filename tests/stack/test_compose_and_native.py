"""Both ways to run share their files, and say the same of the same servers."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from specter_demo import platform as native
from specter_demo.coaching.node import NodeRuntime
from specter_demo.platform import PORTS, Platform, build_platform, build_services, environment_of
from specter_exporters.dependencies.command import dependencies
from specter_exporters.dependencies.config import load, secret_problems
from specter_stack.configure import NOTIFICATIONS_ADDRESS
from specter_stack.layout import Layout
from specter_stack.ports import LOOPBACK
from specter_stack.programs import find_program
from specter_stack.service import Service
from tests.stack.compose_file import CHECKOUT, FOR_THE_HOST, load_containers, service_of
from tests.stack.server_flags import CONFIGURATION_KEYS_REMOVED_IN_3, FUNCTIONS_REMOVED_IN_3

CONTAINERS = load_containers()
TARGETS = CHECKOUT / "stack/prometheus/targets"
# Where the two differ on purpose.
OWN_PATHS = {*("--config.file", "--config", "--storage.tsdb.path", "--storage.path", "--business.token-file")}
LISTEN_FLAGS = {f"--{what}.listen-address" for what in ("web", "business", "events", "beacon", "ping")}
# The image has paths of its own, and listens on every interface of its container.
GRAFANA_NATIVE_ONLY = ("GF_SERVER_HTTP_", "GF_PATHS_")
GRAFANA_COMPOSE_ONLY = {"GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES", "GF_PLUGINS_PREINSTALL_DISABLED"}


class NativeRun:
    """What the launcher would start and write, on the default ports, without starting it."""

    def __init__(self, platform: Platform, services: tuple[Service, ...]) -> None:
        self.platform = platform
        self.services = {service.name: service for service in services}
        self.etc = platform.layout.etc

    def targets(self, job: str) -> list[dict[str, Any]]:
        return groups((self.etc / "prometheus/targets" / f"{job}.yml").read_text(encoding="utf-8"))


def groups(text: str) -> list[dict[str, Any]]:
    return [{"targets": each["targets"], "labels": each.get("labels", {})} for each in yaml.safe_load(text)]


def in_containers(text: str) -> str:
    """Return `text` of the native run with services in place of loopback addresses, found by their ports."""
    for name, port in PORTS.items():
        service = service_of(name)
        text = text.replace(f"{LOOPBACK}:{port}", f"{service}:{port}")
        text = text.replace(f"host={LOOPBACK} port={port}", f"host={service} port={port}")
    return text


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> NativeRun:
    folder = tmp_path_factory.mktemp("native")
    grafana = folder / "grafana/bin/grafana"
    (folder / "grafana/conf").mkdir(parents=True)
    (folder / "grafana/conf/defaults.ini").touch()
    grafana.parent.mkdir()
    grafana.write_text("#!/bin/sh\necho 'Version 12.4.2'\n")
    grafana.chmod(0o755)
    layout = Layout(folder / "state")
    layout.create()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(grafana.parent), prepend=":")
        # Creating a cluster takes a second, and its settings are compared elsewhere.
        patch.setattr(native, "postgres_service", lambda *_: Service("postgres", (), ready="tcp://"))
        node = NodeRuntime(folder / "node", folder / "node_modules")
        platform = build_platform(layout, 0.0, native.PORTS, node)
        services = build_services(platform, lambda _: None)
    return NativeRun(platform, services)


def test_the_targets_are_those_of_the_native_run(run: NativeRun) -> None:
    written = {file.name for file in (run.etc / "prometheus/targets").iterdir()}
    assert {file.name for file in TARGETS.iterdir()} == written
    for file in TARGETS.iterdir():
        expected = yaml.safe_load(in_containers(yaml.safe_dump(run.targets(file.stem))))
        assert groups(file.read_text(encoding="utf-8")) == expected


@pytest.mark.parametrize("file", sorted(TARGETS.iterdir()), ids=lambda file: file.stem)
def test_every_target_is_a_service_and_a_port_of_the_file(file: Path) -> None:
    for group in groups(file.read_text(encoding="utf-8")):
        for address in group["targets"]:
            match = re.fullmatch(r"([\w-]+):(\d+)", address)
            assert match, address
            assert int(match[2]) in {inside for _, _, inside in CONTAINERS[match[1]].ports}


def test_every_target_file_that_is_there_is_read() -> None:
    text = (CHECKOUT / "stack/prometheus/prometheus.yml").read_text(encoding="utf-8")
    assert {file.name for file in TARGETS.iterdir()} <= set(re.findall(r"targets/([\w.-]+)\]", text))


@pytest.mark.parametrize(
    "name",
    [
        *("prometheus", "alertmanager", "node", "blackbox", "detector"),
        *("app", "signin", "browser", "logs", "coaching-logs", "dependencies", "postgres-exporter"),
        *("jobs", "queues", "sql-exporter"),
    ],
)
def test_its_flags_are_those_of_the_native_run(run: NativeRun, name: str) -> None:
    expected = flags(run.services[name].command)
    given = {flag: value or "" for flag, value in CONTAINERS[name].flags.items()}
    assert given.keys() == expected.keys()
    for flag in given.keys() - OWN_PATHS:
        wanted = expected[flag]
        if flag in LISTEN_FLAGS:
            wanted = wanted.replace(LOOPBACK, "0.0.0.0")
        elif flag in {"--datasource-url", "--redis.url"}:
            wanted = in_containers(wanted)
        assert given[flag] == wanted


def flags(command: tuple[str, ...]) -> dict[str, str]:
    """Return the flags of a command by name, whether written `--flag=value` or as two words."""
    found: dict[str, str] = {}
    for position, word in enumerate(command):
        name, equals, value = word.partition("=")
        if name.startswith("--"):
            following = command[position + 1 : position + 2]
            split = not equals and following and not following[0].startswith("--")
            found[name] = following[0] if split else value
    return found


def test_redis_is_started_as_natively(run: NativeRun) -> None:
    native_flags = flags(run.services["redis"].command)
    given = flags(tuple(CONTAINERS["redis"].command))
    assert given == {name: native_flags[name] for name in ("--save", "--appendonly")}


def test_grafana_has_the_settings_of_the_native_run(run: NativeRun) -> None:
    expected = {
        name: value
        for name, value in run.services["grafana"].environment.items()
        if not name.startswith(GRAFANA_NATIVE_ONLY)
    }
    given = CONTAINERS["grafana"].environment
    # How the password's file is named differs: the image's entry point reads it for the server.
    assert {name for name in given if "PASSWORD" not in name} - GRAFANA_COMPOSE_ONLY == {
        name for name in expected if "PASSWORD" not in name
    } - GRAFANA_COMPOSE_ONLY
    for name in given.keys() & expected.keys():
        if name.startswith("GF_ANALYTICS") or name == "SPECTER_PROMETHEUS_URL":
            assert given[name] == in_containers(expected[name])


def test_the_shop_s_parts_are_told_what_they_are_told_natively(run: NativeRun) -> None:
    expected = environment_of(run.platform.settings)
    for container in CONTAINERS.values():
        given = {name: value for name, value in container.environment.items() if name.startswith("SHOP_")}
        assert given.keys() <= expected.keys()
        for name, value in given.items():
            if (container.name, name) in FOR_THE_HOST:
                assert value == expected[name]
            elif name.endswith("_LISTEN"):
                assert value == expected[name].replace(LOOPBACK, "0.0.0.0")
            elif not name.endswith(("_FILE", "_DIR")):
                assert value == in_containers(expected[name])


def test_the_coaching_service_is_told_what_it_is_told_natively(run: NativeRun) -> None:
    expected = dict(run.services["coaching"].environment)
    # The image has the packages beside the service.
    del expected["NODE_PATH"]
    given = CONTAINERS["coaching"].environment
    assert given.keys() == expected.keys()
    assert given["COACHING_LISTEN"] == expected["COACHING_LISTEN"].replace(LOOPBACK, "0.0.0.0")
    assert given["COACHING_EVENTS_URL"] == in_containers(expected["COACHING_EVENTS_URL"])
    for name in ("COACHING_LOG_FILE", "COACHING_TOKEN_FILE"):
        assert Path(given[name]).name == Path(expected[name]).name


def test_our_commands_are_those_of_the_native_run(run: NativeRun) -> None:
    for name in ("shop", "payments", "traffic", "notifications", *native.WORKERS):
        service = "specter-notifications" if name == "notifications" else name
        assert CONTAINERS[service].command == list(run.services[name].command[3:])
    exporters = (
        "app",
        "signin",
        "browser",
        "logs",
        "coaching-logs",
        "dependencies",
        "postgres-exporter",
        "jobs",
        "queues",
        "sql-exporter",
    )
    for name in exporters:
        assert CONTAINERS[name].command[:2] == list(run.services[name].command[3:5])
    assert CONTAINERS["detector"].command[:2] == list(run.services["detector"].command[3:5])


def test_health_is_asked_where_the_launcher_asks(run: NativeRun) -> None:
    for name, service in run.services.items():
        if service.ready.startswith("http"):
            container = CONTAINERS["specter-notifications" if name == "notifications" else name]
            asked = "".join(container.body["healthcheck"]["test"][-2:])
            path = re.sub(r"^http://[\d.:]+", "", service.ready)
            assert asked.endswith(path)


# The list of dependencies, and what is generated from it

LIST = CHECKOUT / "stack/exporters/dependencies.yml"
GENERATED = CHECKOUT / "stack/dependencies"


def test_what_the_containers_read_is_generated_from_the_list() -> None:
    command = ["generate", "--config", str(LIST), "--output", str(GENERATED), "--check"]
    result = CliRunner().invoke(dependencies, command)
    assert result.output == f"{GENERATED} is up to date\n", result.exception


def test_the_native_list_is_that_of_the_containers_at_other_addresses(run: NativeRun) -> None:
    path = run.etc / "exporters/dependencies.yml"
    text = in_containers(path.read_text(encoding="utf-8"))
    secret = str(run.platform.layout.secrets / "payments-token")
    assert yaml.safe_load(text.replace(secret, "/secrets/payments/payments-token")) == yaml.safe_load(
        LIST.read_text(encoding="utf-8")
    )
    (run.platform.layout.secrets / "payments-token").write_text("t")
    assert secret_problems(load(path)) == []


def test_the_native_servers_read_what_is_generated_from_the_native_list(run: NativeRun) -> None:
    folder = run.etc / "prometheus/dependencies"
    assert {file.name for file in folder.iterdir()} == {file.name for file in GENERATED.iterdir()}
    for file in GENERATED.iterdir():
        assert in_containers((folder / file.name).read_text(encoding="utf-8")) == file.read_text("utf-8")
    assert flags(run.services["blackbox"].command)["--config.file"] == str(folder / "blackbox.yml")


def test_prometheus_has_the_jobs_that_are_generated() -> None:
    written = yaml.safe_load((CHECKOUT / "stack/prometheus/prometheus.yml").read_text("utf-8"))
    jobs = {each["job_name"]: each for each in written["scrape_configs"]}
    probes, exporter = yaml.safe_load((GENERATED / "dependency_scrape.yml").read_text("utf-8"))[
        "scrape_configs"
    ]
    assert jobs["dependency_probes"] == {
        **probes,
        "file_sd_configs": [{"files": ["dependencies/dependency_targets.yml"]}],
    }
    (target,) = groups((TARGETS / "dependencies.yml").read_text("utf-8"))
    assert target["targets"] == exporter["static_configs"][0]["targets"]


def test_every_address_of_the_list_is_a_service_and_a_port_of_the_file() -> None:
    for service, port in re.findall(r"([\w-]+):(\d+)", LIST.read_text("utf-8")):
        assert int(port) in {inside for _, _, inside in CONTAINERS[service].ports}


# The shared files


def laid_out(folder: Path, container: str, etc: str) -> Path:
    """Lay the bind mounts below `etc` out in `folder`, as the container sees them."""
    for mount in CONTAINERS[container].mounts:
        if mount.bind and mount.target.is_relative_to(etc):
            (folder / mount.target.relative_to(etc)).symlink_to(mount.path)
    return folder


@pytest.mark.integration
def test_prometheus_accepts_its_configuration_as_it_is_mounted(tmp_path: Path) -> None:
    folder = laid_out(tmp_path, "prometheus", "/etc/prometheus")
    assert CONTAINERS["prometheus"].flags["--config.file"] == "/etc/prometheus/prometheus.yml"
    command = [str(find_program("promtool")), "check", "config", str(folder / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    rules = sorted((CHECKOUT / "alert_rules/generated").glob("*.rules.yml"))
    assert f"{len(rules)} rule files found" in done.stdout
    assert len(rules) >= 4


def test_the_native_run_reads_the_same_files(run: NativeRun) -> None:
    for name, path in (
        ("prometheus.yml", "stack/prometheus/prometheus.yml"),
        ("rules", "alert_rules/generated"),
    ):
        assert (run.etc / "prometheus" / name).resolve() == CHECKOUT / path
        mounted = CONTAINERS["prometheus"].mount_of(f"/etc/prometheus/{name}")
        assert mounted.path.resolve() == CHECKOUT / path
    given = (run.etc / "alertmanager/alertmanager.yml").read_text(encoding="utf-8")
    shared = CONTAINERS["alertmanager"].mount_of("/etc/alertmanager/alertmanager.yml").path
    assert in_containers(given) == shared.read_text(encoding="utf-8")
    mounted = CONTAINERS["detector"].mount_of(str(CONTAINERS["detector"].flags["--config"]))
    assert flags(run.services["detector"].command)["--config"] == str(mounted.path.resolve())


def test_nothing_shared_was_removed_in_prometheus_3() -> None:
    document = yaml.safe_load((CHECKOUT / "stack/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    assert not set(keys_of(document)) & CONFIGURATION_KEYS_REMOVED_IN_3
    for each in document["alerting"]["alertmanagers"]:
        assert each.get("api_version", "v2") == "v2"
    # From 3.0 on a $ in an external label is expanded.
    assert not [value for value in document["global"]["external_labels"].values() if "$" in value]
    for file in (CHECKOUT / "alert_rules/generated").glob("*.rules.yml"):
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                assert not any(name in rule["expr"] for name in FUNCTIONS_REMOVED_IN_3)
                # 3.0 writes bounds as 1.0: a matcher for 1 finds nothing.
                assert not re.search(r'\b(le|quantile)\s*=~?\s*"\d+"', rule["expr"])


def keys_of(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


@pytest.mark.integration
def test_alertmanager_accepts_its_configuration_and_finds_its_token_and_receiver() -> None:
    container = CONTAINERS["alertmanager"]
    config = str(container.flags["--config.file"])
    file = container.mount_of(config).path
    command = [str(find_program("amtool")), "check-config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    text = file.read_text(encoding="utf-8")
    service, _, port = NOTIFICATIONS_ADDRESS.partition(":")
    assert set(re.findall(r"url: http://([\w-]+:\d+)/", text)) == {NOTIFICATIONS_ADDRESS}
    assert CONTAINERS[service].ports[0][2] == int(port)
    # Relative to the configuration's folder; the first service writes a file of this name.
    for credentials in set(re.findall(r"credentials_file: (\S+)", text)):
        path = f"{config.rpartition('/')[0]}/{credentials}"
        assert container.mount_of(path).source == credentials.rpartition("/")[2]
