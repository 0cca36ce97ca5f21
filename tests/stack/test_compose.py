"""docker-compose.yml, which no test can run here, against the files and the code that it must agree with."""

import re
from collections.abc import Mapping
from typing import Any

import click
import pytest
import yaml

from specter_core.cli import root
from specter_demo.platform import PORTS, WORKERS
from specter_demo.settings import PREFIX, load_settings
from specter_stack.postgres import SETTINGS as POSTGRES_SETTINGS
from specter_stack.secret_files import NAMES
from specter_stack.servers import PROMETHEUS_FLAGS
from specter_stack.standby import DROP_SLOT, SLOT
from tests.stack.compose_file import (
    CHECKOUT,
    FOR_THE_HOST,
    Container,
    Mount,
    load_compose,
    load_containers,
    service_of,
)
from tests.stack.server_flags import AT_PINNED_VERSION, PROMETHEUS_3_FEATURES, installed_flags

CONTAINERS = load_containers()
LONG_RUNNING = [container for container in CONTAINERS.values() if not container.once]
OWN = [container for container in CONTAINERS.values() if container.own]
FOR_JOBS = ("SPECTER_PING_URL", "SPECTER_PING_KEY_FILE", "SPECTER_RUN_STATE_DIR")
LISTENING_NOWHERE = {"traffic", *WORKERS}
# What the native run calls a server, and the service that is the same here.
SERVICE_OF = {name: service_of(name) for name in PORTS}
SHARED = {
    "postgres": {"/etc/specter/pg_hba.conf": "stack/postgres/pg_hba.conf"},
    "postgres-standby": {
        "/etc/specter/pg_hba.conf": "stack/postgres/pg_hba.conf",
        "/etc/specter/standby.sh": "stack/postgres/standby.sh",
    },
    "prometheus": {
        "/etc/prometheus/prometheus.yml": "stack/prometheus/prometheus.yml",
        "/etc/prometheus/targets": "stack/prometheus/targets",
        "/etc/prometheus/dependencies": "stack/dependencies",
        "/etc/prometheus/rules": "alert_rules/generated",
    },
    "alertmanager": {"/etc/alertmanager/alertmanager.yml": "alert_rules/generated/alertmanager.yml"},
    "blackbox": {"/etc/blackbox/blackbox.yml": "stack/dependencies/blackbox.yml"},
    "detector": {"/etc/specter/detector.yml": "stack/detector/detector.yml"},
    "signin": {"/etc/specter/signin.yml": "stack/exporters/signin.yml"},
    "browser": {"/etc/specter/browser.yml": "stack/exporters/browser.yml"},
    "logs": {"/etc/specter/logs.yml": "stack/exporters/logs.yml"},
    "coaching-logs": {"/etc/specter/coaching-logs.yml": "stack/exporters/coaching-logs.yml"},
    "postgres-exporter": {"/etc/specter/postgres.yml": "stack/exporters/postgres.yml"},
    "jobs": {"/etc/specter/jobs.yml": "stack/exporters/jobs.yml"},
    "sql-exporter": {"/etc/specter/sql.yml": "stack/exporters/sql.yml"},
    "dependencies": {
        "/etc/specter/dependencies.yml": "stack/exporters/dependencies.yml",
        "/etc/specter/customer-password": "stack/exporters/customer-password",
    },
    "grafana": {
        "/etc/grafana/provisioning": "stack/grafana/provisioning",
        "/etc/specter/dashboards": "dashboards/generated",
    },
}
SECRET_READERS = {
    "postgres-password": {
        *("postgres", "postgres-standby", "seed", "shop", "history-import", "history-fill"),
        *WORKERS,
    },
    "postgres-exporter-password": {"postgres-exporter", "seed"},
    "sql-exporter-password": {"sql-exporter", "seed"},
    "notifications-token": {"alertmanager", "specter-notifications", *WORKERS},
    "grafana-admin-password": {"grafana"},
    "business-token": {"app", "shop"},
    "coaching-token": {"app", "coaching"},
    "signin-token": {"signin", "shop"},
    "signin-read-token": {"signin"},
    "payments-token": {"payments", "dependencies"},
    "jobs-ping-key": {"jobs", "scheduler"},
}


