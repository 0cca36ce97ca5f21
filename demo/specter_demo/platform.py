"""The demo's services: the shop and its surroundings beside the servers every run has."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from specter_demo.coaching.node import SOURCE, NodeRuntime
from specter_demo.files import write_atomically
from specter_demo.settings import LAUNCHER_FILE, PREFIX, Settings
from specter_stack.configure import configure_alertmanager, configure_exporters, configure_prometheus
from specter_stack.dependencies import configure_dependencies
from specter_stack.grafana import grafana_service
from specter_stack.layout import Layout
from specter_stack.ports import LOOPBACK
from specter_stack.postgres import SUPERUSER, postgres_service
from specter_stack.servers import DEFAULT_PORTS, base_services
from specter_stack.service import Service, Target
from specter_stack.standby import standby_service

PORTS: Mapping[str, int] = {
    **DEFAULT_PORTS,
    "postgres-standby": 5433,
    "shop": 8080,
    "payments": 8081,
    "postgres-exporter": 9841,
    "sql-exporter": 9842,
    "payments-status": 8083,
    "app": 9840,
    "app-events": 9848,
    "browser": 9852,
    "browser-events": 9853,
    "jobs": 9844,
    "jobs-events": 9855,
    "queues": 9843,
    "detector": 9845,
    "logs": 9847,
    "signin": 9849,
    "signin-events": 9850,
    "notifications": 9846,
    "coaching": 8082,
    "coaching-logs": 9854,
    "dependencies": 9851,
}
COACHING = ("coaching", "coaching-logs")
"""The services that are there only where there is Node.js."""
WORKERS = ("worker", "scheduler")
"""What works beside the requests: the queues' worker, and who starts the jobs."""
SPECTER = (sys.executable, "-m", "specter_core")


@dataclass(frozen=True, slots=True)
class Platform:
    """Everything that a run of the demo consists of; without `node` there is no coaching service."""

    layout: Layout
    ports: Mapping[str, int]
    settings: Settings
    node: NodeRuntime | None = None

    def url(self, name: str) -> str:
        """Return the base URL of the server called `name`."""
        return f"http://{LOOPBACK}:{self.ports[name]}"

    @property
    def launcher_file(self) -> Path:
        """Settings of the running demo, read by `specter demo fault`."""
        return self.layout.state / LAUNCHER_FILE


def build_platform(
    layout: Layout, utc_offset_hours: float, ports: Mapping[str, int], node: NodeRuntime | None = None
) -> Platform:
    """Derive the shop's settings from `ports`, one for each name in `PORTS`."""
    settings = Settings(
        state_dir=layout.state / "shop",
        database_dsn=f"host={LOOPBACK} port={ports['postgres']} dbname=postgres user={SUPERUSER}",
        database_standby_dsn=(
            f"host={LOOPBACK} port={ports['postgres-standby']} dbname=postgres user={SUPERUSER}"
        ),
        database_password_file=layout.secrets / "postgres-password",
        database_exporter_password_file=layout.secrets / "postgres-exporter-password",
        database_checks_password_file=layout.secrets / "sql-exporter-password",
        payment_url=f"http://{LOOPBACK}:{ports['payments']}",
        url=f"http://{LOOPBACK}:{ports['shop']}",
        listen=f"{LOOPBACK}:{ports['shop']}",
        payment_listen=f"{LOOPBACK}:{ports['payments']}",
        payment_status_listen=f"{LOOPBACK}:{ports['payments-status']}",
        payment_token_file=layout.secrets / "payments-token",
        inbox_listen=f"{LOOPBACK}:{ports['notifications']}",
        inbox_token_file=layout.secrets / "notifications-token",
        inbox_url=f"http://{LOOPBACK}:{ports['notifications']}",
        queue_url=f"redis://{LOOPBACK}:{ports['redis']}/0",
        business_url=f"http://{LOOPBACK}:{ports['app-events']}",
        business_token_file=layout.secrets / "business-token",
        signin_url=f"http://{LOOPBACK}:{ports['signin-events']}",
        signin_token_file=layout.secrets / "signin-token",
        beacon_url=f"http://{LOOPBACK}:{ports['browser-events']}",
        coaching_url=None if node is None else f"http://{LOOPBACK}:{ports['coaching']}",
        traffic_utc_offset=utc_offset_hours,
    )
    return Platform(layout, ports, settings, node)