def parametrize(containers: list[Container]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("container", containers, ids=lambda container: container.name)


LISTENING = (
    *("prometheus", "alertmanager", "node", "blackbox", "detector"),
    *("app", "signin", "browser", "logs", "coaching-logs", "dependencies", "postgres-exporter"),
    *("jobs", "queues", "sql-exporter"),
)
every = parametrize(list(CONTAINERS.values()))
every_own = parametrize(OWN)


def test_it_has_every_server_of_the_native_run_and_what_prepares_them() -> None:
    once = {"secrets", "seed", "history-import", "history-fill"}
    assert {container.name for container in LONG_RUNNING} == {*SERVICE_OF.values(), *LISTENING_NOWHERE}
    assert {name for name, container in CONTAINERS.items() if container.once} == once


@every
def test_its_image_is_pinned_to_an_exact_tag(container: Container) -> None:
    assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+(\.\d+)?(-bookworm)?", container.image)


@every
def test_it_is_hardened(container: Container) -> None:
    body = container.body
    assert container.uid > 0
    assert body["read_only"] is True
    assert body["cap_drop"] == ["ALL"]
    assert body["security_opt"] == ["no-new-privileges:true"]
    assert body["networks"] == ["stack"]
    assert re.fullmatch(r"\d+[mg]", body["mem_limit"])
    assert not {"privileged", "cap_add", "pid", "network_mode", "devices"} & body.keys()


@every
def test_it_is_restarted_and_checked_or_runs_once(container: Container) -> None:
    if container.once:
        assert "healthcheck" not in container.body
        assert not container.ports
    else:
        assert container.body["restart"] == "unless-stopped"
        kind, program, *words = container.body["healthcheck"]["test"]
        assert all(isinstance(word, str) for word in words)
        assert kind == "CMD"
        # What each image has: BusyBox or Alpine, the servers' own clients, our Python.
        known = {
            "postgres": "pg_isready",
            "postgres-standby": "pg_isready",
            "redis": "redis-cli",
            "coaching": "node",
        }
        assert program == known.get(container.name, "python" if container.own else "wget")


@every
def test_its_keys_are_those_of_the_compose_specification(container: Container) -> None:
    known = """build cap_drop command depends_on environment healthcheck image init logging mem_limit networks
        ports pull_policy read_only restart security_opt shm_size stop_grace_period tmpfs user volumes"""
    assert container.body.keys() <= set(known.split())
    checks = {"test", "interval", "timeout", "retries", "start_period"}
    assert container.body.get("healthcheck", {}).keys() <= checks


@parametrize([container for container in LONG_RUNNING if container.name not in LISTENING_NOWHERE])
def test_it_is_published_on_loopback_with_the_native_port(container: Container) -> None:
    native = [PORTS[name] for name, service in SERVICE_OF.items() if service == container.name]
    assert container.ports == [("127.0.0.1", port, port) for port in native]


@parametrize([CONTAINERS[name] for name in LISTENING])
def test_it_listens_on_the_port_that_is_published(container: Container) -> None:
    assert container.flags["--web.listen-address"] == f"0.0.0.0:{PORTS[container.name]}"


@parametrize(
    [each for each in LONG_RUNNING if each.body["healthcheck"]["test"][1] in {"wget", "python", "node"}]
)
def test_its_healthcheck_asks_the_port_that_it_listens_on(container: Container) -> None:
    asked = re.search(r"([\w.-]+):(\d+)", " ".join(container.body["healthcheck"]["test"][-2:]))
    assert asked
    if container.name == "traffic":
        assert asked.groups() == ("shop", str(PORTS["shop"]))
    elif container.name in LISTENING_NOWHERE:
        assert asked.groups() == ("specter-notifications", str(PORTS["notifications"]))
    else:
        assert asked.groups() == ("127.0.0.1", str(container.ports[0][2]))


@every
def test_its_volumes_are_shared_files_or_declared(container: Container) -> None:
    bound = {str(mount.target): mount.source for mount in container.mounts if mount.bind}
    assert bound == {target: f"./{path}" for target, path in SHARED.get(container.name, {}).items()}
    for mount in container.mounts:
        if mount.bind:
            assert mount.read_only
            assert mount.path.exists()
    named = {mount.source for mount in container.mounts if not mount.bind}
    assert named <= load_compose()["volumes"].keys()


def test_every_declared_volume_and_network_is_used() -> None:
    document = load_compose()
    used = {mount.source for each in CONTAINERS.values() for mount in each.mounts if not mount.bind}
    assert used == document["volumes"].keys()
    assert document["networks"].keys() == {"stack"}


@every
def test_what_it_waits_for_can_happen(container: Container) -> None:
    for name, condition in container.needs.items():
        once = CONTAINERS[name].once
        assert condition == ("service_completed_successfully" if once else "service_healthy")


def all_needs(name: str) -> set[str]:
    direct = set(CONTAINERS[name].needs)
    return direct.union(*map(all_needs, direct)) if direct else set()


def test_servers_start_in_the_order_of_the_native_run() -> None:
    assert {"postgres", "postgres-standby", "payments", "seed"} <= all_needs("shop")
    assert {"shop", "alertmanager", "history-import"} <= all_needs("history-fill")
    assert "history-import" in all_needs("prometheus")
    assert {"shop", "prometheus", "history-fill"} <= all_needs("traffic")
    assert "history-fill" in all_needs("detector")
    assert "shop" in all_needs("dependencies")
    assert "specter-notifications" in all_needs("alertmanager")
    assert {"redis", "seed", "specter-notifications"} <= all_needs("worker")
    assert {"seed", "specter-notifications"} <= all_needs("scheduler")
    # A shop whose queue is away sells all the same.
    assert "redis" not in all_needs("shop")
    assert "prometheus" in all_needs("grafana")


def test_the_coaching_service_is_built_from_its_own_folder_and_told_its_own() -> None:
    container = CONTAINERS["coaching"]
    assert container.body["pull_policy"] == "build"
    assert (CHECKOUT / container.body["build"] / "Dockerfile").is_file()
    told = container.environment
    assert told["COACHING_LISTEN"] == f"0.0.0.0:{PORTS['coaching']}"
    assert_url_of_a_service(told["COACHING_EVENTS_URL"])
    # What it writes is what the exporter beside it reads.
    exporter = yaml.safe_load((CHECKOUT / "stack/exporters/coaching-logs.yml").read_text(encoding="utf-8"))
    assert exporter["logs"][0]["files"] == [told["COACHING_LOG_FILE"]]
    assert not container.mount_of(told["COACHING_LOG_FILE"]).read_only
    read = CONTAINERS["coaching-logs"].mount_of(told["COACHING_LOG_FILE"])
    assert (read.source, read.read_only) == (container.mount_of(told["COACHING_LOG_FILE"]).source, True)


def test_one_service_builds_our_image_and_the_others_only_use_it() -> None:
    builders = [container for container in OWN if "build" in container.body]
    assert [(each.name, each.body["build"], each.body["pull_policy"]) for each in builders] == [
        ("secrets", ".", "build")
    ]
    for container in OWN:
        if container.name != "secrets":
            assert container.body["pull_policy"] == "never"
            assert "secrets" in all_needs(container.name)


# Commands


@parametrize([CONTAINERS[name] for name in AT_PINNED_VERSION])
def test_its_flags_exist_in_the_pinned_and_in_the_installed_version(container: Container) -> None:
    assert all(word.startswith("--") for word in container.command)
    used = {flag.removeprefix("--") for flag in container.flags}
    assert used - AT_PINNED_VERSION[container.name] == set()
    assert used - installed_flags(container.name) == set()


def test_prometheus_has_the_flags_of_the_native_run() -> None:
    assert tuple(CONTAINERS["prometheus"].command[-len(PROMETHEUS_FLAGS) :]) == PROMETHEUS_FLAGS
    features = CONTAINERS["prometheus"].flags["--enable-feature"]
    assert features is not None
    assert set(features.split(",")) <= PROMETHEUS_3_FEATURES


def test_prometheus_keeps_its_data_where_the_history_is_imported() -> None:
    path = CONTAINERS["prometheus"].flags["--storage.tsdb.path"]
    imported = CONTAINERS["history-import"].flags["--database"]
    assert path == imported == "/prometheus/data"
    assert CONTAINERS["prometheus"].mount_of(path) == CONTAINERS["history-import"].mount_of(imported)
    assert CONTAINERS["prometheus"].uid == CONTAINERS["history-import"].uid
    # The import replaces the folder, which a mount point cannot be.
    assert path != str(CONTAINERS["prometheus"].mount_of(path).target)


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("postgres", ["postgres"]),
        ("postgres-standby", ["sh", "/etc/specter/standby.sh", "-p", str(PORTS["postgres-standby"])]),
    ],
)
def test_postgres_and_its_standby_have_the_settings_of_the_native_run(name: str, program: list[str]) -> None:
    command = CONTAINERS[name].command
    words = command[len(program) :]
    assert command[: len(program)] == program
    assert words[::2] == ["-c"] * (len(words) // 2)
    # Natively there is no socket; in the image the set-up needs one. Other containers may log in there.
    expected = {f"{key}={value}" for key, value in POSTGRES_SETTINGS.items()}
    expected.remove("unix_socket_directories=")
    assert set(words[1::2]) == {*expected, "hba_file=/etc/specter/pg_hba.conf"}


def test_the_standby_copies_the_primary_as_the_native_run_does() -> None:
    script = (CHECKOUT / "stack/postgres/standby.sh").read_text(encoding="utf-8")
    assert DROP_SLOT in script
    assert f"-C -S {SLOT} " in script
    assert f"application_name={SLOT}" in script
    told = CONTAINERS["postgres-standby"].environment
    # What is removed and made anew is in the volume, and not the volume.
    volume = CONTAINERS["postgres-standby"].mount_of(told["PGDATA"])
    assert (volume.source, volume.read_only) == ("postgres-standby-data", False)
    assert str(volume.target) != told["PGDATA"]
    password = CONTAINERS["postgres-standby"].mount_of(told["POSTGRES_PASSWORD_FILE"])
    assert (password.source, password.read_only) == ("postgres-password", True)


@every_own
def test_its_command_is_one_that_specter_understands(container: Container) -> None:
    context = parse_command(container.command)
    assert context.command.callback is not None
    for value in context.params.values():
        if isinstance(value, str) and value.startswith("http"):
            assert_url_of_a_service(value)


def parse_command(words: list[str]) -> click.Context:
    """Parse `words` as `specter` does, without running anything; raises what it would print."""
    command: click.Command = root
    name, rest = "specter", list(words)
    # A group whose first word is an option does something by itself.
    while isinstance(command, click.Group) and not rest[0].startswith("-"):
        name = rest.pop(0)
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"specter has no command {words}"
        command = found
    return command.make_context(name, rest)


def test_a_wrong_flag_would_be_seen() -> None:
    with pytest.raises(click.NoSuchOption):
        parse_command(["demo", "history", "fill", "--prometheus=http://prometheus:9090"])


def assert_url_of_a_service(url: str) -> None:
    match = re.fullmatch(r"(?:http|redis)://([\w-]+):(\d+)(?:/0)?", url)
    assert match, url
    assert int(match[2]) in {inside for _, _, inside in CONTAINERS[match[1]].ports}, url


# Environment and secrets


@every_own
def test_its_shop_variables_are_valid_settings(container: Container) -> None:
    told = {name: value for name, value in container.environment.items() if name not in FOR_JOBS}
    assert all(name.startswith(PREFIX) for name in told)
    settings = load_settings(told, launcher_file=CHECKOUT / "no-such-file")
    for name, value in told.items():
        assert str(getattr(settings, name.removeprefix(PREFIX).lower())) == value
        if (container.name, name) in FOR_THE_HOST:
            host, _, port = value.removeprefix("http://").partition(":")
            assert any((host, int(port)) == each.ports[-1][:2] for each in CONTAINERS.values() if each.ports)
        elif name.endswith("_URL"):
            assert_url_of_a_service(value)
        elif name.endswith(("_DIR", "_FILE")):
            container.mount_of(value)
        elif name.endswith("_LISTEN"):
            assert value in {f"0.0.0.0:{inside}" for _, _, inside in container.ports}


def test_the_scheduler_s_jobs_ping_the_exporter_with_its_key() -> None:
    scheduler, exporter = CONTAINERS["scheduler"], CONTAINERS["jobs"]
    url, key, state = (scheduler.environment[name] for name in FOR_JOBS)
    assert url.endswith("/ping")
    assert_url_of_a_service(url.removesuffix("/ping"))
    config = yaml.safe_load((CHECKOUT / "stack/exporters/jobs.yml").read_text("utf-8"))
    assert config["ping_key_file"] == key
    assert exporter.mount_of(key).source == scheduler.mount_of(key).source == "jobs-ping-key"
    assert scheduler.mount_of(state).source == "shop-state"


def test_the_shop_is_told_all_that_its_faults_need() -> None:
    assert CONTAINERS["shop"].environment.keys() >= {
        "SHOP_STATE_DIR",
        "SHOP_DATABASE_DSN",
        "SHOP_DATABASE_PASSWORD_FILE",
        "SHOP_URL",
    }
    for reader in ("traffic", "history-fill", "seed", "payments", "specter-notifications", *WORKERS):
        assert (
            mount_from("shop-state", CONTAINERS[reader]).target
            == mount_from("shop-state", CONTAINERS["shop"]).target
        )
        assert (
            CONTAINERS[reader].environment["SHOP_STATE_DIR"]
            == CONTAINERS["shop"].environment["SHOP_STATE_DIR"]
        )


def mount_from(volume: str, container: Container) -> Mount:
    return next(mount for mount in container.mounts if mount.source == volume)


def made_secrets() -> dict[str, str]:
    """Volumes by the name of the secret file that the first service writes into their root."""
    container = CONTAINERS["secrets"]
    files = container.command[2:]
    for file in files:
        assert file.rpartition("/")[0] == str(container.mount_of(file).target)
        assert not container.mount_of(file).read_only
    return {file.rpartition("/")[2]: container.mount_of(file).source for file in files}


def test_every_secret_is_made_at_the_first_start_in_a_volume_of_its_own() -> None:
    made = made_secrets()
    assert set(made) == set(NAMES)
    assert len(set(made.values())) == len(NAMES)


def test_a_secret_is_seen_only_by_those_who_need_it_and_changed_by_none() -> None:
    for volume, readers in SECRET_READERS.items():
        mounted = {name for name, each in CONTAINERS.items() if volume in {m.source for m in each.mounts}}
        assert mounted == {"secrets", *readers}
        for name in readers:
            assert mount_from(volume, CONTAINERS[name]).read_only
            assert {"secrets"} <= all_needs(name)


@every
def test_its_secrets_come_from_files_that_were_made_for_it(container: Container) -> None:
    made = made_secrets()
    for name, value in container.environment.items():
        if re.search(r"PASSWORD|SECRET|TOKEN|CREDENTIAL|_KEY", name):
            assert name.endswith("_FILE")
            assert made[value.rpartition("/")[2]] == container.mount_of(value).source
            assert value.rpartition("/")[0] == str(container.mount_of(value).target)


@pytest.mark.parametrize("file", ["docker-compose.yml", "Dockerfile"])
def test_no_secret_is_written_down(file: str) -> None:
    text = (CHECKOUT / file).read_text(encoding="utf-8")
    assert not re.search(r"://[^/\s]*:[^/\s]*@", text)
    assert not re.search(
        r"(?i)(password|token|secret)\s*[=:]\s*[\"']?[\w-]{4,}[\"']?\s*$", text, re.MULTILINE
    )
    assert "POSTGRES_HOST_AUTH_METHOD" not in text


def test_grafana_is_told_what_its_provisioning_asks_for() -> None:
    provisioning = CHECKOUT / "stack/grafana/provisioning"
    asked: set[str] = set()
    for file in provisioning.rglob("*.yml"):
        asked |= set(re.findall(r"\$\{?(SPECTER_\w+)", file.read_text(encoding="utf-8")))
    environment: Mapping[str, Any] = CONTAINERS["grafana"].environment
    assert asked == {name for name in environment if name.startswith("SPECTER_")}
    assert_url_of_a_service(environment["SPECTER_PROMETHEUS_URL"])
    assert CONTAINERS["grafana"].mount_of(environment["SPECTER_DASHBOARDS_DIR"]).bind