def environment_of(settings: Settings) -> dict[str, str]:
    """Return `settings` as environment variables; they hold paths of secrets, never a secret."""
    values = settings.model_dump(mode="json", exclude_none=True)
    return {f"{PREFIX}{name.upper()}": str(value) for name, value in values.items()}


def build_services(platform: Platform, say: Callable[[str], None]) -> tuple[Service, ...]:
    """Return every service of the demo, and write the configuration that they read."""
    layout, ports = platform.layout, platform.ports
    services = [
        postgres_service(layout, ports["postgres"], layout.secrets / "postgres-password"),
        standby_service(layout, ports["postgres-standby"]),
        *base_services(layout, ports),
        *_exporters(platform),
        _dependencies(platform),
        *_shop_services(platform),
        *_coaching_services(platform),
        _detector(platform),
    ]
    grafana, sentence = grafana_service(layout, ports["grafana"], platform.url("prometheus"))
    say(sentence)
    if grafana is not None:
        services.append(grafana)
    targets = [target for service in services for target in service.targets]
    configure_prometheus(layout, targets)
    configure_alertmanager(layout, f"{LOOPBACK}:{ports['notifications']}")
    for folder in (platform.settings.state_dir, _coaching_state(layout)):
        folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name}={value}\n" for name, value in sorted(environment_of(platform.settings).items())]
    write_atomically(platform.launcher_file, "".join(lines))
    return tuple(services)


def _shop_services(platform: Platform) -> list[Service]:
    environment = environment_of(platform.settings)
    shop = Target("shop", f"{LOOPBACK}:{platform.ports['shop']}", {"service": "shop", "instance": "shop-1"})
    return [
        Service(
            "payments",
            (*SPECTER, "demo", "serve", "payments"),
            ready=f"{platform.url('payments')}/healthz",
            environment=environment,
        ),
        Service(
            "shop",
            (*SPECTER, "demo", "serve", "shop"),
            ready=f"{platform.url('shop')}/healthz",
            environment=environment,
            targets=(shop,),
            url=platform.url("shop"),
        ),
        Service(
            "traffic",
            (*SPECTER, "demo", "serve", "traffic"),
            ready=f"{platform.url('shop')}/healthz",
            environment=environment,
        ),
        Service(
            "notifications",
            (*SPECTER, "demo", "serve", "inbox"),
            ready=f"{platform.url('notifications')}/healthz",
            environment=environment,
        ),
        # These two listen nowhere: without the inbox they do nothing of use.
        *(
            Service(
                name,
                (*SPECTER, "demo", "serve", name),
                ready=f"{platform.url('notifications')}/healthz",
                environment={**environment, **(_pinging(platform) if name == "scheduler" else {})},
            )
            for name in WORKERS
        ),
    ]


def _pinging(platform: Platform) -> dict[str, str]:
    """Return what tells `specter run`, by which the scheduler starts the jobs, whom to ping."""
    return {
        "SPECTER_PING_URL": f"{platform.url('jobs-events')}/ping",
        "SPECTER_PING_KEY_FILE": str(platform.layout.secrets / "jobs-ping-key"),
        "SPECTER_RUN_STATE_DIR": str(platform.layout.state / "shop" / "run"),
    }


def _coaching_services(platform: Platform) -> list[Service]:
    """Return the service with none of our code, and the exporter that reads its log; none without Node.js."""
    node, layout = platform.node, platform.layout
    if node is None:
        return []
    address = f"{LOOPBACK}:{platform.ports['coaching']}"
    service = Service(
        "coaching",
        (str(node.program), str(SOURCE / "service.js")),
        ready=f"http://{address}/healthz",
        environment={
            "NODE_PATH": str(node.packages),
            "COACHING_LISTEN": address,
            "COACHING_LOG_FILE": str(_coaching_state(layout) / "coaching.log"),
            "COACHING_EVENTS_URL": platform.url("app-events"),
            "COACHING_TOKEN_FILE": str(layout.secrets / "coaching-token"),
        },
        targets=(Target("coaching", address, {"service": "coaching", "instance": "coaching-1"}),),
        url=f"http://{address}",
    )
    logs = _exporter(
        platform,
        "coaching-logs",
        *("--config", str(layout.etc / "exporters" / "coaching-logs.yml")),
        *("--storage.path", str(layout.state / "coaching-logs-exporter")),
        kind="logs",
        service="coaching",
    )
    return [service, logs]


def _coaching_state(layout: Layout) -> Path:
    return layout.state / "coaching"


def _exporters(platform: Platform) -> list[Service]:
    """Return the exporters beside the shop: what it tells them, and what its logs say, is about it."""
    layout = platform.layout
    folder = configure_exporters(layout, platform.settings.state_dir, platform.ports, _coaching_state(layout))
    return [
        _exporter(
            platform,
            "app",
            *("--business.token-file", f"shop={layout.secrets / 'business-token'}"),
            *("--business.token-file", f"coaching={layout.secrets / 'coaching-token'}"),
            *("--business.listen-address", f"{LOOPBACK}:{platform.ports['app-events']}"),
            *("--storage.path", str(layout.state / "app")),
        ),
        _exporter(
            platform,
            "signin",
            *("--config", str(folder / "signin.yml")),
            *("--events.listen-address", f"{LOOPBACK}:{platform.ports['signin-events']}"),
        ),
        _exporter(
            platform,
            "browser",
            *("--config", str(folder / "browser.yml")),
            *("--beacon.listen-address", f"{LOOPBACK}:{platform.ports['browser-events']}"),
        ),
        _exporter(
            platform,
            "logs",
            *("--config", str(folder / "logs.yml")),
            *("--storage.path", str(layout.state / "logs-exporter")),
        ),
        _exporter(
            platform,
            "postgres-exporter",
            *("--config", str(folder / "postgres.yml")),
            kind="postgres",
        ),
        _exporter(
            platform,
            "queues",
            *("--redis.url", str(platform.settings.queue_url)),
            *("--storage.path", str(layout.state / "queues-exporter")),
        ),
        _exporter(
            platform,
            "jobs",
            *("--config", str(folder / "jobs.yml")),
            *("--ping.listen-address", f"{LOOPBACK}:{platform.ports['jobs-events']}"),
            *("--storage.path", str(layout.state / "jobs-exporter")),
        ),
        _exporter(platform, "sql-exporter", "--config", str(folder / "sql.yml"), kind="sql"),
    ]


def _exporter(
    platform: Platform, name: str, *options: str, kind: str | None = None, service: str = "shop"
) -> Service:
    """Return the exporter called `name` beside `service`; `kind` is its command, if not the name."""
    address, kind = f"{LOOPBACK}:{platform.ports[name]}", kind or name
    return Service(
        name,
        (*SPECTER, "exporter", kind, *options, "--web.listen-address", address),
        ready=f"http://{address}/-/healthy",
        targets=(Target(kind, address, {"service": service, "instance": f"{name}-1"}),),
        url=f"http://{address}",
    )


def _dependencies(platform: Platform) -> Service:
    """Return the exporter that watches what the shop depends on; its target is nobody's service."""
    # Both ways to run prefer the same ports, so the list's addresses are known by their names.
    config = configure_dependencies(
        platform.layout,
        {
            f"{name.removesuffix('-status')}:{port}": f"{LOOPBACK}:{platform.ports[name]}"
            for name, port in PORTS.items()
        },
        absent=() if platform.node else ("coaching",),
    )
    address = f"{LOOPBACK}:{platform.ports['dependencies']}"
    return Service(
        "dependencies",
        (
            *SPECTER,
            *("exporter", "dependencies", "--config", str(config)),
            *("--web.listen-address", address),
        ),
        ready=f"http://{address}/-/healthy",
        targets=(Target("dependencies", address, {"instance": "dependencies-1"}),),
        url=f"http://{address}",
    )


def _detector(platform: Platform) -> Service:
    address = f"{LOOPBACK}:{platform.ports['detector']}"
    return Service(
        "detector",
        (
            *SPECTER,
            *("detector", "run"),
            *("--config", str(platform.layout.checkout / "stack" / "detector" / "detector.yml")),
            *("--datasource-url", platform.url("prometheus")),
            *("--storage.path", str(platform.layout.state / "detector")),
            *("--web.listen-address", address),
        ),
        ready=f"http://{address}/-/healthy",
        targets=(Target("detector", address, {"service": "detector", "instance": "detector-1"}),),
        url=f"http://{address}",
    )
